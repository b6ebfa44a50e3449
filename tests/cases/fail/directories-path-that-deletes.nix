# error: builtins.ociImage: directories."/a/.wh.b": found "/a/.wh.b": a name with ".wh." would delete a file
# at: 6:3
# A whiteout of the image specification.
builtins.ociImage {
  name = "app";
  directories."/a/.wh.b" = { };
}
