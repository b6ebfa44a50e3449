//! Through a real nix-daemon, as a normal user: the plugin adds the builder to a store that it may not
//! write to, and root's daemon builds the image.

mod support;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use support::{Folder, Ran, dist, look, packages, run};

/// A machine of its own: /nix, the daemon that owns it and a normal user, in a private mount and process
/// namespace. Everything ends with the namespace, the daemon too.
struct Machine(Folder);

impl Machine {
    fn new() -> Machine {
        let folder = Folder::new();
        // `nobody` has to reach /nix through a bind mount only, and the plugin in a copy.
        for name in ["nix", "home", "dist"] {
            std::fs::create_dir(folder.join(name)).expect("a directory");
        }
        std::fs::set_permissions(folder.join("home"), Permissions::from_mode(0o777)).expect("a mode");
        Machine(folder)
    }

    /// Runs a script as `nobody`, with a daemon of root's; its `$DIST` is the plugin's folder.
    fn as_nobody(&self, script: &str) -> Ran {
        let around = r#"
            mkdir -p /nix; mount --bind "$0/nix" /nix
            mount -t tmpfs -o mode=755 tmpfs /mnt; cp -r "$1/." /mnt/dist; chmod -R a+rX /mnt/dist
            cp -r "$3" /mnt/packages; chmod -R a+rX /mnt/packages
            mkdir -m 777 /mnt/home
            export NIX_CONF_DIR=/nonexistent
            NIX_CONFIG="build-users-group =
                sandbox = true
                substituters =
                experimental-features = nix-command flakes" NIX_REMOTE= nix-daemon 2> "$0/daemon.log" &
            for i in $(seq 100); do [ -S /nix/var/nix/daemon-socket/socket ] && break; sleep 0.1; done
            cd /mnt/home
            status=0
            DIST=/mnt/dist NIX_REMOTE=daemon HOME=/mnt/home NIX_CONFIG="plugin-files = /mnt/dist/lib/nix/plugins/libgantry.so
                experimental-features = nix-command flakes" \
                setpriv --reuid=nobody --regid=nogroup --clear-groups sh -euc "$2" || status=$?
            kill %1; exit $status"#;
        let debian = support::debian_packages().parent().expect("a folder");
        run(Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "bash", "-uc", around])
            .arg(self.0.path())
            .arg(dist())
            .arg(script)
            .arg(debian)
            .env_remove("NIX_PATH")
            .current_dir(self.0.path()))
    }
}

/// The packages, as `nobody` finds them.
fn packages_there() -> String {
    let here = support::debian_packages().parent().expect("a folder");
    packages().replace(&here.display().to_string(), "/mnt/packages")
}

#[test]
fn a_normal_user_builds_images_through_the_daemon() {
    let machine = Machine::new();
    let images = format!(
        "{} [ (builtins.ociImage {{ name = \"first\"; tag = \"1\"; contents = [ debian.pkgs.zlib1g ]; }}) \
              (builtins.ociImage {{ name = \"second\"; tag = \"2\"; contents = [ debian.pkgs.libc6 ]; compression = \"zstd\"; format = \"layout\"; }}) ]",
        packages_there()
    );
    let script = format!(
        r#"test "$(id -un)" = nobody
        if touch /nix/store/x 2>/dev/null; then exit 1; fi
        nix store ping 2>&1 | grep -qi 'store url: daemon'
        built=$(nix-build --no-out-link --expr '{images}')
        for path in $built; do test "$(stat -c %U "$path")" = root; done
        echo "$built""#
    );
    let printed = machine.as_nobody(&script).ok();
    let paths: Vec<&str> = printed.lines().collect();
    assert_eq!(paths.len(), 2, "{printed}");
    let [first, second] = [0, 1].map(|i| look(&machine.0.join(paths[i].trim_start_matches('/'))));
    assert!(first.paths().iter().any(|path| path.contains("-zlib1g-")), "{:?}", first.paths());
    assert!(second.paths().iter().any(|path| path.contains("-libc6-")), "{:?}", second.paths());
    assert_eq!(first.docker.expect("an archive")[0]["RepoTags"][0], "first:1");
    assert!(second.layers.iter().all(|layer| layer.media_type.ends_with("+zstd")));
}

#[test]
fn the_builder_that_the_plugin_adds_is_a_valid_store_path_of_the_daemon() {
    let machine = Machine::new();
    let script = r#"
        drv=$(nix-instantiate --expr 'builtins.ociImage { name = "app"; }')
        builder=$(nix show-derivation "$drv" | jq -r '.[].builder')
        store_path=$(echo "$builder" | cut -d/ -f1-4)
        nix-store --check-validity "$store_path"
        nix-store --verify-path "$store_path"
        nix-store --query --references "$store_path"
        cmp "$builder" "$DIST/bin/gantry""#;
    assert_eq!(machine.as_nobody(script).ok(), "", "the builder refers to nothing");
}

#[test]
fn the_same_image_comes_from_a_daemon_and_from_a_store_elsewhere() {
    let machine = Machine::new();
    let expression = format!(
        "{} builtins.ociImage {{ name = \"app\"; contents = [ debian.pkgs.zlib1g ]; }}",
        packages_there()
    );
    // Without the daemon, in a chroot store of the user's own.
    let script = format!(
        r#"daemon=$(nix-build --no-out-link --expr '{expression}')
        elsewhere=$(nix-build --no-out-link --store "$HOME/store" --option substituters "" --expr '{expression}')
        test "$daemon" = "$elsewhere"
        cmp "$daemon" "$HOME/store$elsewhere"
        chmod -R u+w "$HOME/store"
        echo "$daemon""#
    );
    let path = machine.as_nobody(&script).ok();
    assert!(path.ends_with("-app.tar"), "{path}");
}
