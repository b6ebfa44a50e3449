# error: builtins.ociImage: config.ExposedPorts."70000": found "70000", accepted: a port from 1 to 65535 or a range, then /tcp, /udp or /sctp
# at: 8:7
builtins.ociImage {
  name = "app";
  config = {
    ExposedPorts = {
      "443/tcp" = { };
      "70000" = { };
    };
  };
}
