# What tests/check-aarch64 has both builders make of real packages: for each root layer and image a file with the
# attributes that Nix gives to its builder, the exported graph among them.
#
#   packages   the folder that tests/support/debian-packages fills
#   builder    the executable `gantry` of this machine's processor
{ packages, builder }:
let
  debian = import packages { };
  busybox = builtins.path {
    path = packages + "/busybox";
    name = "busybox";
  };

  inherit
    (import ../nix {
      gantry = {
        outPath = builtins.path {
          name = "gantry";
          path = dirOf (dirOf builder);
          filter =
            path: _:
            builtins.elem path [
              (toString (dirOf builder))
              (toString builder)
            ];
        };
        system = builtins.currentSystem;
        version = "of this processor";
      };
    })
    ociImage
    ;

  image =
    arguments:
    ociImage (
      {
        name = "registry.example/python-and-nginx";
        tag = "1";
        contents = debian.all;
        architecture = "arm64";
        config = {
          Cmd = [ "python3" ];
          Env = [ "PATH=/usr/bin:/usr/sbin:/bin" ];
        };
      }
      // arguments
    );

  # Owners, modes and accounts: what a root layer has besides links.
  dressed = image {
    contents = debian.pkgs.libssl3;
    copyToRoot = [
      debian.pkgs.zlib1g
      debian.pkgs.libc6
    ];
    uid = 1000;
    gid = 100;
    uname = "app";
    gname = "users";
    users.app = {
      uid = 1000;
      description = "Who runs it";
    };
    directories."/var/lib/app" = {
      mode = "750";
      uid = 1000;
    };
    perms = [
      {
        path = "/usr/**/*.so*";
        mode = "0755";
      }
    ];
    includeNixDB = true;
    compression = "zstd";
    compressionLevel = 15;
    maxLayers = 20;
    mtime = "2026-01-01T00:00:00Z";
    annotations.source = "https://example.org";
  };

  derivations = {
    root = (image { }).root;
    dressed-root = dressed.root;
    dressed-database = dressed.database;
    inherit dressed;
    archive = image { };
    archive-gzip = image { compression = "gzip"; };
    layout-zstd = image {
      format = "layout";
      compression = "zstd";
    };
    stream = image { format = "stream"; };
    stream-gzip = image {
      contents = debian.pkgs.zlib1g;
      format = "stream";
      compression = "gzip";
      compressionLevel = 12;
    };
    whole-gzip = image {
      contents = debian.pkgs.zlib1g;
      compressor = "gz";
    };
    whole-zstd = image {
      contents = debian.pkgs.zlib1g;
      compressor = "zstd";
    };
    index = image {
      contents = [ ];
      config = { };
      manifests = [ (image { contents = debian.pkgs.zlib1g; }) ];
    };
  };
in
builtins.mapAttrs (
  name: drv:
  derivation (
    drv.drvAttrs
    // {
      name = "attributes-${name}";
      builder = "${busybox}/bin/sh";
      args = [
        "-euc"
        "${busybox}/bin/cp \"$NIX_ATTRS_JSON_FILE\" \"$0\""
        (placeholder "out")
      ];
    }
  )
) derivations
