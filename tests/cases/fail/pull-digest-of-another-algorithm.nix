# error: builtins.pullImage: imageDigest: found "md5:00000000000000000000000000000000", accepted: "sha256:" and 64 lower-case hexadecimal digits
# at: 5:3
builtins.pullImage {
  imageName = "registry.example/app";
  imageDigest = "md5:00000000000000000000000000000000";
}
