# error: builtins.ociImage: mtime: found "1969-12-31T23:59:59Z", accepted: an ISO 8601 date or time such as "2026-01-31" or "2026-01-31T12:00:00Z" (without an offset it is UTC), 14 digits as of a flake's lastModifiedDate, an integer of seconds since 1970, or "now", of the years 1970 to 9999
# at: 5:3
builtins.ociImage {
  name = "app";
  mtime = "1969-12-31T23:59:59Z";
}
