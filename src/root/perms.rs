//! `directories` and `perms`: modes and owners by path.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::RootError;
use super::tree::{Directory, InTheWay, LeafKind, Node};
use crate::layer::walk::Walk;
use crate::spec::{DirectoryRule, Files, PermissionRule, Source, compile};

/// Makes the directories that are asked for, and adjusts those that exist.
pub(super) fn make_directories(root: &mut Directory, rules: &[DirectoryRule]) -> Result<(), InTheWay> {
    for rule in rules {
        root.make(&rule.path)?.attributes.adjust(rule.mode, &rule.owner);
    }
    Ok(())
}

/// Applies the rules with globs in order; returns the globs that are about nothing.
pub(super) fn apply<'r>(root: &mut Directory, rules: &'r [PermissionRule]) -> Vec<&'r str> {
    let unmatched = rules.iter().filter_map(|rule| match &rule.files {
        Files::Glob(glob) if !apply_glob(root, glob, rule) => Some(glob.as_str()),
        _ => None,
    });
    unmatched.collect()
}

/// Whether there was anything to apply it to.
fn apply_glob(root: &mut Directory, glob: &str, rule: &PermissionRule) -> bool {
    let pattern = Pattern::new(glob);
    let mut found = false;
    if pattern.matches(&[]) {
        found = true;
        root.attributes.adjust(rule.mode, &rule.owner);
    }
    visit(root, &mut Vec::new(), &mut |path, node| {
        if pattern.matches(path) {
            found = true;
            adjust(node, rule);
        }
    });
    found
}

/// Applies the rules with sources in order: to what was copied to `/` of those in `copied`, and at its own place of
/// others. A file that is not there is passed over, as in nix2container.
pub(super) fn apply_sources(
    root: &mut Directory,
    rules: &[PermissionRule],
    copied: &[Source],
) -> Result<(), RootError> {
    for rule in rules {
        let Files::Source { source, regex } = &rule.files else { continue };
        let regex = compile(regex).map_err(|e| RootError::Perms(e.to_string()))?;
        let is_copied = copied.iter().any(|copy| copy.path == *source);
        // As for what is copied, a link stands for its directory.
        let top = fs::canonicalize(source).map_err(|e| RootError::io(source, e))?;
        let mut walk = Walk::new(if is_copied { &top } else { source });
        while walk.advance()?.is_some() {
            let within: PathBuf = walk.path().components().skip(walk.top().components().count()).collect();
            let name: PathBuf = source.components().chain(within.components()).collect();
            if !regex.is_match(name.as_os_str().as_bytes()) {
                continue;
            }
            let place = if is_copied { Path::new("/").join(within) } else { name };
            if let Some(node) = root.get_mut(&place) {
                adjust(node, rule);
            }
        }
    }
    Ok(())
}

fn adjust(node: &mut Node, rule: &PermissionRule) {
    match node {
        Node::Directory(directory) => directory.attributes.adjust(rule.mode, &rule.owner),
        // The mode of a link means nothing, and is 0777 everywhere.
        Node::Leaf(leaf) if matches!(leaf.kind, LeafKind::Link(_)) => {
            leaf.attributes.adjust(None, &rule.owner)
        }
        Node::Leaf(leaf) => leaf.attributes.adjust(rule.mode, &rule.owner),
    }
}

/// Whether a rule may be about a file of the store path `path`: its glob begins with the store directory, or it
/// names the path as source.
pub(super) fn concerns(rule: &PermissionRule, path: &Path, store: &Path) -> bool {
    let glob = match &rule.files {
        Files::Source { source, .. } => return source == path,
        Files::Glob(glob) => Pattern::new(glob).0,
    };
    let names = |path: &Path| -> Vec<Vec<u8>> {
        path.components().skip(1).map(|name| name.as_os_str().as_bytes().to_vec()).collect()
    };
    let store = names(store);
    let (Some(first), [name]) = (glob.get(store.len()), &names(path)[store.len()..]) else { return false };
    glob.starts_with(&store) && (first == b"**" || component(first, name))
}

fn visit(directory: &mut Directory, path: &mut Vec<Vec<u8>>, each: &mut dyn FnMut(&[Vec<u8>], &mut Node)) {
    for (name, node) in &mut directory.entries {
        path.push(name.as_encoded_bytes().to_vec());
        each(path, node);
        if let Node::Directory(directory) = node {
            visit(directory, path, each);
        }
        path.pop();
    }
}

/// A glob over absolute paths, one element a component.
struct Pattern(Vec<Vec<u8>>);

impl Pattern {
    fn new(glob: &str) -> Pattern {
        Pattern(
            glob.split('/').filter(|part| !part.is_empty()).map(|part| part.as_bytes().to_vec()).collect(),
        )
    }

    fn matches(&self, path: &[Vec<u8>]) -> bool {
        // As for one component, with `**` in the role of `*`.
        star(&self.0, path, |part| part == b"**", |part, name| component(part, name))
    }
}

/// Whether one component matches: `*`, `?`, `[a-z]`, `[!a-z]`, and `\` before what is meant as it is.
fn component(glob: &[u8], name: &[u8]) -> bool {
    star(&tokens(glob), name, |token| *token == Token::Star, Token::matches)
}

