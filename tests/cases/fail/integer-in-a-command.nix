# error: builtins.ociImage: config.Entrypoint[1]: found an integer (5), accepted: a string
# at: 6:5
builtins.ociImage {
  name = "app";
  config = {
    Entrypoint = [ "sleep" 5 ];
  };
}
