let
  image = builtins.ociImage { name = "app"; };
  text = "${image}/oci-layout";
in
assert text == image.outPath + "/oci-layout";
assert
  builtins.getContext text == {
    ${builtins.unsafeDiscardStringContext image.drvPath}.outputs = [ "out" ];
  };
assert builtins.unsafeDiscardStringContext (builtins.toJSON { inherit image; }) == builtins.toJSON { image = builtins.unsafeDiscardStringContext image.outPath; };
assert "${image.imageRef}" == image.imageRef && !(builtins.hasContext image.imageRef);
true