/// Matches `patterns` against `items`, where one pattern stands for any number of items. Time at most the
/// product of both lengths: of several stars only the last one needs to be tried again.
fn star<P, I>(
    patterns: &[P],
    items: &[I],
    is_star: impl Fn(&P) -> bool,
    one: impl Fn(&P, &I) -> bool,
) -> bool {
    let (mut p, mut i, mut retry) = (0, 0, None);
    while i < items.len() {
        if p < patterns.len() && is_star(&patterns[p]) {
            retry = Some((p, i));
            p += 1;
        } else if p < patterns.len() && one(&patterns[p], &items[i]) {
            (p, i) = (p + 1, i + 1);
        } else if let Some((at, from)) = retry {
            (p, i, retry) = (at + 1, from + 1, Some((at, from + 1)));
        } else {
            return false;
        }
    }
    patterns[p..].iter().all(is_star)
}

#[derive(PartialEq)]
enum Token {
    Star,
    Any,
    Byte(u8),
    Class { ranges: Vec<(u8, u8)>, negated: bool },
}

impl Token {
    fn matches(&self, byte: &u8) -> bool {
        match self {
            Token::Star => false,
            Token::Any => true,
            Token::Byte(own) => own == byte,
            Token::Class { ranges, negated } => {
                ranges.iter().any(|(from, to)| (from..=to).contains(&byte)) != *negated
            }
        }
    }
}

fn tokens(glob: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = glob.get(at) {
        at += 1;
        tokens.push(match byte {
            b'*' => Token::Star,
            b'?' => Token::Any,
            b'\\' if at < glob.len() => {
                at += 1;
                Token::Byte(glob[at - 1])
            }
            b'[' => match class(&glob[at..]) {
                Some((class, length)) => {
                    at += length;
                    class
                }
                None => Token::Byte(b'['),
            },
            byte => Token::Byte(byte),
        });
    }
    tokens
}

/// A class, and how long it is after its `[`; none where it has no end.
fn class(glob: &[u8]) -> Option<(Token, usize)> {
    let negated = matches!(glob.first(), Some(b'!' | b'^'));
    let start = usize::from(negated);
    // A bracket that comes first is meant.
    let end = start + 1 + glob.get(start + 1..)?.iter().position(|&byte| byte == b']')?;
    let mut ranges = Vec::new();
    let mut at = start;
    while at < end {
        match glob[at..end] {
            [from, b'-', to, ..] => {
                ranges.push((from, to));
                at += 3;
            }
            [byte, ..] => {
                ranges.push((byte, byte));
                at += 1;
            }
            [] => break,
        }
    }
    Some((Token::Class { ranges, negated }, end + 1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::root::tree::{Attributes, Content, Leaf};
    use crate::spec::PartialOwner;

    fn matches(glob: &str, path: &str) -> bool {
        let parts: Vec<Vec<u8>> =
            path.split('/').filter(|part| !part.is_empty()).map(|part| part.as_bytes().to_vec()).collect();
        Pattern::new(glob).matches(&parts)
    }

    #[test]
    fn globs_match_as_in_bash_with_globstar() {
        // `shopt -s globstar dotglob`; [[ path == pattern ]] component by component.
        for (glob, path, expected) in [
            ("/", "/", true),
            ("/etc", "/etc", true),
            ("/etc", "/etc/passwd", false),
            ("/etc/*", "/etc/passwd", true),
            ("/etc/*", "/etc/ssl/certs", false),
            ("/etc/**", "/etc", true),
            ("/etc/**", "/etc/ssl/certs", true),
            ("/**", "/", true),
            ("/**/bin", "/bin", true),
            ("/**/bin", "/usr/local/bin", true),
            ("/**/bin/*", "/usr/bin/ls", true),
            ("/**/bin/*", "/usr/bin", false),
            ("/a*c", "/abbc", true),
            ("/a*c", "/abbd", false),
            ("/a?c", "/abc", true),
            ("/a?c", "/ac", false),
            ("/[a-c]x", "/bx", true),
            ("/[!a-c]x", "/bx", false),
            ("/[]]", "/]", true),
            ("/[", "/[", true),
            ("/\\*", "/*", true),
            ("/\\*", "/a", false),
            ("/*a*b*c*", "/xaybzc", true),
            ("/**/a/**/b", "/a/x/a/y/b", true),
        ] {
            assert_eq!(matches(glob, path), expected, "{glob} {path}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        assert!(!matches(&format!("/{}", "*a".repeat(100)), &format!("/{}", "a".repeat(20_000) + "b")));
        assert!(!matches(&"/**/a".repeat(100), &"/a/b".repeat(2_000)));
    }

    #[test]
    fn later_rules_win_and_say_only_what_they_say() {
        let mut root = Directory::default();
        let file = |mode| {
            let kind = LeafKind::File(Content::Bytes(Vec::new()));
            Node::Leaf(Leaf { kind, attributes: Attributes::of_mode(mode) })
        };
        root.make("/etc".as_ref()).unwrap().entries =
            BTreeMap::from([("a".into(), file(0o444)), ("b".into(), file(0o444))]);
        let rule = |path: &str, mode, uid| PermissionRule {
            files: Files::Glob(path.into()),
            mode,
            owner: PartialOwner { uid, ..PartialOwner::default() },
        };
        let rules = [
            rule("/etc/*", Some(0o600), None),
            rule("/etc/b", None, Some(7)),
            rule("/etc/b", Some(0o4755), None),
        ];
        assert_eq!(apply(&mut root, &rules), Vec::<&str>::new());
        let attributes = |root: &Directory, path: &str| match root.get(path.as_ref()) {
            Some(Node::Leaf(leaf)) => (leaf.attributes.mode, leaf.attributes.owner.uid),
            _ => panic!("no {path}"),
        };
        assert_eq!(attributes(&root, "/etc/a"), (0o600, None));
        assert_eq!(attributes(&root, "/etc/b"), (0o4755, Some(7)));
        assert_eq!(apply(&mut root, &[rule("/etc/c", Some(0), None)]), vec!["/etc/c"]);
    }
}
