use std::thread;

use super::*;
use crate::base::filesystem::InodeKind::{Fifo, Symlink};

/// A layer's members: `dir/`, `link -> target`, `name = target` (a hard link), or a name (a FIFO, whose
/// group number is the layer's).
fn tree(layers: &[&[&str]]) -> Result<Directory, String> {
    let mut root = Directory::default();
    for (number, members) in layers.iter().enumerate() {
        let mut layer = Applied::new(&mut root);
        let metadata = Metadata { gid: number as u32, ..Metadata::default() };
        for member in *members {
            let link = member.split_once(" -> ").map(|(name, to)| (name, What::Inode(Symlink(to.into()))));
            let hard = member.split_once(" = ").map(|(name, to)| (name, What::Hardlink(to.into())));
            let other = match member.ends_with('/') {
                true => What::Directory,
                false => What::Inode(Fifo),
            };
            let (name, what) = link.or(hard).unwrap_or((member, other));
            layer.add(name.as_bytes(), metadata.clone(), what).map_err(|what| format!("{name}: {what}"))?;
        }
    }
    Ok(root)
}

/// Names and the layers that they are of.
fn names(directory: &Directory, at: &str, into: &mut Vec<String>) {
    for (name, entry) in &directory.entries {
        let name = format!("{at}{}", name.to_str().unwrap());
        match entry {
            Entry::Directory(directory) => {
                into.push(format!("{name}/ {}", directory.metadata.gid));
                names(directory, &format!("{name}/"), into);
            }
            Entry::Inode(inode) => match &inode.kind {
                Symlink(to) => into.push(format!("{name} -> {}", String::from_utf8_lossy(to))),
                _ => into.push(format!("{name} {}", inode.metadata.gid)),
            },
        }
    }
}

#[track_caller]
fn check(layers: &[&[&str]], expected: &[&str]) {
    let mut found = Vec::new();
    names(&tree(layers).unwrap(), "", &mut found);
    assert_eq!(found, expected);
}

