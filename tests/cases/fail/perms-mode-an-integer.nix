# error: builtins.ociImage: perms[0].mode: found an integer (755), accepted: a string of 3 or 4 octal digits such as "0755"; integers in Nix are decimal, so write mode = "755"
# at: 6:20
builtins.ociImage {
  name = "app";
  perms = [
    { path = "/a"; mode = 755; }
  ];
}
