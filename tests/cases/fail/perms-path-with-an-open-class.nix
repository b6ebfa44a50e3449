# error: builtins.ociImage: perms[0].path: found "/[ab": a "[" without "]"; "[[]" is the character
# at: 6:7
builtins.ociImage {
  name = "app";
  perms = [
    { path = "/[ab"; uid = 1; }
  ];
}
