//! `runAsRoot` on a base image: the layer is what the script changed and nothing else, and the whole image,
//! unpacked by umoci, is what the machine's own root makes of the same files with the same script.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::{Folder, MadeImages, MadeLayer, Scripts, differences, output, run, unpacked_layers};

/// A layer of what a script makes, by this machine's root and GNU tar.
#[track_caller]
fn layer(script: &str) -> MadeLayer {
    let folder = Folder::new();
    let root = folder.join("root");
    fs::create_dir(&root).expect("a directory");
    run(Command::new("sh").args(["-euc", &format!("umask 022; {script}")]).current_dir(&root)).ok();
    let tar = folder.join("tar");
    let form = ["--format=pax", "--xattrs", "--xattrs-include=*", "--numeric-owner", "--sort=name", "-cf"];
    run(Command::new("tar").args(form).arg(&tar).arg("-C").arg(&root).arg(".")).ok();
    MadeLayer::gzip(&fs::read(tar).expect("a tar"))
}

/// Three layers with all that a layer can have; where scripts mount things there are directories.
fn base() -> Vec<MadeLayer> {
    let first = r#"mkdir -p proc dev tmp nix/store etc usr/bin usr/lib var/lib/app/deep/er opt/old opt/opaque home/me
        chmod 1777 tmp; ln -s usr/bin bin; ln -s lib usr/lib64; ln -s /nowhere etc/dangling
        echo a > etc/abc; echo passwd > etc/passwd; echo gone > etc/gone; chmod 600 etc/passwd
        for f in a b c; do echo $f > opt/old/$f; echo $f > opt/opaque/$f; echo $f > var/lib/app/$f; done
        echo deep > var/lib/app/deep/er/file; echo linked > usr/lib/one; ln usr/lib/one usr/lib/two; ln usr/lib/one etc/three
        echo '#!' > usr/bin/su; chmod 4755 usr/bin/su; echo '#!' > usr/bin/ping; setcap cap_net_raw+ep usr/bin/ping
        setfattr -n user.x -v 1 etc/abc; chown -R 1000:100 home/me var/lib/app; chmod 2750 var/lib/app
        chown -h 7:8 etc/dangling; mkdir srv; mknod srv/null c 1 3; mknod srv/disk b 8 1; mknod srv/fifo p; chown 5 srv/null
        echo 'a b' > 'srv/a b'; chmod 0 opt/old/a; chmod 711 home"#;
    let second = r#"mkdir -p etc opt/opaque opt/old home/me; echo ab > etc/abc; : > etc/.wh.gone; : > opt/opaque/.wh..wh..opq
        echo new > opt/opaque/new; : > opt/old/.wh.b; chown 1000:100 home/me; echo mine > home/me/file; chmod 711 home"#;
    let third = "mkdir etc; echo abc > etc/abc; chown 3:4 etc/abc; echo back > etc/gone; chmod 750 etc";
    [first, second, third].map(layer).into()
}

/// The layout of an image with these layers.
fn image(layers: &[MadeLayer]) -> MadeImages {
    let images = MadeImages::new();
    images.tag("1", images.image("linux/amd64", layers, json!({})));
    images
}

