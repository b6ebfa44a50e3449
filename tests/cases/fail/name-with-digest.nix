# error: builtins.ociImage: name: found "app@sha256:00", a name has no digest
# at: 4:3
builtins.ociImage {
  name = "app@sha256:00";
}
