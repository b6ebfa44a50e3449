# error: builtins.ociImage: config.ExposedPorts."0/tcp": found "0/tcp", accepted: a port from 1 to 65535 or a range, then /tcp, /udp or /sctp
# at: 8:7
builtins.ociImage {
  name = "app";
  config = {
    ExposedPorts = {
      "443/tcp" = { };
      "0/tcp" = { };
    };
  };
}
