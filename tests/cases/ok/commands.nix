# Scripts arrive as they are, with the context of what they mention; the shell and the tools as paths.
let
  package = import ../package.nix;
  shell = package "bash";
  tool = package "coreutils";
  image =
    arguments:
    builtins.ociImage (
      {
        name = "app";
        shell = "${shell}/bin/bash";
      }
      // arguments
    );
  carried = arguments: (image arguments).root.gantry.arguments;
  script = "cp ${tool}/etc/x .\n";
  all = carried {
    extraCommands = script;
    fakeRootCommands = "chown 1 x";
    enableFakechroot = true;
    runAsRoot = "useradd app";
    path = [
      tool
      ../files
    ];
  };
in
assert all.extraCommands == script;
assert all.fakeRootCommands == "chown 1 x";
assert all.enableFakechroot;
assert all.runAsRoot == "useradd app";
assert all.shell == "${shell}/bin/bash";
assert all.path == [ "${tool}" "${../files}" ];
# Nix builds what they mention and what they are run with.
assert builtins.hasContext all.extraCommands;
assert builtins.hasContext all.shell;
assert builtins.hasContext (builtins.head all.path);
# A package is a shell, too, and one tool is a list of one.
assert (carried { inherit shell; path = tool; }).shell == "${shell}";
assert (carried { path = tool; }).path == [ "${tool}" ];
# A script that a package wrote is its path.
assert builtins.toJSON (carried { runAsRoot = tool; }).runAsRoot == builtins.toJSON "${tool}";
# Nobody has to give a shell, unless there is a script.
assert
  (builtins.ociImage {
    name = "app";
    extraCommands = "";
    fakeRootCommands = "";
    enableFakechroot = true;
    runAsRoot = null;
    shell = null;
  }).root.gantry.arguments.shell == null;
true
