# error: builtins.ociImage: config.ExposedPorts."90-80/udp": found "90-80/udp", accepted: a port from 1 to 65535 or a range, then /tcp, /udp or /sctp
# at: 8:7
builtins.ociImage {
  name = "app";
  config = {
    ExposedPorts = {
      "443/tcp" = { };
      "90-80/udp" = { };
    };
  };
}
