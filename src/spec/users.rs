//! `users`: who is in `/etc/passwd` and `/etc/group`.

use serde_json::Value;

use super::permissions::image_path;
use super::read::{At, attributes, no_nul, quote, set, string};
use super::{ArgumentError, User, owner};

/// useradd(8).
const LONGEST_NAME: usize = 32;

/// The argument `users`, in the order of the names.
pub(super) fn users(at: At, value: &Value) -> Result<Vec<User>, ArgumentError> {
    let mut users: Vec<User> = Vec::new();
    for (name, value) in set(at, value, "a set such as { app = { uid = 1000; }; }")? {
        let at = at.key(name);
        let user = user(at, name, value)?;
        if let Some(other) = users.iter().find(|other| other.uid == user.uid) {
            let message = format!("found {}, which is also the uid of {}", user.uid, quote(&other.name));
            return Err(at.key("uid").error(message));
        }
        if let Some(other) = users.iter().find(|other| other.group == user.group && other.gid != user.gid) {
            return Err(at.key("gid").error(format!(
                "found {} for the group {}, which has {} as the group of {}",
                user.gid,
                quote(&user.group),
                other.gid,
                quote(&other.name)
            )));
        }
        users.push(user);
    }
    Ok(users)
}

fn user(at: At, name: &str, value: &Value) -> Result<User, ArgumentError> {
    is_name(at, name)?;
    let known = ["uid", "gid", "group", "home", "shell", "description"];
    let user = attributes(at, value, "a set such as { uid = 1000; }", &known)?;
    let uid = match user.get("uid") {
        Some(uid) => owner::id(at.key("uid"), uid)?,
        None => return Err(at.key("uid").error("required, but missing")),
    };
    let gid = user.get("gid").map_or(Ok(uid), |gid| owner::id(at.key("gid"), gid))?;
    let text = |key, default: &str, accepted| match user.get(key) {
        Some(value) => field(at.key(key), value, accepted).map(str::to_owned),
        None => Ok(default.to_owned()),
    };
    let path = |key, default: &str| image_path(at.key(key), &text(key, default, "an absolute path")?);
    let group = text("group", name, "the name of a group")?;
    is_name(at.key("group"), &group)?;
    Ok(User {
        name: name.to_owned(),
        uid,
        gid,
        group,
        description: text("description", "", "a string")?,
        home: path("home", &format!("/home/{name}"))?,
        shell: path("shell", "/bin/sh")?,
    })
}

/// The grammar of useradd(8) and groupadd(8): `[a-z_][a-z0-9_.-]*[$]?`.
fn is_name(at: At, name: &str) -> Result<(), ArgumentError> {
    no_nul(at, name)?;
    let base = name.strip_suffix('$').unwrap_or(name);
    let right = name.len() <= LONGEST_NAME
        && base.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && base.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.-".contains(&b));
    match right {
        true => Ok(()),
        false => Err(at
            .wrong_text(name, "at most 32 of a-z, 0-9, \"_\", \".\" and \"-\", the first a letter or \"_\"")),
    }
}

