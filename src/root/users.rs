//! `users`: lines of `/etc/passwd` and `/etc/group` (passwd(5), group(5)), and home directories.
//!
//! What the contents, or else the base image, have in these files stays, and lines of the same name give
//! way. Where there are none, `root` and `nobody` come first: programs look both up.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::RootError;
use super::tree::{Attributes, Content, Directory, Leaf, LeafKind, Node};
use crate::spec::{PartialOwner, User};

const ROOT: &str = "root:x:0:0:root:/root:/bin/sh";
const NOBODY: &str = "nobody:x:65534:65534:nobody:/var/empty:/bin/sh";

/// A file that the base image has: its bytes, by absolute path.
pub(super) type Below<'b> = &'b dyn Fn(&Path) -> Result<Option<Vec<u8>>, RootError>;

/// Adds `users` to `root`.
pub(super) fn add(root: &mut Directory, users: &[User], below: Below, store: &Path) -> Result<(), RootError> {
    if users.is_empty() {
        return Ok(());
    }
    let passwd: Vec<String> = users.iter().map(passwd_line).collect();
    let mut groups: Vec<String> = Vec::new();
    let mut named = BTreeSet::new();
    for user in users {
        // Two users may share a group.
        if named.insert(&user.group) {
            groups.push(format!("{}:x:{}:", user.group, user.gid));
        }
    }
    append(root, Path::new("/etc/passwd"), &[ROOT, NOBODY], &passwd, below, store)?;
    append(root, Path::new("/etc/group"), &["root:x:0:", "nobody:x:65534:"], &groups, below, store)?;
    for user in users {
        let home = root.make(&user.home)?;
        let owner = PartialOwner {
            uid: Some(user.uid),
            gid: Some(user.gid),
            uname: Some(user.name.clone()),
            gname: Some(user.group.clone()),
        };
        home.attributes.adjust(None, &owner);
    }
    Ok(())
}

fn passwd_line(user: &User) -> String {
    let User { name, uid, gid, description, home, shell, .. } = user;
    format!("{name}:x:{uid}:{gid}:{description}:{}:{}", home.display(), shell.display())
}

/// Adds lines to a file of colon-separated lines; those that have the name of a new one go.
fn append(
    root: &mut Directory,
    path: &Path,
    usual: &[&str],
    new: &[String],
    below: Below,
    store: &Path,
) -> Result<(), RootError> {
    let present = match root.get(path) {
        Some(Node::Leaf(leaf)) => Some(content(leaf, path, store)?),
        Some(Node::Directory(_)) => return Err(RootError::InTheWay(path.to_path_buf())),
        None => below(path)?,
    };
    let mut text =
        present.unwrap_or_else(|| usual.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect());
    let added: BTreeSet<&[u8]> = new.iter().map(|line| name_of(line.as_bytes())).collect();
    text = text
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty() && !added.contains(name_of(line)))
        .flat_map(|line| [line, b"\n"].concat())
        .collect();
    for line in new {
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }
    let (parent, name) = (path.parent().unwrap_or(path), path.file_name().unwrap_or_default());
    let leaf = Leaf { kind: LeafKind::File(Content::Bytes(text)), attributes: Attributes::of_mode(0o644) };
    root.make(parent)?.entries.insert(name.to_os_string(), Node::Leaf(leaf));
    Ok(())
}

fn name_of(line: &[u8]) -> &[u8] {
    line.split(|&byte| byte == b':').next().unwrap_or_default()
}

/// What a file of the contents holds. Links of `contents` lead to the store; any other is not followed.
fn content(leaf: &Leaf, at: &Path, store: &Path) -> Result<Vec<u8>, RootError> {
    let read = |path: &Path| {
        let real = fs::canonicalize(path).map_err(|e| RootError::io(path, e))?;
        match real.starts_with(store) {
            true => fs::read(&real).map_err(|e| RootError::io(&real, e)),
            false => Err(RootError::InTheWay(at.to_path_buf())),
        }
    };
    match &leaf.kind {
        LeafKind::File(Content::Bytes(bytes)) => Ok(bytes.clone()),
        LeafKind::File(Content::Path(path, _)) => read(Path::new(path)),
        LeafKind::Link(target) if target.as_bytes().starts_with(b"/") => read(Path::new(target)),
        _ => Err(RootError::InTheWay(at.to_path_buf())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, id: u32) -> User {
        User {
            name: name.into(),
            uid: id,
            gid: id,
            group: name.into(),
            description: String::new(),
            home: format!("/home/{name}").into(),
            shell: "/bin/sh".into(),
        }
    }

    fn text(root: &Directory, path: &str) -> String {
        match root.get(path.as_ref()) {
            Some(Node::Leaf(Leaf { kind: LeafKind::File(Content::Bytes(bytes)), .. })) => {
                String::from_utf8(bytes.clone()).unwrap()
            }
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn a_bare_image_gets_root_and_nobody_as_well() {
        let mut root = Directory::default();
        add(&mut root, &[user("app", 1000)], &|_| Ok(None), Path::new("/nix/store")).unwrap();
        assert_eq!(
            text(&root, "/etc/passwd"),
            "root:x:0:0:root:/root:/bin/sh\n\
             nobody:x:65534:65534:nobody:/var/empty:/bin/sh\n\
             app:x:1000:1000::/home/app:/bin/sh\n"
        );
        assert_eq!(text(&root, "/etc/group"), "root:x:0:\nnobody:x:65534:\napp:x:1000:\n");
        let Some(Node::Directory(home)) = root.get("/home/app".as_ref()) else { panic!("no home") };
        assert_eq!((home.attributes.owner.uid, home.attributes.owner.gid), (Some(1000), Some(1000)));
    }

    #[test]
    fn what_the_base_has_stays_but_for_users_of_the_same_name() {
        let mut root = Directory::default();
        let below = |path: &Path| {
            let text = if path.ends_with("passwd") {
                "root:x:0:0::/:/bin/ash\napp:x:1:1::/:/x"
            } else {
                "root:x:0:\n"
            };
            Ok(Some(text.as_bytes().to_vec()))
        };
        add(&mut root, &[user("app", 1000)], &below, Path::new("/nix/store")).unwrap();
        assert_eq!(
            text(&root, "/etc/passwd"),
            "root:x:0:0::/:/bin/ash\napp:x:1000:1000::/home/app:/bin/sh\n"
        );
        assert_eq!(text(&root, "/etc/group"), "root:x:0:\napp:x:1000:\n");
    }
}
