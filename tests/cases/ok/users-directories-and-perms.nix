# Users, directories and modes arrive as they are.
let
  package = import ../package.nix;
  arguments = {
    directories = {
      "/" = { };
      "/tmp".mode = "1777";
      "/srv/app" = {
        mode = "750";
        uid = 1000;
        gid = 1000;
        uname = "app";
        gname = "app";
      };
    };
    users = {
      app = {
        uid = 1000;
        shell = "${package "bash"}/bin/bash";
      };
      www-data = {
        uid = 33;
        gid = 50;
        group = "staff";
        home = "/";
        description = "Web";
      };
    };
    perms = [
      {
        path = "/srv/**";
        mode = "0640";
      }
      {
        path = "/bin/[!a-c]?*";
        gid = 50;
      }
    ];
  };
  inherit (builtins.ociImage ({ name = "app"; } // arguments)) root;
  carried = root.gantry.arguments;
in
assert builtins.all (name: carried.${name} == arguments.${name}) (builtins.attrNames arguments);
assert builtins.hasContext carried.users.app.shell;
assert builtins.isString root.drvPath;
true
