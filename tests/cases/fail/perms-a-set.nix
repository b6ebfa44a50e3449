# error: builtins.ociImage: perms: found a set, accepted: a list of sets such as { path = "/var/**"; mode = "0750"; }
# at: 5:3
builtins.ociImage {
  name = "app";
  perms."/var/**".mode = "0750";
}
