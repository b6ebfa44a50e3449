//! Nix's store: whether this user can write to it, or a daemon that answers does.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::configuration::Configuration;
use super::nix::{self, Nix};
use super::{Check, Status, without_users};
use crate::registry::Environment;

/// Whether Nix's store can be written to: by this user, or through the daemon.
pub fn examine(environment: &Environment, nix: &Nix, configuration: &Configuration) -> Check {
    let check = |status, found: String| Check::new("store", "store", status, found);
    let store = configuration.value("store").or(environment.variable("NIX_REMOTE")).unwrap_or("auto");
    let socket = environment
        .variable("NIX_DAEMON_SOCKET_PATH")
        .map_or_else(|| environment.system("/nix/var/nix/daemon-socket/socket"), PathBuf::from);
    let state = environment.system("/nix/var/nix");
    let writable = |path: &Path| rustix::fs::access(path, Access::WRITE_OK).is_ok();
    // libstore/store-api.cc, `openFromNonUri`
    let daemon = match store {
        "auto" | "" => !writable(&state) && socket.exists(),
        "daemon" => true,
        "local" => false,
        other => return check(Status::Skipped, format!("{}: not checked", without_secrets(other))),
    };
    if daemon {
        return match connect(&socket) {
            Ok(()) => check(
                Status::Ok,
                format!("through the daemon, which answers; {}", trust(environment, configuration)),
            ),
            Err(e) => {
                check(Status::Problem, format!("the daemon does not answer at {}: {e}", socket.display()))
                    .advise("start it: systemctl start nix-daemon.socket, or as root: nix-daemon")
            }
        };
    }
    let root = environment.uid == 0;
    // libstore/store-api.cc as well: "using ... as a chroot store"
    if store != "local" && !root && !state.exists() && nix::number(&nix.version).is_some_and(|n| n >= (2, 10))
    {
        return check(
            Status::Ok,
            "there is no /nix: Nix makes a store in ~/.local/share/nix/root".to_string(),
        );
    }
    // The first use makes what is missing. A read-only mount of /nix/store is no obstacle to root: Nix mounts it again.
    let existing = |path: &Path| path.ancestors().find(|path| path.exists()).map(Path::to_path_buf);
    let folders = [Some(state), (!root).then(|| environment.system("/nix/store"))];
    let closed = folders.iter().flatten().filter_map(|path| existing(path)).find(|path| !writable(path));
    match closed {
        None => check(Status::Ok, "written to by this user, without a daemon".to_string()),
        Some(path) => {
            check(Status::Problem, format!("{} is not writable, and there is no daemon", path.display()))
                .advise("install Nix with its daemon, or make /nix this user's: sudo chown -R $(id -un) /nix")
        }
    }
}

/// Whether the daemon lets the user set what is not everybody's (`trusted-users`).
fn trust(environment: &Environment, configuration: &Configuration) -> String {
    let names = names_of_user(environment);
    let trusted = configuration.value("trusted-users").unwrap_or("root");
    let is_trusted = environment.uid == 0
        || trusted.split_whitespace().any(|name| name == "*" || names.iter().any(|own| own == name));
    match is_trusted {
        true => "this user is trusted".to_string(),
        false => "this user is not in trusted-users, so the daemon takes sandbox, substituters and the like from its own nix.conf"
            .to_string(),
    }
}

/// The name of the user, and `@NAME` of the user's groups.
fn names_of_user(environment: &Environment) -> Vec<String> {
    let read = |path: &str| fs::read_to_string(environment.system(path)).unwrap_or_default();
    let fields = |line: &str| line.split(':').map(str::to_string).collect::<Vec<_>>();
    let (passwd, group) = (read("/etc/passwd"), read("/etc/group"));
    let user = passwd.lines().map(fields).find(|user| user.get(2) == Some(&environment.uid.to_string()));
    let mut names: Vec<String> = user.iter().filter_map(|user| user.first().cloned()).collect();
    let own_groups: Vec<String> = rustix::process::getgroups()
        .unwrap_or_default()
        .into_iter()
        .chain([rustix::process::getegid()])
        .map(|gid| gid.as_raw().to_string())
        .collect();
    for group in group.lines().map(fields) {
        let has_user =
            |members: &String| members.split(',').any(|member| names.first().is_some_and(|n| n == member));
        if group.get(2).is_some_and(|gid| own_groups.contains(gid)) || group.get(3).is_some_and(has_user) {
            names.extend(group.first().map(|name| format!("@{name}")));
        }
    }
    names
}

/// Connects to a socket without waiting.
fn connect(path: &Path) -> io::Result<()> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, &SocketAddrUnix::new(path)?) {
        // Too many connections wait already: there is a daemon.
        Ok(()) | Err(Errno::AGAIN) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// A store's URL without its user, password and parameters.
fn without_secrets(url: &str) -> String {
    without_users(url.split('?').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_are_named_without_what_lets_users_in() {
        assert_eq!(without_secrets("ssh-ng://me:secret@host.test/x?ssh-key=/k"), "ssh-ng://host.test/x");
        assert_eq!(without_secrets("https://host.test"), "https://host.test");
        assert_eq!(without_secrets("/tmp/store"), "/tmp/store");
    }
}
