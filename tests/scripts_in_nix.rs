//! Scripts of images that a real Nix builds, in its sandbox and under its seccomp filter, which refuses
//! set-user-ID bits and extended attributes to builders.

mod support;

use std::process::Command;

use support::{Image, Machine, Nix, look, output, packages, packages_there, run};

/// The members of an image's root layer: name, type, mode, owner, device and extended attributes, by CPython.
fn root_layer(nix: &Nix, image: &str) -> Vec<String> {
    let root = nix.built(&format!("({image}).root"));
    let script = "import sys, tarfile\nfor t in tarfile.open(sys.argv[1], 'r:'):\n  x = {k[13:]: v for k, v in t.pax_headers.items() if k.startswith('SCHILY')}\n  print(t.name, t.type.decode(), '%o' % t.mode, f'{t.uid}:{t.gid}', f'{t.devmajor},{t.devminor}', x or '')";
    let tar = root.join("layer.tar");
    let listed = output("/usr/bin/python3", &["-c", script, tar.to_str().expect("UTF-8")]);
    listed.lines().map(|line| line.trim_end().to_string()).collect()
}

const SCRIPT: &str = "mkdir -p srv; echo x > srv/su; chown 5:6 srv/su; chmod 6755 srv/su; chmod 2770 srv; chown 1000:100 srv; \
    mknod srv/null c 1 3; ln -s nowhere srv/link; chown -h 7:8 srv/link; stat -c %a:%u:%g srv/su srv/null >&2";

#[test]
fn every_script_runs_in_the_sandbox_and_root_may_what_nix_refuses() {
    let nix = Nix::new();
    let expected = [
        "./srv 5 2770 1000:100 0,0",
        "./srv/link 2 777 7:8 0,0",
        "./srv/null 3 644 0:0 1,3",
        "./srv/su 0 6755 5:6 0,0",
    ];
    for argument in [
        format!("fakeRootCommands = \"{SCRIPT}\";"),
        format!("fakeRootCommands = \"cd /; {SCRIPT}\"; enableFakechroot = true;"),
        format!("runAsRoot = \"{SCRIPT}; rmdir tmp\";"),
    ] {
        let image = format!(
            "{} builtins.ociImage {{ name = \"app\"; shell = busybox; path = busybox; {argument} extraCommands = \"[ $(id -u) = 1000 ]; if chmod 4755 x 2> /dev/null; then exit 1; fi\"; }}",
            packages()
        );
        assert_eq!(root_layer(&nix, &image)[1..], expected, "{argument}");
        // The whole image as well.
        let found: Image = look_at(&nix, &image);
        assert!(found.layers.last().is_some_and(|layer| layer.paths.is_empty()));
    }
}

fn look_at(nix: &Nix, image: &str) -> Image {
    support::look_at_others(&nix.built(image))
}

#[test]
fn python_sets_attributes_and_owners_that_the_sandbox_cannot_hold() {
    let nix = Nix::new();
    let script = "import os\nos.makedirs('/srv'); f = open('/srv/x', 'w'); os.fchown(f.fileno(), 5, 6); os.fchmod(f.fileno(), 0o4711)\nos.setxattr('/srv/x', 'user.a', b'1'); os.setxattr(f.fileno(), 'security.capability', bytes.fromhex('0100000200200000000000000000000000000000'))\nassert os.listxattr('/srv/x') == ['security.capability', 'user.a'], os.listxattr('/srv/x')\ns = os.stat('/srv/x'); assert (s.st_uid, s.st_gid, s.st_mode) == (5, 6, 0o104711), s\nos.setgid(100); os.setuid(1000); open('/srv/mine', 'w'); print(os.getresuid())";
    let image = format!(
        "{} builtins.ociImage {{ name = \"app\"; contents = debian.all; shell = busybox; path = busybox; runAsRoot = ''\n/usr/bin/python3 -I - <<'END'\n{}\nEND\n''; }}",
        packages(),
        script.replace("''", "'''")
    );
    let members = root_layer(&nix, &image);
    let find =
        |name: &str| members.iter().find(|member| member.starts_with(&format!("{name} "))).expect(name);
    assert!(find("./srv/x").starts_with("./srv/x 0 4711 5:6 0,0 {"), "{}", find("./srv/x"));
    assert!(find("./srv/x").contains("'user.a': '1'") && find("./srv/x").contains("'security.capability'"));
    assert_eq!(find("./srv/mine"), "./srv/mine 0 644 1000:100 0,0");
}

