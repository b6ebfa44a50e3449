//! `/proc` of a script, without what the kernel shows and grants to the number of the machine's root.
//!
//! Many files there ask for user 0 of the machine alone, and not for a capability, so a user namespace that maps to
//! it would not confine them: `/proc/sys/kernel/core_pattern` names a program that the kernel starts outside of every
//! namespace.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::mount::MountFlags;

use super::mounts::{MountError, bind, failed};

/// What containers hide of a machine (runc and Docker, "masked paths") though anybody may read it.
const HIDDEN: [&str; 9] = [
    "acpi",
    "asound",
    "interrupts",
    "keys",
    "latency_stats",
    "sched_debug",
    "scsi",
    "timer_list",
    "timer_stats",
];

const READ_ONLY: MountFlags =
    MountFlags::RDONLY.union(MountFlags::NOSUID).union(MountFlags::NODEV).union(MountFlags::NOEXEC);

/// Makes everything at the top of `proc` read-only but processes, and puts `null` in the place of what root of the machine
/// alone may read. What can only be written (`sysrq-trigger`) is there, so that a program that tries is told why not.
/// This includes files that have no write permission: their modes can be changed, for the whole machine.
pub fn protect(proc: &Path, null: &Path) -> Result<(), MountError> {
    for entry in fs::read_dir(proc).map_err(failed(proc))? {
        let entry = entry.map_err(failed(proc))?;
        let (path, name) = (entry.path(), entry.file_name());
        if name.as_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        let metadata = fs::symlink_metadata(&path).map_err(failed(&path))?;
        let (kind, mode) = (metadata.file_type(), metadata.permissions().mode());
        let hidden = HIDDEN.iter().any(|hidden| name == *hidden) || (mode & 0o004 == 0 && mode & 0o444 != 0);
        if kind.is_dir() && hidden {
            rustix::mount::mount("empty", &path, "tmpfs", READ_ONLY, Some(c"size=4k,mode=0555"))
                .map_err(|e| failed(&path)(e.into()))?;
        } else if kind.is_file() && hidden {
            // A mount of a mount has its flags.
            bind(null, &path)?;
        } else if kind.is_dir() || kind.is_file() {
            bind(&path, &path)?;
            rustix::mount::mount_remount(&path, MountFlags::BIND | READ_ONLY, c"")
                .map_err(|e| failed(&path)(e.into()))?;
        }
    }
    Ok(())
}
