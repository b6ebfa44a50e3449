# error: builtins.ociImage: perms[0].source: required beside regex, but missing
# at: 6:3
# As nix2container has them.
builtins.ociImage {
  name = "app";
  perms = [
    { regex = ".*"; mode = "0644"; }
  ];
}
