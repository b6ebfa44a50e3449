# What a root layer reads of the base: which directories are links; all of it only if something depends on it.
let
  package = import ../package.nix;
  arguments =
    more:
    (builtins.ociImage ({ name = "app"; fromImage = package "base"; } // more)).root.gantry.arguments;
  links = more: arguments more ? directoryLinks;
  base = more: arguments more ? fromImage;
  shell = package "bash";
  without = (builtins.ociImage { name = "app"; }).root.gantry.arguments;
  # Images on one base share the derivation.
  shared = name: (builtins.ociImage { inherit name; fromImage = package "base"; }).root.gantry.arguments.directoryLinks;
in
assert !(without ? directoryLinks) && !(without ? fromImage);
assert links { } && !(base { });
assert !(base { directories."/tmp" = { }; });
assert !(base { extraCommands = "true"; fakeRootCommands = "true"; inherit shell; });
assert !(base { users = { }; runAsRoot = null; });
assert links { users.app.uid = 1000; } && base { users.app.uid = 1000; };
assert base { runAsRoot = "true"; inherit shell; };
assert links { runAsRoot = "true"; inherit shell; };
assert shared "one" == shared "two";
true
