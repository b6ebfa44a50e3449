# error: builtins.ociImage: fromImage: found a list, accepted: one image: a pullImage or ociImage result, or a path
# at: 5:3
builtins.ociImage {
  name = "app";
  fromImage = [ ./latin1.txt ];
}
