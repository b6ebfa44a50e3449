# 32 hexadecimal digits of everything that determines the image.
let
  package = import ../package.nix;
  base = {
    name = "app";
    contents = [ (package "hello") ];
    config.Cmd = [ "hello" ];
  };
  tag = arguments: (builtins.ociImage (base // arguments)).imageTag;
  same = arguments: tag arguments == tag { };
  # Each makes another image.
  changes = [
    { }
    { name = "other"; }
    { contents = [ ]; }
    { layers = [ (package "hello") ]; }
    { contents = [ (package "other") ]; }
    { contents = [ (package "hello" // { meta.priority = 4; }) ]; }
    {
      contents = [
        (package "hello")
        (package "other")
      ];
    }
    {
      contents = [
        (package "other")
        (package "hello")
      ];
    }
    { copyToRoot = [ (package "hello") ]; }
    { keepContentsDirlinks = false; }
    { directories."/tmp" = { }; }
    { users.app.uid = 1000; }
    {
      perms = [
        {
          path = "/**";
          uid = 1;
        }
      ];
    }
    {
      extraCommands = "true";
      shell = package "bash";
    }
    {
      fakeRootCommands = "true";
      shell = package "bash";
    }
    {
      fakeRootCommands = "true";
      enableFakechroot = true;
      shell = package "bash";
    }
    {
      runAsRoot = "true";
      shell = package "bash";
    }
    {
      runAsRoot = "true";
      shell = package "dash";
    }
    {
      runAsRoot = "true";
      shell = package "bash";
      path = [ (package "coreutils") ];
    }
    { config = { }; }
    { config.Cmd = [ "bye" ]; }
    { config.Cmd = [ "${package "hello"}/bin/hello" ]; }
    { architecture = "arm64"; }
    { architecture = "arm"; }
    {
      architecture = "arm";
      variant = "v6";
    }
    { os = "windows"; }
    { created = "now"; }
    { mtime = 0; }
    { uid = 1; }
    { gid = 1; }
    { uname = "app"; }
    { gname = "app"; }
    { includeStorePaths = false; }
    { includeCopiedPaths = false; }
    { includeNixDB = true; }
    { maxLayers = 2; }
    { minLayerSize = 1; }
    { layering = "popularity"; }
    { compression = "gzip"; }
    {
      compression = "gzip";
      compressionLevel = 1;
    }
    { annotations.a = "b"; }
  ];
  tags = map tag changes;
  distinct = builtins.attrNames (
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = null;
      }) tags
    )
  );
in
assert builtins.match "[0-9a-f]{32}" (tag { }) != null;
assert !(builtins.hasContext (tag { }));
assert builtins.length distinct == builtins.length changes;
# What does not change the image does not change its tag.
assert same { tag = null; };
assert same { format = "layout"; };
assert same { format = "archive"; };
assert same { format = "stream"; };
assert same { compressor = "gz"; };
assert (builtins.ociImage base).layout.imageTag == tag { };
assert same { passthru.x = 1; };
assert same { meta.description = "x"; };
assert same { name = "APP"; };
# Defaults, spelt out, change nothing either.
assert same {
  copyToRoot = [ ];
  keepContentsDirlinks = true;
  layers = [ ];
  directories = { };
  users = { };
  perms = [ ];
  extraCommands = "";
  fakeRootCommands = "";
  enableFakechroot = false;
  runAsRoot = null;
  shell = null;
  path = [ ];
  includeCopiedPaths = true;
  includeNixDB = false;
  os = "linux";
  variant = null;
  created = "1970-01-01T00:00:01Z";
  mtime = "1970-01-01T00:00:01Z";
  uid = 0;
  gid = 0;
  uname = "root";
  gname = "root";
  includeStorePaths = true;
  maxLayers = 100;
  minLayerSize = 0;
  layering = "size";
  compression = "none";
  compressionLevel = null;
  annotations = { };
};
# One item is a list of one.
assert same { contents = package "hello"; };
true
