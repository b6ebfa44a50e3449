//! `uid`, `gid`, `uname`, `gname`: who owns the files of a layer.

use serde_json::Value;

use super::ArgumentError;
use super::read::{At, integer, text};

/// The largest number of a user or group: 2³² - 1 means "leave as it is" (chown(2)).
const LARGEST_ID: u32 = u32::MAX - 1;

/// `uid` or `gid`.
pub(super) fn id(at: At, value: &Value) -> Result<u32, ArgumentError> {
    let accepted = format!("an integer from 0 to {LARGEST_ID}");
    let id = integer(at, value, 0, LARGEST_ID.into(), &accepted)?;
    u32::try_from(id).map_err(|_| at.wrong(value, &accepted))
}

/// `uname` or `gname`: nothing that would break a line of `/etc/passwd` or `/etc/group`. May be
/// empty: a tar header without a name leaves it to the number.
pub(super) fn name(at: At, value: &Value) -> Result<String, ArgumentError> {
    let accepted = "a name without \":\", \"/\" and line breaks";
    let name = text(at, value, accepted)?;
    match name.contains([':', '/', '\n']) {
        true => Err(at.wrong_text(name, accepted)),
        false => Ok(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers() {
        let at = At::Arguments.key("uid");
        for right in [0, 1000, 1 << 21, 4_294_967_294_u32] {
            assert_eq!(id(at, &json!(right)), Ok(right));
        }
        for wrong in
            [json!(-1), json!(4_294_967_295_u64), json!(1_u64 << 32), json!("0"), json!(0.0), json!(null)]
        {
            assert!(id(at, &wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            id(at, &json!(-1)).unwrap_err().to_string(),
            "uid: found an integer (-1), accepted: an integer from 0 to 4294967294"
        );
    }

    #[test]
    fn names() {
        let at = At::Arguments.key("uname");
        for right in ["root", "www-data", "", "DOMAIN\\user", "jürgen"] {
            assert_eq!(name(at, &json!(right)).as_deref(), Ok(right));
        }
        for wrong in [json!("a:b"), json!("a/b"), json!("a\nb"), json!("a\0b"), json!(0), json!(null)] {
            assert!(name(at, &wrong).is_err(), "{wrong}");
        }
    }
}
