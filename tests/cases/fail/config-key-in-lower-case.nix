# error: builtins.ociImage: config.entrypoint: unknown key, did you mean "Entrypoint"?
# at: 6:5
builtins.ociImage {
  name = "app";
  config = {
    entrypoint = [ "/bin/app" ];
  };
}
