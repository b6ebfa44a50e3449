//! Namespaces for scripts: users (whoever builds is root), mounts, processes, network (none), IPC, host name.

use std::fs;
use std::io;
use std::path::Path;

use rustix::thread::UnshareFlags;

use crate::root::kernel;

/// Why there are no namespaces to be had.
#[derive(Debug, thiserror::Error)]
#[error("scripts of a root layer need user namespaces, and the kernel refuses them: {what}: {source}; {}", self.remedy())]
pub struct Refused {
    what: &'static str,
    source: io::Error,
    settings: Vec<&'static str>,
}

/// Settings that forbid user namespaces: where, the value that does, and what allows them.
const SETTINGS: [(&str, &str, &str); 3] = [
    // user_namespaces(7)
    ("/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
    // Debian and Ubuntu, before 5.10 by default
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    // Ubuntu 23.10 and later
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
];

impl Refused {
    fn new(what: &'static str, source: io::Error) -> Refused {
        let forbids = |(path, value, _): &&(&str, &str, &str)| {
            fs::read_to_string(path).is_ok_and(|found| found.trim() == *value)
        };
        let settings = SETTINGS.iter().filter(forbids).map(|(_, _, remedy)| *remedy).collect();
        Refused { what, source, settings }
    }

    /// The call that the kernel refused.
    pub fn cause(&self) -> String {
        format!("{}: {}", self.what, self.source)
    }

    /// What to change.
    pub fn remedy(&self) -> String {
        match self.settings.as_slice() {
            [] => "inside a container, allow unshare and mount (podman: --security-opt seccomp=unconfined, \
                   --security-opt unmask=ALL; docker: --privileged)"
                .into(),
            settings => format!("allow them with: {}", settings.join("; ")),
        }
    }
}

/// Enters new namespaces; the processes that this one starts from here on are in them, and the first of
/// them is their init.
pub fn enter() -> Result<(), Refused> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    unshare(UnshareFlags::NEWUSER).map_err(|e| Refused::new("unshare(CLONE_NEWUSER)", e))?;
    map(0, uid, 0, gid).map_err(|e| Refused::new("writing /proc/self/uid_map", e))?;
    let others = UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS;
    unshare(others).map_err(|e| Refused::new("unshare(CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, ...)", e))?;
    rustix::system::sethostname(b"localhost").map_err(|e| Refused::new("sethostname", e.into()))?;
    kernel::loopback_up().map_err(|e| Refused::new("bringing up lo", e))
}

/// Makes this process an ordinary user, with Nix's numbers for one, who has what root has now.
pub fn become_ordinary() -> io::Result<()> {
    unshare(UnshareFlags::NEWUSER)?;
    map(1000, 0, 100, 0)
}

/// A new namespace of mounts for this process.
pub fn own_mounts() -> io::Result<()> {
    unshare(UnshareFlags::NEWNS)
}

#[allow(deprecated)] // of the descriptors that the replacement could unshare, none is
fn unshare(flags: UnshareFlags) -> io::Result<()> {
    rustix::thread::unshare(flags).map_err(Into::into)
}

/// Says whom the one user and the one group of this namespace are outside of it.
fn map(uid: u32, outer_uid: u32, gid: u32, outer_gid: u32) -> io::Result<()> {
    let own = Path::new("/proc/self");
    // Without this, a group map may be written by root alone (user_namespaces(7)).
    fs::write(own.join("setgroups"), "deny")?;
    fs::write(own.join("uid_map"), format!("{uid} {outer_uid} 1"))?;
    fs::write(own.join("gid_map"), format!("{gid} {outer_gid} 1"))
}
