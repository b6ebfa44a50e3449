# error: builtins.ociImage: directories."/tmp".mode: found an integer (1777), accepted: a string of 3 or 4 octal digits such as "0755"; integers in Nix are decimal, so write mode = "1777"
# at: 7:5
builtins.ociImage {
  name = "app";
  directories = {
    "/var" = { };
    "/tmp".mode = 1777;
  };
}