/// A field of a line of `/etc/passwd`.
fn field<'v>(at: At, value: &'v Value, accepted: &str) -> Result<&'v str, ArgumentError> {
    let text = string(at, value, accepted)?;
    match text.contains([':', '\n']) {
        true => Err(at.wrong_text(text, &format!("{accepted} without \":\" and line breaks"))),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AT: At = At::Key(&At::Arguments, "users");

    fn refused(value: Value) -> String {
        users(AT, &value).unwrap_err().to_string()
    }

    #[test]
    fn a_number_is_all_that_is_needed() {
        let app = User {
            name: "app".to_owned(),
            uid: 1000,
            gid: 1000,
            group: "app".to_owned(),
            description: String::new(),
            home: "/home/app".into(),
            shell: "/bin/sh".into(),
        };
        assert_eq!(users(AT, &json!({ "app": { "uid": 1000 } })), Ok(vec![app]));
        assert_eq!(refused(json!({ "app": {} })), "users.app.uid: required, but missing");
    }

    #[test]
    fn everything_given_arrives() {
        let shell = json!({ "\0string": "/nix/store/x-bash/bin/bash" });
        let value = json!({ "www-data": {
            "uid": 33, "gid": 50, "group": "staff", "home": "/", "shell": shell, "description": "Web, & more"
        } });
        assert_eq!(
            users(AT, &value),
            Ok(vec![User {
                name: "www-data".to_owned(),
                uid: 33,
                gid: 50,
                group: "staff".to_owned(),
                description: "Web, & more".to_owned(),
                home: "/".into(),
                shell: "/nix/store/x-bash/bin/bash".into(),
            }])
        );
    }

    #[test]
    fn names_are_useradds() {
        let at_most_32 = "a".repeat(32);
        for right in ["a", "_", "_apt", "www-data", "a.b", "host$", "n0", &at_most_32] {
            assert!(users(AT, &json!({ right: { "uid": 1 } })).is_ok(), "{right}");
            assert!(users(AT, &json!({ "a": { "uid": 1, "group": right } })).is_ok(), "{right}");
        }
        let too_long = "a".repeat(33);
        for wrong in ["", "$", "0", "-a", ".a", "App", "a b", "a:b", "a\nb", "a$b", "a$$", "é", &too_long] {
            assert!(
                refused(json!({ wrong: { "uid": 1 } })).contains("accepted: at most 32 of a-z"),
                "{wrong}"
            );
            let error = refused(json!({ "a": { "uid": 1, "group": wrong } }));
            assert!(error.starts_with("users.a.group: found "), "{error}");
        }
    }

    #[test]
    fn nothing_breaks_a_line_of_the_files() {
        for (key, wrong) in [
            ("description", "a:b"),
            ("description", "a\nroot:x:0:0::/:/bin/sh"),
            ("description", "\0"),
            ("home", "/a:b"),
            ("home", "/a\nb"),
            ("home", "home/app"),
            ("home", "/home/../app"),
            ("home", ""),
            ("shell", "/bin/sh:"),
            ("shell", "sh"),
        ] {
            let error = refused(json!({ "app": { "uid": 1, key: wrong } }));
            assert!(error.starts_with(&format!("users.app.{key}: found ")), "{error}");
        }
        assert_eq!(
            refused(json!({ "app": { "uid": 1, "description": "a:b" } })),
            "users.app.description: found \"a:b\", accepted: a string without \":\" and line breaks"
        );
        let path = json!({ "\0path": "/home/app" });
        assert_eq!(
            refused(json!({ "app": { "uid": 1, "home": path } })),
            "users.app.home: found a path (/home/app), accepted: an absolute path"
        );
    }

    #[test]
    fn numbers_are_those_of_one_user_and_one_group() {
        assert_eq!(
            refused(json!({ "a": { "uid": 1000 }, "b": { "uid": 1000, "gid": 5 } })),
            "users.b.uid: found 1000, which is also the uid of \"a\""
        );
        assert_eq!(
            refused(json!({ "a": { "uid": 1, "group": "staff" }, "b": { "uid": 2, "group": "staff" } })),
            "users.b.gid: found 2 for the group \"staff\", which has 1 as the group of \"a\""
        );
        let both =
            json!({ "a": { "uid": 1, "gid": 5, "group": "g" }, "b": { "uid": 2, "gid": 5, "group": "g" } });
        assert!(users(AT, &both).is_ok());
    }

    #[test]
    fn wrong_values_are_told() {
        for (value, message) in [
            (json!([]), "users: found a list, accepted: a set such as { app = { uid = 1000; }; }"),
            (
                json!({ "app": 1000 }),
                "users.app: found an integer (1000), accepted: a set such as { uid = 1000; }",
            ),
            (
                json!({ "app": { "uid": 1, "extraGroups": [] } }),
                "users.app.extraGroups: unknown attribute, accepted: uid, gid, group, home, shell, description",
            ),
            (
                json!({ "app": { "uid": "1000" } }),
                "users.app.uid: found \"1000\", accepted: an integer from 0 to 4294967294",
            ),
        ] {
            assert_eq!(refused(value), message);
        }
    }
}
