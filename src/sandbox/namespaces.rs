//! The namespaces of scripts, and the rights of their root.
//!
//! The builder enters a user namespace ([`enter`]) in which it is root, so that it may mount, and trace what it starts.
//! The first process of a script makes its mounts in that namespace and then enters another one below it
//! ([`confine`]), together with new namespaces of mounts, network, IPC, host name and control groups. The kernel locks
//! mounts that come from a more privileged user namespace (mount_namespaces(7), "Restrictions on mount namespaces").

use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::process::{DumpableBehavior, Signal};
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};

use super::filter;
use crate::kernel;

/// The kernel refuses namespaces.
#[derive(Debug, thiserror::Error)]
#[error(
    "scripts of a root layer need user namespaces, and the kernel refuses them: {what}: {source}; {}",
    remedy(source)
)]
pub struct Refused {
    what: &'static str,
    source: io::Error,
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
    /// What was tried, and the kernel's answer.
    pub fn new(what: &'static str, source: io::Error) -> Refused {
        Refused { what, source }
    }

    /// The call that the kernel refused.
    pub fn cause(&self) -> String {
        format!("{}: {}", self.what, self.source)
    }

    /// What to change.
    pub fn remedy(&self) -> String {
        remedy(&self.source)
    }
}

/// The settings of this machine that forbid namespaces, as commands that allow them; `refusal` is the kernel's answer.
pub fn remedy(refusal: &io::Error) -> String {
    let forbids = |(path, value, _): &&(&str, &str, &str)| {
        fs::read_to_string(path).is_ok_and(|found| found.trim() == *value)
    };
    let settings: Vec<&str> = SETTINGS.iter().filter(forbids).map(|(_, _, remedy)| *remedy).collect();
    match settings.as_slice() {
        // namespaces(7), "The /proc/sys/user directory"
        [] if refusal.raw_os_error() == Some(libc::ENOSPC) => {
            "raise the limits user.max_user_namespaces, user.max_mnt_namespaces and the others of these names with sysctl"
                .into()
        }
        [] => "inside a container, allow unshare and mount (podman: --security-opt seccomp=unconfined, \
               --security-opt unmask=ALL; docker: --privileged)"
            .into(),
        settings => format!("allow them with: {}", settings.join("; ")),
    }
}

/// The user and the group that a process of a script is, each the only one of its namespace.
#[derive(Debug, Clone, Copy)]
pub struct Ids {
    uid: u32,
    gid: u32,
}

/// Root.
pub const ROOT: Ids = Ids { uid: 0, gid: 0 };

/// An ordinary user, with the numbers that Nix gives to builds in its sandbox.
pub const ORDINARY: Ids = Ids { uid: 1000, gid: 100 };

/// What root has in a container by default (Docker's and podman's list), without `CAP_MKNOD`, which a user namespace
/// does not have anyway. With `CAP_SYS_ADMIN`, scripts could mount; with `CAP_SYS_PTRACE`, look into other users'
/// processes.
const CAPABILITIES: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::AUDIT_WRITE);

/// Makes this process root of a new user namespace, in which its user is the only one. What it starts from here on
/// may have namespaces of its own.
pub fn enter() -> Result<(), Refused> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    unshare(UnshareFlags::NEWUSER).map_err(|e| Refused::new("unshare(CLONE_NEWUSER)", e))?;
    map(ROOT, uid, gid).map_err(|e| Refused::new("writing /proc/self/uid_map", e))?;
    dumpable(false).map_err(|e| Refused::new("prctl(PR_SET_DUMPABLE)", e))
}

/// Gives up, for this process and all that it starts, everything that leads out of the sandbox. `sysctls` is
/// `/proc/sys` as it was before it was made read-only.
pub fn confine(sysctls: &impl AsFd, ids: Ids) -> Result<(), Refused> {
    let refused = |what| move |source: io::Error| Refused::new(what, source);
    // The files of /proc/self belong to root of the machine while a process is not dumpable.
    dumpable(true).map_err(refused("prctl(PR_SET_DUMPABLE)"))?;
    let all = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP;
    unshare(all).map_err(refused("unshare(CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET, ...)"))?;
    map(ids, 0, 0).map_err(refused("writing /proc/self/uid_map"))?;
    // Not even root in the namespace may trace a process whose memory belongs to a namespace above (ptrace(2),
    // "Ptrace access mode checking"); /proc has no links for it.
    dumpable(false).map_err(refused("prctl(PR_SET_DUMPABLE)"))?;
    rustix::system::sethostname(b"localhost").map_err(|e| Refused::new("sethostname", e.into()))?;
    kernel::loopback_up().map_err(refused("bringing up lo"))?;
    // In a user namespace below this one, root would have all capabilities again.
    forbid_user_namespaces(sysctls).map_err(refused("writing user.max_user_namespaces"))?;
    give_up_capabilities().map_err(refused("giving up capabilities"))?;
    rustix::thread::set_no_new_privs(true)
        .map_err(|e| Refused::new("prctl(PR_SET_NO_NEW_PRIVS)", e.into()))?;
    kernel::set_filter(&filter::program()).map_err(refused("seccomp(SECCOMP_SET_MODE_FILTER)"))?;
    // A terminal that the builder's standard error is, and the processes of its group, belong to another session.
    rustix::process::setsid().map_err(|e| Refused::new("setsid", e.into()))?;
    // Changed credentials unset it, so it comes last.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|e| Refused::new("prctl(PR_SET_PDEATHSIG)", e.into()))
}

/// Whether processes of the same user may trace this one and follow its links in `/proc`.
pub fn dumpable(dumpable: bool) -> io::Result<()> {
    let behavior = if dumpable { DumpableBehavior::Dumpable } else { DumpableBehavior::NotDumpable };
    Ok(rustix::process::set_dumpable_behavior(behavior)?)
}

fn forbid_user_namespaces(sysctls: &impl AsFd) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let limit: OwnedFd = rustix::fs::openat(sysctls, "user/max_user_namespaces", flags, Mode::empty())?;
    fs::File::from(limit).write_all(b"0")
}

fn give_up_capabilities() -> io::Result<()> {
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        // The kernel says which is its last.
        match rustix::thread::capability_is_in_bounding_set(capability) {
            Ok(true) if !CAPABILITIES.contains(capability) => {
                rustix::thread::remove_capability_from_bounding_set(capability)?;
            }
            Ok(_) => {}
            Err(rustix::io::Errno::INVAL) => break,
            Err(e) => return Err(e.into()),
        }
    }
    let sets = CapabilitySets {
        effective: CAPABILITIES,
        permitted: CAPABILITIES,
        inheritable: CapabilitySet::empty(),
    };
    Ok(rustix::thread::set_capabilities(None, sets)?)
}

#[allow(deprecated)] // of the descriptors that the replacement could unshare, none is
fn unshare(flags: UnshareFlags) -> io::Result<()> {
    rustix::thread::unshare(flags).map_err(Into::into)
}

/// Says whom the one user and the one group of this namespace are outside of it.
fn map(ids: Ids, outer_uid: u32, outer_gid: u32) -> io::Result<()> {
    let own = Path::new("/proc/self");
    // Without this, a group map may be written by root alone (user_namespaces(7)).
    fs::write(own.join("setgroups"), "deny")?;
    fs::write(own.join("uid_map"), format!("{} {outer_uid} 1", ids.uid))?;
    fs::write(own.join("gid_map"), format!("{} {outer_gid} 1", ids.gid))
}