#[track_caller]
fn refused(layers: &[&[&str]], expected: &str) {
    let error = tree(layers).unwrap_err();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_directory_on_a_directory_keeps_what_is_in_it() {
    check(&[&["a/", "a/x"], &["a/", "a/y"]], &["a/ 1", "a/x 0", "a/y 1"]);
}

#[test]
fn anything_else_replaces() {
    check(&[&["a/", "a/x"], &["a"]], &["a 1"]);
    check(&[&["a"], &["a/"]], &["a/ 1"]);
    check(&[&["b/", "b/x", "a -> b"], &["a/"]], &["a/ 1", "b/ 0", "b/x 0"]);
    check(&[&["a", "a/"], &["a/", "a"]], &["a 1"]);
}

#[test]
fn whiteouts_remove_what_lower_layers_have() {
    check(&[&["a/", "a/x", "a/y", "b"], &[".wh.b", "a/.wh.x"]], &["a/ 0", "a/y 0"]);
    check(&[&["a/", "a/x"], &[".wh.a"]], &[]);
    check(&[&["a"], &["b/.wh.a", ".wh.c", "a/../.wh.a"]], &[]);
}

#[test]
fn whiteouts_leave_what_their_own_layer_has_wherever_they_stand() {
    check(&[&["a"], &["a", ".wh.a"]], &["a 1"]);
    check(&[&["a"], &[".wh.a", "a"]], &["a 1"]);
    check(&[&["a/", "a/x", "a/y"], &["a/", "a/x", ".wh.a"]], &["a/ 1", "a/x 1"]);
    check(&[&["a/", "a/b/", "a/b/x"], &["a/b/y", "a/.wh..wh..opq"]], &["a/ 0", "a/b/ 0", "a/b/y 1"]);
    check(&[&["a/", "a/x"], &["a/", "a/y", "a/.wh..wh..opq", "a/z"]], &["a/ 1", "a/y 1", "a/z 1"]);
    check(&[&["a/", "a/x"], &["a/.wh..wh..opq", ".wh.a"]], &[]);
    check(&[&["x", "a/", "a/b"], &[".wh..wh..opq", "y"]], &["y 1"]);
}

#[test]
fn whiteouts_follow_links_to_their_directory_but_remove_links_themselves() {
    check(&[&["a/", "a/x", "l -> a"], &["l/.wh.x"]], &["a/ 0", "l -> a"]);
    check(&[&["a/", "a/x", "l -> a"], &[".wh.l"]], &["a/ 0", "a/x 0"]);
    check(
        &[&["a/", "a/x", "l -> /nowhere"], &["l/.wh.x", "l/.wh..wh..opq"]],
        &["a/ 0", "a/x 0", "l -> /nowhere"],
    );
}

#[test]
fn names_of_aufs_are_no_files() {
    check(&[&["a"], &[".wh..wh.plnk/", ".wh..wh.plnk/1.2", ".wh..wh.aufs", "b/.wh..wh.orph/x"]], &["a 0"]);
}

#[test]
fn whiteouts_of_no_name_are_refused() {
    for name in [".wh.", ".wh..", ".wh...", "a/.wh...", "a/.wh.."] {
        refused(&[&["a/", "a/x"], &[name]], "a whiteout of no name");
    }
    refused(&[&[".wh.a/b"]], ".wh.a/b: its directory has the name of a whiteout");
}

#[test]
fn no_link_makes_a_directory_with_the_name_of_a_whiteout() {
    refused(&[&["l -> aa/.wh.b"], &["l/new"]], "l/new: a link leads to \".wh.b\", the name of a whiteout");
    // Nothing is made of a link alone.
    check(&[&["l -> aa/.wh.b", "x"]], &["l -> aa/.wh.b", "x 0"]);
}

#[test]
fn links_to_directories_are_followed_in_the_tree_alone() {
    check(&[&["etc/", "l -> /etc", "l/x"]], &["etc/ 0", "etc/x 0", "l -> /etc"]);
    check(
        &[&["etc/", "a/l -> ../../../etc", "a/l/x"]],
        &["a/ 0", "a/l -> ../../../etc", "etc/ 0", "etc/x 0"],
    );
    check(&[&["l -> a/../../b/./c//", "l/x"]], &["b/ 0", "b/c/ 0", "b/c/x 0", "l -> a/../../b/./c//"]);
    check(
        &[&["a/b/", "l -> a/b", "m -> l/../", "m/x"]],
        &["a/ 0", "a/b/ 0", "a/x 0", "l -> a/b", "m -> l/../"],
    );
    check(&[&["../../x", "/y", "./z", "a/../../w", "//v/"]], &["v/ 0", "w 0", "x 0", "y 0", "z 0"]);
    refused(&[&["a -> b", "b -> a", "a/x"]], "a/x: more than 255 symbolic links");
    refused(&[&["a -> a/a", "a/x"]], "more than 255 symbolic links");
    refused(&[&["a", "a/x"]], "a/x: \"a\" is no directory");
    refused(&[&["a", "l -> a", "l/x"]], "\"a\" is no directory");
}

#[test]
fn hard_links_are_names_of_the_same_file() {
    let root = tree(&[&["a/", "a/x", "l -> a"], &["y = /l/../a/x", "z = ./y", "m = l"]]).unwrap();
    let inode = |name: &str| match root.entries.get(OsStr::new(name)) {
        Some(Entry::Inode(inode)) => inode.clone(),
        other => panic!("{other:?}"),
    };
    assert!(Arc::ptr_eq(&inode("y"), &inode("z")) && inode("y").metadata.gid == 0);
    assert!(Arc::ptr_eq(&inode("m"), &inode("l")));
    // Its name is replaced, and the other one stays.
    check(&[&["x"], &["y = x", "x"], &["z = y"]], &["x 1", "y 0", "z 0"]);
    check(&[&["x", "x = x"]], &["x 0"]);
    check(&[&["x"], &[".wh.x", "y"]], &["y 1"]);
    refused(&[&["a = b"]], "a: a hard link to \"b\", which is not there");
    refused(&[&["b/", "a = b"]], "a: a hard link to \"b\", which is a directory");
    refused(&[&["a = /"]], "which is a directory");
    refused(&[&["x"], &[".wh.x", "y = x"]], "which is not there");
    refused(&[&["l -> l", "a = l/x"]], "which is not there: more than 255 symbolic links");
}

#[test]
fn the_root_stays_a_directory() {
    check(&[&["./", "/", "a/..//", "x"]], &["x 0"]);
    assert_eq!(tree(&[&["x"], &["./"]]).unwrap().metadata.gid, 1);
    for name in ["", "..", "a/..", " -> /etc", ".. -> /etc", "/ = a"] {
        refused(&[&["a", name]], "the root can be a directory only");
    }
}

#[test]
fn trees_are_as_deep_as_paths_can_be() {
    // On half of the stack that a program begins with.
    let deep = || {
        let name = |depth: usize| vec!["d"; depth].join("/");
        check(&[&[&name(2048)], &[".wh.d"]], &[]);
        assert!(tree(&[&[&name(2048)]]).is_ok());
        refused(&[&[&name(2049)]], "more than 2048 directories");
        refused(&[&[&format!("l -> {}", name(2000)), "l/x", &format!("l/{}", name(100))]], "more than 2048");
    };
    thread::Builder::new().stack_size(4 << 20).spawn(deep).unwrap().join().unwrap();
}

#[test]
fn many_whiteouts_of_one_directory_take_no_time() {
    let names: Vec<String> = (0..20_000).map(|n| format!("a/{n}")).collect();
    let mut members: Vec<&str> = names.iter().map(String::as_str).collect();
    members.extend([["a/.wh..wh..opq"; 20_000], [".wh.a"; 20_000]].concat());
    assert_eq!(tree(&[&members]).unwrap().entries.len(), 1);
}