/// Scripts and the names of what they change, as the layer should have them, without the directories above.
const CHANGES: [(&str, &str, &[&str]); 37] = [
    ("nothing", "true", &[]),
    ("reading", "find / -xdev -type f -exec cat {} + > /dev/null; ls -lR /etc > /dev/null", &[]),
    ("a new file", "echo x > /etc/new", &["etc/new"]),
    ("an append", "echo more >> /etc/passwd", &["etc/passwd"]),
    ("a file deleted", "rm /etc/gone", &["etc/.wh.gone"]),
    ("a directory deleted", "rm -r /var/lib/app", &["var/lib/.wh.app"]),
    ("all of a directory deleted", "rm -r /opt/old/*", &["opt/old/.wh.a", "opt/old/.wh.c"]),
    ("what only a layer below had", "rm -r /opt/opaque", &["opt/.wh.opaque"]),
    ("a device deleted", "rm /srv/null /srv/fifo", &["srv/.wh.fifo", "srv/.wh.null"]),
    ("a link deleted", "rm /bin", &[".wh.bin"]),
    ("a file for a directory", "rm -r /opt/old; echo x > /opt/old", &["opt/old"]),
    ("a directory for a file", "rm /etc/abc; mkdir /etc/abc; touch /etc/abc/x", &["etc/abc", "etc/abc/x"]),
    ("a link for a file", "ln -sf passwd /etc/abc", &["etc/abc"]),
    ("a link for a directory", "rm -r /opt/old; ln -s opaque /opt/old", &["opt/old"]),
    ("a directory for a link", "rm /bin; mkdir /bin; touch /bin/x", &["bin", "bin/x"]),
    ("another target", "ln -sfn /usr/lib /bin", &["bin"]),
    ("a hard link through one name", "echo more >> /etc/three", &["etc/three", "usr/lib/one", "usr/lib/two"]),
    ("one name of a hard link deleted", "rm /usr/lib/one; [ $(cat /usr/lib/two) = linked ]", &[]),
    ("a hard link to a file of the base", "ln /etc/passwd /etc/again", &[]),
    ("a mode", "chmod 644 /etc/passwd", &["etc/passwd"]),
    ("a set-user-ID bit removed", "chmod u-s /usr/bin/su; [ ! -u /usr/bin/su ]", &["usr/bin/su"]),
    ("a set-user-ID bit given", "chmod 6755 /etc/passwd", &["etc/passwd"]),
    ("an owner", "chown 8:9 /etc/passwd", &["etc/passwd"]),
    ("an owner of a link", "chown -h 1:1 /etc/dangling", &["etc/dangling"]),
    ("an owner of a directory", "chown 8:9 /opt/old", &["opt/old"]),
    ("a mode of a directory", "chmod 700 /home/me", &["home/me"]),
    ("the root's", "chmod 711 /; chown 5:6 /", &[]),
    ("capabilities lost", "chown 0:0 /usr/bin/ping", &["usr/bin/ping"]),
    ("a file renamed", "mv /etc/passwd /etc/shadow", &["etc/.wh.passwd", "etc/shadow"]),
    ("a file over another", "mv /etc/passwd /etc/abc", &["etc/.wh.passwd", "etc/abc"]),
    (
        "a directory renamed",
        "mv /var/lib/app /srv/app",
        &[
            "srv/app",
            "srv/app/a",
            "srv/app/b",
            "srv/app/c",
            "srv/app/deep",
            "srv/app/deep/er",
            "srv/app/deep/er/file",
            "var/lib/.wh.app",
        ],
    ),
    ("the same bytes again", "cat /etc/passwd > /new; cat /new > /etc/passwd; rm /new", &["etc/passwd"]),
    ("a device made and its owner", "mknod -m 600 /srv/tty c 5 0; chown 0:5 /srv/tty", &["srv/tty"]),
    (
        "a directory with others' files",
        "mkdir /var/lib/app/deep/new; chown 1000:100 /var/lib/app/deep/new",
        &["var/lib/app/deep/new"],
    ),
    ("deep below", "rm /var/lib/app/deep/er/file", &["var/lib/app/deep/er/.wh.file"]),
    ("odd names", "mv '/srv/a b' \"$(printf '/srv/\\377\\n')\"", &[]),
    (
        "a directory removed and made again",
        "rm -r /opt/opaque /home/me; mkdir -p /opt/opaque /home/me/sub; touch /opt/opaque/.a /opt/opaque/z",
        &[],
    ),
];

