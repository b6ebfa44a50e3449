# error: evaluation aborted with the following error message: 
# at: none
builtins.ociImage {
  name = "app";
  tag = abort "mine";
}
