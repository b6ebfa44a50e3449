{
  description = "An image of a service, with a user, a port and a health check: nix build && docker load < result";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
  # Where `nix flake init` took this file from.
  inputs.gantry.url = "https://example.org/gantry.tar.gz";
  inputs.gantry.inputs.nixpkgs.follows = "nixpkgs";

  outputs =
    {
      self,
      nixpkgs,
      gantry,
    }:
    let
      # Or "aarch64-linux".
      system = "x86_64-linux";
      pkgs = nixpkgs.legacyPackages.${system};
      ociImage = builtins.ociImage or gantry.lib.${system}.ociImage;
      configuration = pkgs.writeText "redis.conf" ''
        bind 0.0.0.0
        protected-mode no
        dir /data
        appendonly yes
      '';
    in
    {
      packages.${system} = {
        default = ociImage {
          inherit system;
          name = "registry.example/redis";
          contents = [ pkgs.redis ];

          users.redis = {
            uid = 999;
            home = "/data";
          };
          directories = {
            "/data" = {
              mode = "0750";
              uid = 999;
              gid = 999;
            };
            "/tmp".mode = "1777";
          };

          config = {
            Entrypoint = [
              "/bin/redis-server"
              "${configuration}"
            ];
            User = "redis";
            WorkingDir = "/data";
            Volumes."/data" = { };
            ExposedPorts."6379/tcp" = { };
            Healthcheck = {
              Test = [
                "CMD"
                "/bin/redis-cli"
                "ping"
              ];
              Interval = 10000000000;
              Timeout = 3000000000;
              Retries = 3;
            };
          };

          # An update of the service sends small layers: the packages that change least are at the bottom.
          maxLayers = 20;
          compression = "zstd";
        };
      };
    };
}
