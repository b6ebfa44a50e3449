# error: builtins.ociImage: created: found "2024-01-01", accepted: RFC 3339 text such as "1970-01-01T00:00:01Z", an integer of seconds since 1970, or "now", of the years 1 to 9999
# at: 5:3
builtins.ociImage {
  name = "app";
  created = "2024-01-01";
}
