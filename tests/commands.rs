//! What scripts of a root layer are run with and see, what of it is left in the layer, and in which order they
//! run. What they do to files is in fake_root.rs and run_as_root.rs, how they fail in script_failures.rs.

mod support;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};
use support::{Scripts, Tree, argument, as_nobody, layer_names, run, ways};

/// As [`ways`], those that are chrooted.
fn chrooted(script: &str) -> [(&'static str, Value); 2] {
    let [_, _, chrooted, run_as_root] = ways(script);
    [chrooted, run_as_root]
}

/// What a script prints.
#[track_caller]
fn printed(scripts: &Scripts, arguments: Value) -> String {
    let ran = scripts.run(arguments, "printed");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    std::fs::remove_dir_all(scripts.folder().join("printed")).expect("an output");
    ran.stderr
}

/// Mode and owner of a path.
fn attributes(tree: &Tree, path: &str) -> (u64, u64, u64) {
    let number = |key: &str| tree[path][key].as_u64().unwrap_or(u64::MAX);
    (number("mode"), number("uid"), number("gid"))
}

#[test]
fn the_environment_is_that_of_a_nix_build_and_nothing_else() {
    let scripts = Scripts::new();
    let script = "xargs -0 -n 1 echo < /proc/self/environ >&2";
    for (way, mut arguments) in ways(script) {
        arguments["mtime"] = json!(1_000_000_000);
        let mut command = scripts.build(&arguments, "out");
        command.args(["--cores", "7"]).env("SECRET", "x").env("LD_PRELOAD", "").env("LANG", "tr_TR.UTF-8");
        let ran = run(&mut command);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        std::fs::remove_dir_all(scripts.folder().join("out")).expect("an output");
        let chrooted = way == "enableFakechroot" || way == "runAsRoot";
        let usual = ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let mut expected = vec![
            "HOME=/homeless-shelter".to_string(),
            "NIX_BUILD_CORES=7".to_string(),
            "NIX_STORE=/nix/store".to_string(),
            format!("PATH={}/bin:/usr/bin{}", scripts.busybox(), if chrooted { usual } else { "" }),
            "SOURCE_DATE_EPOCH=1000000000".to_string(),
            "TZ=UTC".to_string(),
        ];
        expected.push(format!("TMPDIR={}", if chrooted { "/dev/tmp" } else { "/tmp" }));
        expected.sort();
        // The shell's own: PWD, OLDPWD, SHLVL, _.
        let own =
            |line: &&str| !["PWD=", "OLDPWD=", "SHLVL=", "_="].iter().any(|name| line.starts_with(name));
        let mut found: Vec<&str> = ran.stderr.lines().filter(own).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{way}");
    }
}

#[test]
fn scripts_begin_in_the_root_with_umask_022_and_without_input() {
    let scripts = Scripts::new();
    let contents = json!([{ "path": scripts.add("source", &[("etc/here", "")]) }]);
    let script = "[ -e etc/here ]; [ $(umask) = 0022 ]; if read line; then exit 1; fi; \
                  [ $(readlink /proc/self/fd/0) = /dev/null ]; [ $(ls /proc/self/fd | wc -l) -le 5 ]; \
                  [ $(hostname) = localhost ]; echo out; echo err >&2";
    for (way, mut arguments) in ways(script) {
        arguments["contents"] = contents.clone();
        assert_eq!(printed(&scripts, arguments), "out\nerr\n", "{way}: both are for people");
    }
    for (way, arguments) in chrooted("pwd") {
        assert_eq!(printed(&scripts, arguments), "/\n", "{way}");
    }
}

#[test]
fn extra_commands_are_an_ordinary_users_and_the_others_are_roots() {
    let scripts = Scripts::new();
    let ids = "echo $(id -u):$(id -g)";
    let [extra, others @ ..] = ways(ids);
    assert_eq!(printed(&scripts, extra.1), "1000:100\n");
    for (way, arguments) in others {
        assert_eq!(printed(&scripts, arguments), "0:0\n", "{way}");
    }
    for refused in ["chown 1 x", "mknod n c 1 3", "mount -t tmpfs x ."] {
        let script = format!("touch x; if {refused} 2> /dev/null; then exit 1; fi; rm x");
        printed(&scripts, json!({ "extraCommands": script }));
    }
}

#[test]
fn there_is_no_network_but_a_loopback_that_is_up() {
    let scripts = Scripts::new();
    let script = "ip -o link | sed 's/mtu.*//'; ip -o -4 addr | grep -o 'inet [^ ]*'; \
                  nc -l -p 4567 127.0.0.1 -e true & sleep 0.3; nc 127.0.0.1 4567 < /dev/null && echo reached";
    for (way, arguments) in ways(script) {
        let said = printed(&scripts, arguments);
        assert_eq!(said, "1: lo: <LOOPBACK,UP,LOWER_UP> \ninet 127.0.0.1/8\nreached\n", "{way}");
    }
}

#[test]
fn processes_see_each_other_and_nobody_else() {
    let scripts = Scripts::new();
    for (way, arguments) in ways("ls -d /proc/[0-9]* | wc -l") {
        let count: u32 = printed(&scripts, arguments).trim().parse().expect("a number");
        assert!(count < 6, "{way}: {count}");
    }
}

#[test]
fn a_chrooted_script_sees_the_root_and_what_every_container_has() {
    let scripts = Scripts::new();
    let script = r#"ls /; ls /dev; ls /nix; stat -c %a $TMPDIR
        echo x > /dev/null; [ $(head -c 3 /dev/zero | wc -c) = 3 ]; [ $(head -c 3 /dev/urandom | wc -c) = 3 ]
        head -c 3 /dev/random > /dev/null; if echo x 2> /dev/null > /dev/full; then exit 1; fi
        echo hello | cat /dev/stdin; [ -e /dev/fd/1 ]; touch /dev/shm/x
        if touch /nix/store/x; then exit 1; fi
        if mkdir BUSYBOX/x; then exit 1; fi"#;
    for (way, mut arguments) in chrooted(&script.replace("BUSYBOX", &scripts.busybox())) {
        arguments["contents"] = json!([{ "path": scripts.add("source", &[("etc/x", "")]) }]);
        let said = printed(&scripts, arguments);
        let said: Vec<&str> = said.lines().collect();
        let expected = layer_names(way, &["dev", "etc", "nix", "proc"]);
        let (top, said) = said.split_at(expected.len());
        assert_eq!(top, expected, "{way}");
        let dev: Vec<&str> = said.iter().copied().take_while(|line| *line != "store").collect();
        let tty = usize::from(dev.contains(&"tty"));
        assert_eq!(dev.len(), 13 + tty, "{dev:?}");
        for name in "fd full null ptmx pts random shm stderr stdin stdout tmp urandom zero".split(' ') {
            assert!(dev.contains(&name), "{name} is not in {dev:?}");
        }
        let rest = &said[dev.len()..];
        assert_eq!(rest[..3], ["store", "1777", "hello"]);
        assert_eq!(rest.len(), 5, "{rest:?}");
        assert!(rest[3..].iter().all(|line| line.contains("Read-only file system")), "{rest:?}");
    }
}

#[test]
fn what_is_there_for_the_script_alone_is_not_in_the_layer() {
    let scripts = Scripts::new();
    let unused = "echo x > $TMPDIR/x; mktemp; : > /dev/null; touch /etc-made; chmod 700 /dev /proc || true";
    for (i, (way, arguments)) in chrooted(unused).into_iter().enumerate() {
        let out = format!("out{i}");
        scripts.run(arguments, &out).ok();
        assert_eq!(scripts.names(&out), layer_names(way, &["etc-made"]), "{way}");
    }
}

#[test]
fn tmp_is_the_images_as_in_docker_tools() {
    let scripts = Scripts::new();
    let [_, _, fakechroot, run_as_root] = ways("");
    // proot's root is the layer alone; the virtual machine's has an empty /tmp, which stays.
    for (i, (way, script, expected)) in [
        (&fakechroot, "[ ! -e /tmp ]", &[][..]),
        (&fakechroot, "mkdir /tmp", &[("tmp", 0o755)]),
        (&fakechroot, "mkdir -p /tmp; chmod 1777 /tmp", &[("tmp", 0o1777)]),
        (&fakechroot, "mkdir -m 1777 /tmp; mkdir /tmp/y", &[("tmp", 0o1777), ("tmp/y", 0o755)]),
        (&run_as_root, "true", &[("tmp", 0o755)]),
        (&run_as_root, "echo x > /tmp/x; rm /tmp/x; mkdir -p /tmp", &[("tmp", 0o755)]),
        (&run_as_root, "echo x > /tmp/x; chmod 1777 /tmp", &[("tmp", 0o1777), ("tmp/x", 0o644)]),
        (&run_as_root, "rmdir /tmp", &[]),
    ]
    .into_iter()
    .enumerate()
    {
        let mut arguments = way.1.clone();
        arguments[argument(way.0)] = json!(script);
        let tree = scripts.tree(arguments, &format!("out{i}"));
        let found: Vec<(&str, u64)> = tree.keys().map(|path| (&**path, attributes(&tree, path).0)).collect();
        assert_eq!(found[1..], *expected, "{}: {script}", way.0);
    }
    let changed = json!({ "runAsRoot": "true", "extraCommands": "chmod 0777 tmp" });
    assert_eq!(attributes(&scripts.tree(changed, "changed"), "tmp"), (0o777, 0, 0));
}

#[test]
fn a_database_comes_with_a_store_for_scripts_to_see() {
    let scripts = Scripts::new();
    for (i, (way, mut arguments)) in ways("[ -d nix/store ]").into_iter().enumerate() {
        arguments["includeNixDB"] = json!(true);
        let tree = scripts.tree(arguments, &format!("out{i}"));
        assert_eq!(attributes(&tree, "nix/store"), (0o755, 0, 0), "{way}");
    }
}

#[test]
fn temporary_files_of_scripts_are_private_and_on_a_disk() {
    let scripts = Scripts::new();
    let script = "f=$(mktemp); [ $(dirname $f) = $TMPDIR ]; chown 5:6 $f; [ $(stat -c %u:%g $f) = 5:6 ]; \
                  [ $(stat -c %a $TMPDIR) = 1777 ]; [ $(stat -f -c %T $TMPDIR) = $(stat -f -c %T /) ]; mv $f /moved";
    for (i, (way, arguments)) in chrooted(script).into_iter().enumerate() {
        let tree = scripts.tree(arguments, &format!("out{i}"));
        assert_eq!(attributes(&tree, "moved"), (0o600, 5, 6), "{way}");
    }
}

#[test]
fn what_the_contents_have_there_stays_as_it_is() {
    let scripts = Scripts::new();
    let source = scripts.add("source", &[("dev/x", ""), ("proc/", ""), ("tmp/", ""), ("nix/var/x", "")]);
    let mut names = Vec::new();
    for (i, (way, mut arguments)) in chrooted("true").into_iter().enumerate() {
        arguments["copyToRoot"] = json!([{ "path": source }]);
        let out = format!("out{i}");
        scripts.run(arguments, &out).ok();
        names = scripts.names(&out);
        assert_eq!(names, ["dev", "dev/x", "nix", "nix/var", "nix/var/x", "proc", "tmp"], "{way}");
    }
    assert!(!names.contains(&"nix/store".to_string()));
}

#[test]
fn scripts_run_in_the_order_of_docker_tools_and_rules_come_last() {
    let scripts = Scripts::new();
    let tree = scripts.tree(
        json!({
            "runAsRoot": "[ ! -e /1 ]; echo 1 > /1; chown 5 /1; chmod 4755 /1; mknod /null c 1 3",
            "extraCommands": "[ -e 1 ]; [ ! -e 2 ]; echo 2 > 2; mv null gone; mv gone null",
            "fakeRootCommands": "[ -e 2 ]; stat -c '%a %u' 1 | grep -qx '4755 5'; [ -c null ]; chown 7 2; echo 3 > 3",
            "perms": [{ "path": "/[13]", "mode": "0600" }, { "path": "/3", "uid": 9 }],
        }),
        "out",
    );
    assert_eq!(attributes(&tree, "1"), (0o600, 5, 0));
    assert_eq!(attributes(&tree, "2"), (0o644, 7, 0));
    assert_eq!(attributes(&tree, "3"), (0o600, 9, 0));
    assert_eq!(tree["null"]["what"], "1:3");
}

#[test]
fn what_no_script_owns_has_the_images_owner_and_what_is_given_to_root_stays_roots() {
    let scripts = Scripts::new();
    let tree = scripts.tree(
        json!({
            "uid": 1000, "gid": 100,
            "copyToRoot": [{ "path": scripts.add("source", &[("etc/x", "")]) }],
            "extraCommands": "touch extra",
            "fakeRootCommands": "touch mine roots group; chown 0:0 roots; /usr/bin/chgrp 0 group; mkdir d; /usr/bin/chown 7 d; /usr/bin/chown 1000 d",
        }),
        "out",
    );
    let owner = |path: &str| (attributes(&tree, path).1, attributes(&tree, path).2);
    for path in ["etc", "etc/x", "extra", "mine", "d"] {
        assert_eq!(owner(path), (1000, 100), "{path}");
    }
    assert_eq!(owner("roots"), (0, 0));
    assert_eq!(owner("group"), (1000, 0));
}

#[test]
fn what_extra_commands_remove_takes_its_owner_with_it() {
    let scripts = Scripts::new();
    let remove = "rmdir spool; for i in 1 2 3 4 5 6 7 8; do mkdir d$i; echo x > f$i; done";
    let directories = json!({ "/spool": { "mode": "2755", "uid": 8, "gid": 12 } });
    let tree = scripts.tree(json!({ "directories": directories, "extraCommands": remove }), "one");
    // The file system gives new files the numbers of those that are gone.
    for path in tree.keys().filter(|path| *path != ".") {
        let mode = if path.starts_with('d') { 0o755 } else { 0o644 };
        assert_eq!(attributes(&tree, path), (mode, 0, 0), "{path}");
    }
    let made = "mkdir spool; chown 5 spool; chmod 2755 spool";
    let tree = scripts.tree(json!({ "runAsRoot": made, "extraCommands": remove }), "two");
    assert!(tree.keys().all(|path| attributes(&tree, path).1 == 0), "{tree:?}");
}

#[test]
fn a_script_is_read_whole_by_the_shell_that_is_given() {
    let scripts = Scripts::new();
    let shell = scripts.add("shell", &[("bin/sh", "#!/bin/busybox sh\necho \"$#: $1 $2 [$3] $4\" >&2\n")]);
    let text = "two\nlines 'quoted' \"$x\" \\";
    let said = printed(&scripts, json!({ "shell": shell, "extraCommands": text }));
    assert_eq!(said, format!("4: -e -c [{text}] extraCommands\n"));
    let both = scripts.add("both", &[("bin/sh", "no"), ("bin/bash", "#!/bin/busybox sh\necho bash >&2\n")]);
    assert_eq!(printed(&scripts, json!({ "shell": both, "fakeRootCommands": "x" })), "bash\n");
}

#[test]
fn scripts_of_any_length_are_read_to_their_end() {
    let scripts = Scripts::new();
    // An argument of a program has at most 128 KiB (execve(2), MAX_ARG_STRLEN), with the NUL.
    for length in [131_071, 131_072, 3_000_000] {
        let head = "echo \"$0 $#\" >&2; ls /proc/self/fd | wc -l >&2\n";
        let tail = "\ntouch made; exit 0";
        let comment = "#".repeat(length - head.len() - tail.len());
        for (i, (way, mut arguments)) in ways(&format!("{head}{comment}{tail}")).into_iter().enumerate() {
            let name = argument(way);
            for shell in [scripts.busybox(), "/bin/bash".to_owned()] {
                // A chrooted script has the store alone.
                if shell == "/bin/bash" && (way == "enableFakechroot" || way == "runAsRoot") {
                    continue;
                }
                arguments["shell"] = json!(shell);
                let out = format!("out{length}{i}{}", shell.len());
                let ran = scripts.run(arguments.clone(), &out);
                assert_eq!(ran.code, Some(0), "{way}: {}", ran.stderr);
                // Standard streams, and the directory that ls reads.
                assert_eq!(ran.stderr, format!("{name} 0\n4\n"), "{way}, {length} bytes, {shell}");
                let expected = layer_names(way, &["made"]);
                assert_eq!(scripts.names(&out), expected, "{way}, {length} bytes, {shell}");
            }
        }
    }
}

#[test]
fn files_that_nobody_may_read_are_in_the_layer() {
    let scripts = Scripts::new();
    let script = "mkdir -p a/b; echo x > a/b/c; chmod 0 a/b/c a/b a; chmod 000 .";
    for (i, (way, mut arguments)) in ways(script).into_iter().enumerate() {
        let out = format!("out{i}");
        // Whoever is no root outside has to read them, too.
        arguments["directories"] = json!({ "/d": {} });
        let build = scripts.build(&arguments, &out);
        std::fs::set_permissions(scripts.folder().path(), Permissions::from_mode(0o777)).expect("a mode");
        std::fs::set_permissions(scripts.temporary(), Permissions::from_mode(0o777)).expect("a mode");
        let ran = run(&mut as_nobody(&build));
        assert_eq!(ran.code, Some(0), "{way}: {}", ran.stderr);
        let tree = scripts.unpacked(&[], &out);
        for path in [".", "a", "a/b", "a/b/c"] {
            assert_eq!(attributes(&tree, path), (0, 0, 0), "{way}: {path}");
        }
        assert_eq!(support::listing(&scripts.temporary()), [""; 0], "{way}");
    }
}

#[test]
fn a_layer_is_the_same_wherever_and_by_whomever_it_is_made() {
    let scripts = Scripts::new();
    let arguments = json!({
        "copyToRoot": [{ "path": scripts.add("source", &[("etc/x", "x")]) }],
        "users": { "app": { "uid": 1000 } },
        "runAsRoot": "mkdir -p /srv; i=0; while [ $i -lt 50 ]; do echo $i > /srv/$i; i=$((i+1)); done; chown -R app:app /srv",
        "extraCommands": "cp -r etc copy; ls -1 srv > list; umask > umask",
        "fakeRootCommands": "mknod dev c 1 3; chmod 4755 list; stat -c '%u:%g %a' srv copy list dev > seen; id >> seen",
    });
    scripts.run(arguments.clone(), "one").ok();
    let expected = scripts.layer("one");
    std::fs::set_permissions(scripts.folder().path(), Permissions::from_mode(0o777)).expect("a mode");
    let elsewhere = scripts.folder().join("else where/\u{e4}");
    std::fs::create_dir_all(&elsewhere).expect("a directory");
    for path in [elsewhere.clone(), scripts.folder().join("else where")] {
        std::fs::set_permissions(path, Permissions::from_mode(0o777)).expect("a mode");
    }
    for (i, nobody) in [false, true].into_iter().enumerate() {
        let out = format!("again{i}");
        let build = scripts.build(&arguments, &out);
        let mut command = if nobody { as_nobody(&build) } else { build };
        command.args(["--cores", "1"]).env("TMPDIR", &elsewhere).env("TZ", "Asia/Tokyo").env("LC_ALL", "C");
        let mut with_umask = Command::new("sh");
        with_umask
            .args(["-c", "umask 077; exec \"$@\"", "sh"])
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs().filter_map(|(name, value)| Some((name, value?))) {
            with_umask.env(name, value);
        }
        // The output's own folder was made by root.
        let ran = run(&mut with_umask);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(scripts.layer(&out) == expected, "by nobody: {nobody}");
        assert_eq!(support::listing(&elsewhere), [""; 0]);
    }
}
