//! A machine whose nix-daemon is root's, for somebody who is not.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::{Folder, Ran, debian_packages, dist, packages, run};

/// A machine of its own: /nix, the daemon that owns it with users to build as, and a normal user, in a private
/// mount and process namespace. Everything ends with the namespace, the daemon too.
pub struct Machine(Folder);

impl Machine {
    pub fn new() -> Machine {
        let folder = Folder::new();
        // `nobody` has to reach /nix through a bind mount only, and the plugin in a copy.
        for name in ["nix", "home", "dist"] {
            std::fs::create_dir(folder.join(name)).expect("a directory");
        }
        std::fs::set_permissions(folder.join("home"), Permissions::from_mode(0o777)).expect("a mode");
        Machine(folder)
    }

    /// The directory that holds its `/nix`.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs a script as `nobody`, with a daemon of root's; its `$DIST` is the plugin's folder.
    pub fn as_nobody(&self, script: &str) -> Ran {
        let around = r#"
            mkdir -p /nix; mount --bind "$0/nix" /nix
            mount -t tmpfs -o mode=755 tmpfs /mnt; cp -r "$1/." /mnt/dist; chmod -R a+rX /mnt/dist
            cp -r "$3" /mnt/packages; chmod -R a+rX /mnt/packages
            mkdir -m 777 /mnt/home
            for file in passwd group; do grep -v ^nixbld /etc/$file > "$0/$file"; done
            for i in 1 2 3 4; do
                echo "nixbld$i:x:3000$i:30000::/var/empty:/usr/sbin/nologin" >> "$0/passwd"
            done
            echo "nixbld:x:30000:nixbld1,nixbld2,nixbld3,nixbld4" >> "$0/group"
            for file in passwd group; do mount --bind "$0/$file" /etc/$file; done
            export NIX_CONF_DIR=/nonexistent
            NIX_CONFIG="build-users-group = nixbld
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
        let debian = debian_packages().parent().expect("a folder");
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
pub fn packages_there() -> String {
    let here = debian_packages().parent().expect("a folder");
    packages().replace(&here.display().to_string(), "/mnt/packages")
}
