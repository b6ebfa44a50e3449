# error: builtins.ociImage: created: found "10000-01-01T00:00:00Z", accepted: an ISO 8601 date or time such as "2026-01-31" or "2026-01-31T12:00:00Z" (without an offset it is UTC), 14 digits as of a flake's lastModifiedDate, an integer of seconds since 1970, or "now", of the years 1 to 9999
# at: 5:3
builtins.ociImage {
  name = "app";
  created = "10000-01-01T00:00:00Z";
}
