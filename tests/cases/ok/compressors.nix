# Compressing the archive as a whole changes the derivation and its name, not the image.
let
  image = compressor: builtins.ociImage { name = "team/app"; inherit compressor; };
  plain = builtins.ociImage { name = "team/app"; };
in
assert (image "none").drvPath == plain.drvPath;
assert (image "gz").name == "app.tar.gz";
assert (image "zstd").name == "app.tar.zst";
assert (image "gz").imageTag == plain.imageTag;
assert (image "gz").root.drvPath == plain.root.drvPath;
assert (image "gz").archive.drvPath == (image "gz").drvPath;
# Only an archive has it.
assert (image "gz").layout.drvPath == plain.layout.drvPath;
assert (image "gz").stream.drvPath == plain.stream.drvPath;
assert
  (builtins.ociImage {
    name = "team/app";
    manifests = [ plain ];
    compressor = "zstd";
  }).name == "app.tar.zst";
true
