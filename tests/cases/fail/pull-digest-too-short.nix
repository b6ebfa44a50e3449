# error: builtins.pullImage: imageDigest: found "sha256:12", accepted: "sha256:" and 64 lower-case hexadecimal digits
# at: 5:3
builtins.pullImage {
  imageName = "registry.example/app";
  imageDigest = "sha256:12";
}
