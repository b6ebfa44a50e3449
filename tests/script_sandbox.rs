//! What scripts may not do to the machine, and what they may rely on, beside the layer_names, ways out of `escapes.rs`.

mod support;

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use serde_json::json;
use support::{Scripts, layer_names, output, run, ways, with_environment};

#[test]
fn devices_and_kernel_files_keep_their_times_and_modes() {
    let scripts = Scripts::new();
    let before = ["/dev/full", "/dev/zero"].map(|path| fs::metadata(path).expect("a device").mtime());
    // A file of /proc is one for the whole machine, and so is its mode.
    let proc = output("unshare", &["-pf", "--mount-proc", "stat", "-c", "%a", "/proc/consoles"]);
    let text = "for f in /dev/full /dev/zero /proc/kmsg /proc/consoles; do
            touch -d '2001-01-01 00:00:00' $f 2>/dev/null && echo touched $f >&2
        done
        chmod 0400 /proc/consoles 2>/dev/null && echo changed >&2
        echo x > /dev/zero; test ! -s /dev/full";
    for (i, (way, arguments)) in ways(text).into_iter().enumerate() {
        let ran = scripts.run(arguments, &format!("out{i}"));
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{way}");
    }
    let after = ["/dev/full", "/dev/zero"].map(|path| fs::metadata(path).expect("a device").mtime());
    assert_eq!(before, after);
    assert_eq!(output("unshare", &["-pf", "--mount-proc", "stat", "-c", "%a", "/proc/consoles"]), proc);
}

#[test]
fn nothing_outside_is_removed_through_a_link_in_the_place_of_a_mount_point() {
    let scripts = Scripts::new();
    let outside = scripts.folder().join("outside");
    fs::create_dir_all(outside.join("store")).expect("a directory");
    let text = format!("mv /nix /moved; ln -s {} /nix", outside.display());
    for (i, (way, arguments)) in ways(&text).into_iter().enumerate().skip(2) {
        let ran = scripts.run(arguments, &format!("out{i}"));
        assert_eq!(ran.code, Some(0), "{way}: {}", ran.stderr);
        assert!(outside.join("store").exists(), "{way}");
        let names = scripts.names(&format!("out{i}"));
        let nix = format!("nix -> {}", outside.display());
        assert_eq!(names, layer_names(way, &["moved", "moved/store", &nix]), "{way}");
    }
}

#[test]
fn a_long_script_is_read_by_dash_whatever_the_builder_has_open() {
    let scripts = Scripts::new();
    let text = format!("ls /proc/self/fd | wc -l >&2\n{}\ntouch made", "#".repeat(140_000));
    let open: Vec<File> = (0..12).map(|_| File::open("/dev/null").expect("a file")).collect();
    let numbers: Vec<i32> = open.iter().map(AsRawFd::as_raw_fd).collect();
    for shell in ["/bin/dash", "/bin/bash"] {
        let arguments = json!({ "shell": shell, "extraCommands": text });
        let mut build = scripts.build(&arguments, shell.trim_start_matches("/bin/"));
        let numbers = numbers.clone();
        // SAFETY: fcntl may be called between fork and exec.
        #[allow(unsafe_code)]
        unsafe {
            build.pre_exec(move || {
                for number in &numbers {
                    if libc::fcntl(*number, libc::F_SETFD, 0) != 0 {
                        return Err(std::io::Error::last_os_error());
                    }
                }
                Ok(())
            });
        }
        let ran = run(&mut build);
        // Standard streams, and the directory that ls reads.
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), "4\n"), "{shell}");
        assert_eq!(scripts.names(shell.trim_start_matches("/bin/")), ["made"], "{shell}");
    }
}

#[test]
fn there_are_terminals_to_make() {
    let scripts = Scripts::new();
    let text =
        "script --quiet --return --command 'test -t 0; echo made > made' /dev/null < /dev/null > /dev/null";
    for (i, (way, mut arguments)) in ways(text).into_iter().enumerate().take(2) {
        arguments["shell"] = json!("/bin/bash");
        let out = format!("out{i}");
        let ran = scripts.run(arguments, &out);
        assert_eq!(ran.code, Some(0), "{way}: {}", ran.stderr);
        assert_eq!(scripts.names(&out), ["made"], "{way}");
    }
    let opened = "exec 3<>/dev/ptmx; ls /dev/pts > /terminals";
    for (i, (way, arguments)) in ways(opened).into_iter().enumerate().skip(2) {
        let out = format!("chrooted{i}");
        let ran = scripts.run(arguments, &out);
        assert_eq!(ran.code, Some(0), "{way}: {}", ran.stderr);
        assert_eq!(scripts.names(&out), layer_names(way, &["terminals"]), "{way}");
    }
}

#[test]
fn a_shell_that_leads_to_the_builders_program_is_refused() {
    let scripts = Scripts::new();
    let shells = scripts.add("shells", &[("bin/sh", "#!/proc/self/exe\n"), ("bin/bash", "#! /l/sh x\n")]);
    let links = scripts.add("links", &[("l/sh", &format!("-> {shells}/bin/sh"))]);
    for shell in ["bin/sh", "bin/bash"] {
        let arguments = json!({
            "shell": format!("{shells}/{shell}"),
            "contents": [{ "path": links }],
            "fakeRootCommands": "x", "enableFakechroot": true,
        });
        let (error, said) = scripts.refused(arguments);
        assert!(error.contains("/proc/self/exe is the builder's own program"), "{shell}: {error}");
        assert_eq!(said, "", "{shell}");
    }
}

#[test]
fn mounts_that_others_cover_stop_no_script() {
    let scripts = Scripts::new();
    let arguments = json!({ "extraCommands": "touch made" });
    let build = scripts.build(&arguments, "out");
    // Below /usr, where a script that is not chrooted sees it.
    let cover = "mount -t tmpfs a /usr/local; mkdir /usr/local/x; mount -t tmpfs b /usr/local/x;
        mount -t tmpfs c /usr/local; exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-euc", cover, "sh"]).arg(build.get_program()).args(build.get_args());
    let ran = run(&mut with_environment(command, &build));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(scripts.names("out"), ["made"]);
}
