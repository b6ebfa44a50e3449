# error: builtins.ociImage: mtime: found "1969-12-31T23:59:59Z", accepted: RFC 3339 text such as "1970-01-01T00:00:01Z", an integer of seconds since 1970, or "now", of the years 1970 to 9999
# at: 5:3
builtins.ociImage {
  name = "app";
  mtime = "1969-12-31T23:59:59Z";
}
