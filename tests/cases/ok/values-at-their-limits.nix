let
  accepts =
    arguments: builtins.isString (builtins.ociImage ({ name = "app"; } // arguments)).drvPath;
  text = length: builtins.concatStringsSep "" (builtins.genList (_: "a") length);
  all = builtins.all accepts;
in
all [
  { name = "GHCR.io/Team/App"; }
  { name = "a__b--c.d/e"; }
  { name = text 255; }
  {
    name = text 255;
    format = "stream";
  }
  {
    name = text 255;
    compressor = "zstd";
  }
  {
    name = text 255;
    layers = builtins.genList (_: ../files) 126;
    maxLayers = 127;
  }
  { tag = "_"; }
  { tag = text 128; }
  { tag = "1.2-rc.3_x"; }
  { created = "now"; }
  { created = "1969-12-31T23:59:59Z"; }
  { created = "2024-02-29T12:00:00+02:00"; }
  { created = "20221005"; }
  { created = "20221005101112"; }
  { created = "2022-W40-3"; }
  { created = 0; }
  { mtime = "now"; }
  { mtime = "20221005T101112+0200"; }
  { mtime = 253402300799; }
  { maxLayers = 1; }
  { maxLayers = 127; }
  { uid = 2097152; }
  { gid = 4294967294; }
  { directories."/".mode = "7777"; }
  { users.${text 32}.uid = 4294967294; }
  { config.User = "2147483647"; }
  { config.WorkingDir = ""; }
  { config = { }; }
  {
    compression = "gzip";
    compressionLevel = 12;
  }
  {
    compression = "zstd";
    compressionLevel = 19;
  }
  { layering = [ [ "popularity_contest" ] ]; }
]
