# A package, a list, a path, a string with context, a path below a package.
let
  package = import ../package.nix "hello";
  root =
    name: value:
    (builtins.ociImage {
      name = "app";
      ${name} = value;
    }).root;
  paths = name: value: map (source: source.path) (root name value).gantry.arguments.${name};
  both = value: expected: paths "contents" value == expected && paths "copyToRoot" value == expected;
  out = package.outPath;
  files = "${../files}";
in
assert both [ ] [ ];
assert both package [ out ];
assert both [ package ] [ out ];
assert both "${package}" [ out ];
assert both "${package}/bin" [ "${out}/bin" ];
assert both [ "${package}/etc" package ] [ "${out}/etc" out ];
assert both [ { outPath = out; } ] [ out ];
assert both [ { __toString = _: out; } ] [ out ];
assert both ../files [ files ];
assert both [ ../files/etc ] [ "${../files/etc}" ];
assert both (builtins.path { path = ../files; name = "renamed"; }) [
  "${builtins.path { path = ../files; name = "renamed"; }}"
];
assert both (builtins.toFile "a-file" "text") [ "${builtins.toFile "a-file" "text"}" ];
# Nix builds what an image holds: all of it is in the context.
assert builtins.hasContext (builtins.head (paths "contents" "${package}/bin"));
assert builtins.hasContext (builtins.head (paths "contents" ../files));
true
