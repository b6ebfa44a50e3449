# Everything that image-spec and Docker know; store paths in it have a context.
let
  package = import ../package.nix "hello";
  config = {
    User = "1000:1000";
    ExposedPorts = {
      "80" = { };
      "80/tcp" = { };
      "80-90/udp" = { };
    };
    Env = [
      "EMPTY="
      "TWO_LINES=a\nb"
      "EQUALS=a=b"
      "HELLO=${package}"
    ];
    Entrypoint = [ "${package}/bin/hello" ];
    Cmd = [ "there is no such program" ];
    Volumes."/data" = { };
    WorkingDir = "/srv";
    Labels."org.opencontainers.image.source" = "https://example.org";
    StopSignal = "SIGRTMIN+3";
    ArgsEscaped = true;
    Healthcheck = {
      Test = [
        "CMD"
        "true"
      ];
      Interval = 30000000000;
    };
    Shell = [
      "/bin/sh"
      "-c"
    ];
    OnBuild = [ "RUN true" ];
    StopTimeout = 10;
    Hostname = null;
  };
  image = builtins.ociImage {
    name = "app";
    inherit config;
  };
in
assert image.root.gantry.arguments.config == config;
assert builtins.isString image.drvPath;
true
