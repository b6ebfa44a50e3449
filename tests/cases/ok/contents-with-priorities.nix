# nixpkgs' meta.priority decides who wins where two packages have the same file; 5 unless it is set.
let
  package = import ../package.nix;
  image = builtins.ociImage {
    name = "app";
    contents = [
      (package "plain")
      (package "preferred" // { meta.priority = -10; })
      (package "without" // { meta.description = "x"; })
      "${package "text"}"
    ];
  };
in
map (source: source.priority) image.root.gantry.arguments.contents == [
  5
  (-10)
  5
  5
]
