# error: builtins.ociImage: uname: found "a:b", accepted: a name without ":", "/" and line breaks
# at: 5:3
builtins.ociImage {
  name = "app";
  uname = "a:b";
}