#[test]
fn what_only_a_scripts_link_names_is_in_the_image() {
    let nix = Nix::new();
    let image = format!(
        "{} let x = package \"only-linked\" \"mkdir $out; echo hello > $out/file\"; in builtins.ociImage {{ name = \"app\"; shell = busybox; path = busybox; \
         fakeRootCommands = \"ln -s ${{x}}/file linked\"; format = \"layout\"; }}",
        packages()
    );
    let found = look(&nix.built(&image));
    let paths = found.paths();
    assert!(paths.iter().any(|path| path.ends_with("-only-linked")), "{paths:?}");
    // Tools that nothing in the image names are not.
    assert!(!paths.iter().any(|path| path.ends_with("-busybox")), "{paths:?}");
}

#[test]
fn a_failed_script_is_nixs_error_with_its_log() {
    let nix = Nix::new();
    let image = format!(
        "{} builtins.ociImage {{ name = \"app\"; shell = busybox; path = busybox; fakeRootCommands = \"echo said by the script; exit 3\"; }}",
        packages()
    );
    let error = run(nix.command("nix-build").args(["--no-out-link", "--expr", &image])).err();
    let said = error.find("said by the script").expect("the script's output");
    let failed = error.find("fakeRootCommands: the script ended with exit status 3").expect("the error");
    assert!(said < failed, "{error}");
    let left =
        run(Command::new("find").arg(nix.store()).args(["-name", "*-app-root", "-not", "-name", "*.drv"]));
    assert_eq!(left.ok(), "");
}

#[test]
fn two_builds_of_one_image_are_equal() {
    let nix = Nix::new();
    let image = format!(
        "{} (builtins.ociImage {{ name = \"app\"; shell = busybox; path = busybox; runAsRoot = \"{SCRIPT}\"; }}).root",
        packages()
    );
    nix.built(&image);
    run(nix.command("nix-build").args(["--no-out-link", "--check", "--cores", "1", "--expr", &image])).ok();
}

/// Every argument that has something to do with scripts, beside one that runs them.
const AROUND: &str = r#"shell = busybox; path = busybox; contents = [ debian.pkgs.zlib1g ];
    users.app = { uid = 1000; }; directories."/tmp".mode = "1777"; perms = [ { path = "/tmp"; gid = 9; } ];"#;

#[test]
fn a_normal_user_builds_with_every_script_through_a_daemon_that_builds_as_others() {
    let machine = Machine::new();
    let base = r#"builtins.ociImage { name = "base"; format = "layout"; shell = busybox; path = busybox;
        runAsRoot = "mkdir /bin /etc; echo base > /etc/motd; echo gone > /etc/gone; chown 5:6 /etc/motd"; }"#;
    let images = [
        format!("runAsRoot = \"{SCRIPT}\";"),
        format!("fakeRootCommands = \"{SCRIPT}\"; extraCommands = \"touch made; [ $(id -u) != 0 ]\";"),
        format!("fakeRootCommands = \"cd /; {SCRIPT}\"; enableFakechroot = true;"),
        format!(
            "fromImage = {base}; runAsRoot = \"rm /etc/gone; [ $(stat -c %u /etc/motd) = 5 ]; {SCRIPT}\"; includeNixDB = true; layers = [ debian.pkgs.libc6 ];"
        ),
    ];
    let expression = |packages: &str| {
        let images =
            images.iter().map(|more| format!("(builtins.ociImage {{ name = \"app\"; {AROUND} {more} }})"));
        format!("{packages} [ {} ]", images.collect::<Vec<_>>().join(" "))
    };
    let user = format!("{} package \"user\" \"cat /proc/self/uid_map > $out\"", packages_there());
    let script = format!(
        "nix-build --no-out-link --expr '{}'; nix-build --no-out-link --expr '{user}'",
        expression(&packages_there())
    );
    let built = machine.as_nobody(&script).ok();
    let mut built: Vec<_> =
        built.lines().map(|path| machine.path().join(path.trim_start_matches('/'))).collect();
    let map = std::fs::read_to_string(built.pop().expect("a path")).expect("a map");
    assert!(map.split_whitespace().nth(1).is_some_and(|outer| outer.starts_with("3000")), "{map}");

    let here = Nix::new();
    let expression = expression(&packages_there()).replace("/mnt/packages", &packages_folder());
    let same = run(here.command("nix-build").args(["--no-out-link", "--expr", &expression])).ok();
    let same: Vec<_> = same.lines().map(|path| here.real(path)).collect();
    assert_eq!((built.len(), same.len()), (images.len(), images.len()));
    for (there, here) in built.iter().zip(&same) {
        let [there, here] = [there, here].map(|path| std::fs::read(path).expect("an image"));
        assert!(there == here, "what the daemon's users make is another image");
    }
}

fn packages_folder() -> String {
    support::debian_packages().parent().expect("a folder").display().to_string()
}