#[test]
fn the_layer_is_what_the_script_changed_and_the_image_is_what_it_saw() {
    let scripts = Scripts::new();
    let base = base();
    let images = image(&base);
    let mut wrong = Vec::new();
    for (i, (what, script, expected)) in CHANGES.iter().enumerate() {
        let out = format!("out{i}");
        let ran = scripts.run(json!({ "fromImage": images.folder.path(), "runAsRoot": script }), &out);
        if ran.code != Some(0) {
            wrong.push(format!("{what}: {}", ran.stderr));
            continue;
        }
        let names = scripts.names(&out);
        let above = |name: &String| names.iter().any(|other| other.starts_with(&format!("{name}/")));
        let leaves: Vec<&str> = names
            .iter()
            .filter(|name| !above(name) || expected.contains(&name.as_str()))
            .map(|name| name.split(" -> ").next().unwrap_or_default())
            .collect();
        if leaves != *expected && (!expected.is_empty() || i < 2) {
            wrong.push(format!("{what}: the layer has {leaves:?}, not {expected:?}"));
        }
        let folder = Folder::new();
        let theirs = scripts.by_real_root(&unpacked_layers(&base, &folder), script, true);
        let differences = differences(&scripts.unpacked(&base, &out), &theirs);
        if !differences.is_empty() {
            wrong.push(format!("{what}: {}\n{names:?}", differences.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), CHANGES.len(), wrong.join("\n\n"));
}

#[test]
fn changes_one_after_the_other_are_one_layer() {
    let scripts = Scripts::new();
    let base = base();
    let images = image(&base);
    let script = "rm -r /opt; mkdir -p /opt/old; cp /etc/abc /opt/old/a; mv /etc /etc2; mkdir /etc; mv /etc2/abc /etc/abc; \
                  chown -R 9:9 /home; chmod -R g+w /var/lib/app; rm /usr/lib/two; ln /etc/abc /usr/lib/two; rm -r /srv; mkdir /srv; \
                  echo x > /tmp/x; ln -s /tmp/x /usr/bin/x; chmod 4711 /usr/bin/ping; rm -r /etc2/passwd; mkdir -p /new/deep; rm -r /new";
    scripts.run(json!({ "fromImage": images.folder.path(), "runAsRoot": script }), "out").ok();
    let folder = Folder::new();
    let theirs = scripts.by_real_root(&unpacked_layers(&base, &folder), script, true);
    assert_eq!(differences(&scripts.unpacked(&base, "out"), &theirs), [""; 0]);
}

#[test]
fn the_script_sees_owners_modes_devices_and_attributes_of_the_base() {
    let scripts = Scripts::new();
    let images = image(&base());
    let script = r#"stat -c '%n %u:%g %a %t,%T %F' /etc/abc /etc/dangling /usr/bin/su /home/me /var/lib/app \
            /srv/null /srv/disk /srv/fifo /opt/old/a /home / >&2
        cat /etc/abc /etc/gone >&2; ls /opt/opaque /opt/old >&2"#;
    let ran = scripts.run(json!({ "fromImage": images.folder.path(), "runAsRoot": script }), "out");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let expected = "/etc/abc 3:4 644 0,0 regular file\n/etc/dangling 7:8 777 0,0 symbolic link\n\
        /usr/bin/su 0:0 4755 0,0 regular file\n/home/me 1000:100 755 0,0 directory\n\
        /var/lib/app 1000:100 2750 0,0 directory\n/srv/null 5:0 644 1,3 character special file\n\
        /srv/disk 0:0 644 8,1 block special file\n/srv/fifo 0:0 644 0,0 fifo\n\
        /opt/old/a 0:0 0 0,0 regular file\n/home 0:0 711 0,0 directory\n/ 0:0 755 0,0 directory\n\
        abc\nback\n/opt/old:\na\nc\n\n/opt/opaque:\nnew\n";
    assert_eq!(ran.stderr, expected);
}

#[test]
fn contents_lie_on_top_of_the_base_and_follow_its_links_to_directories() {
    let scripts = Scripts::new();
    let base = base();
    let images = image(&base);
    let tool = scripts.add("tool", &[("bin/tool", "#!"), ("usr/lib64/deep/x", ""), ("etc/abc", "mine")]);
    let arguments = json!({
        "fromImage": images.folder.path(), "contents": [{ "path": tool }],
        "runAsRoot": "[ -L /bin ]; [ -L /usr/bin/tool ]; [ -e /usr/bin/su ]; [ -L /usr/lib64 ]; [ -L /usr/lib/deep/x ]; [ $(cat /etc/abc) = mine ]",
    });
    scripts.run(arguments, "out").ok();
    assert_eq!(
        scripts.names("out"),
        [
            "etc".to_string(),
            format!("etc/abc -> {tool}/etc/abc"),
            "usr".to_string(),
            "usr/bin".to_string(),
            format!("usr/bin/tool -> {tool}/bin/tool"),
            "usr/lib".to_string(),
            "usr/lib/deep".to_string(),
            format!("usr/lib/deep/x -> {tool}/usr/lib64/deep/x"),
        ]
    );
    assert_eq!(scripts.unpacked(&base, "out")["bin"]["kind"], "link");
}

#[test]
fn without_a_base_the_contents_alone_are_the_root() {
    let scripts = Scripts::new();
    let source = scripts.add("source", &[("etc/x", "x"), ("bin/y", "y")]);
    let sources = json!([{ "path": source }]);
    let tree =
        scripts.tree(json!({ "copyToRoot": sources, "runAsRoot": "rm /etc/x; echo z > /etc/z" }), "out");
    let names: Vec<&String> = tree.keys().collect();
    assert_eq!(names, [".", "bin", "bin/y", "etc", "etc/z", "tmp"]);
    assert!(!scripts.names("out").iter().any(|name| name.contains(".wh.")), "there is nothing to delete");
}

/// What is outside of the root, and must neither be read nor changed.
struct Marker(Folder);

impl Marker {
    fn new() -> Marker {
        let marker = Marker(Folder::new());
        marker.0.write("secret", "a secret of the host");
        marker
    }

    /// As a target of a link that tries to get out.
    fn targets(&self) -> [String; 2] {
        let path = self.0.path().display().to_string();
        [path.clone(), format!("../../../../../../../../../..{path}")]
    }

    #[track_caller]
    fn assert_untouched(&self) {
        assert_eq!(support::listing(self.0.path()).len(), 1);
        assert_eq!(fs::read_to_string(self.0.join("secret")).expect("a file"), "a secret of the host");
    }
}

#[test]
fn links_of_a_base_lead_nobody_out_of_it() {
    let scripts = Scripts::new();
    let marker = Marker::new();
    let source = scripts.add("source", &[("etc/x/file", "contents"), ("bin/y", "contents")]);
    let mut made = 0;
    for (i, target) in marker.targets().iter().enumerate() {
        for (j, link) in
            ["proc", "dev", "nix", "nix/store", "tmp", "etc", "etc/x", "bin", "root"].iter().enumerate()
        {
            let parent = Path::new(link).parent().expect("a parent").display().to_string();
            let script = format!("mkdir -p ./{parent}; ln -s {target} {link}; mkdir -p other");
            let images = image(&[layer(&script)]);
            let arguments = json!({
                "fromImage": images.folder.path(), "copyToRoot": [{ "path": source }],
                "directories": { "/etc/x/made": {} }, "users": { "app": { "uid": 1000, "home": "/root" } },
                "runAsRoot": format!("echo own > /{link}/written || true; cat /{link}/secret && exit 9; cat {target}/secret && exit 9; true"),
            });
            let out = format!("out{i}-{j}");
            let ran = scripts.run(arguments, &out);
            assert!(!ran.stderr.contains("a secret"), "{link} -> {target}: {}", ran.stderr);
            match ran.code {
                Some(0) => made += 1,
                _ => assert!(
                    ran.err()
                        .lines()
                        .last()
                        .is_some_and(|line| line.starts_with("error: the root of the scripts: /")),
                    "{link}"
                ),
            }
            marker.assert_untouched();
        }
    }
    // Where the builder itself mounts something there has to be a directory.
    assert!(made >= 8, "{made}");
}

#[test]
fn a_script_cannot_leave_links_that_lead_the_builder_out() {
    let scripts = Scripts::new();
    let marker = Marker::new();
    let [absolute, relative] = marker.targets();
    for (i, target) in [absolute, relative].iter().enumerate() {
        // Replaces what is read and removed after it has run.
        let script = format!(
            "mkdir a; echo x > a/x; rm -r a; ln -s {target} a; ln -s {target}/secret file; rm -rf tmp; ln -s {target} tmp; chmod 0 . || true"
        );
        for (j, arguments) in [
            json!({ "runAsRoot": format!("cd /; {script}") }),
            json!({ "fakeRootCommands": script, "enableFakechroot": true }),
            json!({ "fakeRootCommands": script, "extraCommands": "ln -s / root" }),
        ]
        .into_iter()
        .enumerate()
        {
            let out = format!("out{i}-{j}");
            scripts.run(arguments, &out).ok();
            assert!(!String::from_utf8_lossy(&scripts.layer(&out)).contains("a secret"));
            assert_eq!(scripts.names(&out).iter().filter(|name| name.contains(target.as_str())).count(), 3);
            marker.assert_untouched();
        }
    }
}

#[test]
fn layers_that_try_to_get_out_are_refused_or_contained() {
    let scripts = Scripts::new();
    let folder = Folder::new();
    let oracle = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/export.py");
    let images: Value = support::json(&output(oracle, &[Path::new("images"), folder.path()]));
    let mut made = 0;
    for (name, refusal) in images.as_object().expect("a set") {
        let base: PathBuf = folder.join(name);
        let script = "echo own > /etc-of-own; find / \\( -path /nix -o -path /proc -o -path /dev \\) -prune -o \\( -name passwd -o -type l \\) -print > /list; while read -r f; do \
                      echo more 2> /dev/null >> $f || true; echo x 2> /dev/null > $f/escaped-by-script || true; done < /list; true";
        let ran = scripts.run(json!({ "fromImage": base, "runAsRoot": script }), name);
        match refusal.as_str() {
            Some("") if ran.code == Some(0) => {
                made += 1;
                assert!(scripts.names(name).contains(&"etc-of-own".to_string()), "{name}");
            }
            // umoci and gantry read it; a script cannot be mounted on it.
            Some("") => assert!(ran.err().trim_end().starts_with("error: "), "{name}"),
            refusal => {
                let error = ran.err();
                assert!(error.contains(refusal.unwrap_or_default()), "{name}: {error}");
                assert_eq!(error.lines().count(), 1, "{name}: {error}");
                assert!(!scripts.folder().join(name).exists(), "{name}");
            }
        }
        assert!(
            !Path::new("/tmp/escaped").exists() && !Path::new("/tmp/escaped-by-script").exists(),
            "{name}"
        );
    }
    assert!(made > 50, "{made}");
    assert!(!fs::read_to_string("/etc/passwd").expect("a file").contains("more"));
}

#[test]
fn a_name_that_would_delete_files_is_refused() {
    let scripts = Scripts::new();
    let images = image(&[layer("mkdir -p etc; echo x > etc/x; echo y > etc/y")]);
    for (arguments, path) in [
        (json!({ "extraCommands": "echo x > .wh.x" }), "/.wh.x"),
        (json!({ "fakeRootCommands": "mkdir d; mkdir d/.wh.d" }), "/d/.wh.d"),
        (
            json!({ "fromImage": images.folder.path(), "runAsRoot": "touch /etc/.wh..wh..opq" }),
            "/etc/.wh..wh..opq",
        ),
        (
            json!({ "fromImage": images.folder.path(), "runAsRoot": "rm /etc/x", "extraCommands": "ln -s a etc/.wh.y" }),
            "/etc/.wh.y",
        ),
    ] {
        let (error, _) = scripts.refused(arguments);
        assert!(error.starts_with(&format!("error: {path} is left by the scripts: ")), "{error}");
        assert!(error.contains("deletes files"), "{error}");
    }
    // An empty file is what layered images of dockerTools delete files of the base with.
    scripts.run(json!({ "extraCommands": "mkdir d; touch .wh.x d/.wh..wh..opq" }), "deleting").ok();
    assert_eq!(scripts.names("deleting"), [".wh.x", "d", "d/.wh..wh..opq"]);
    // What runAsRoot deletes is no such name.
    let arguments = json!({ "fromImage": images.folder.path(), "runAsRoot": "rm /etc/x", "extraCommands": "touch z", "fakeRootCommands": "chown 5 z" });
    scripts.run(arguments, "out").ok();
    assert_eq!(scripts.names("out"), ["etc", "etc/.wh.x", "tmp", "z"]);
}
