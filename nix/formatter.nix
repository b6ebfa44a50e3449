# `nix fmt [FILE...]`: nixfmt over the files that are named, or over all that git knows. Cases of tests are left
# out: their positions are part of what is tested, and one of them is wrong on purpose.
{ pkgs }:
pkgs.writeShellScriptBin "gantry-format" ''
  set -eu
  if [ "$#" = 0 ] || [ "$*" = . ]; then
    git ls-files -z -- '*.nix' ':!tests/cases' | xargs -0 ${pkgs.nixfmt}/bin/nixfmt
  else
    exec ${pkgs.nixfmt}/bin/nixfmt "$@"
  fi
''
