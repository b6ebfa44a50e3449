# A new base image makes no new root layer, unless something in it depends on the base.
let
  package = import ../package.nix;
  root =
    base: arguments:
    (builtins.ociImage ({ name = "app"; fromImage = package base; } // arguments)).root.drvPath;
  independent = arguments: root "one" arguments == root "two" arguments;
  shell = package "bash";
in
assert independent { };
assert independent { directories."/tmp" = { }; };
assert independent { extraCommands = "true"; fakeRootCommands = "true"; inherit shell; };
assert independent { users = { }; runAsRoot = null; };
assert !(independent { users.app.uid = 1000; });
assert !(independent { runAsRoot = "true"; inherit shell; });
true
