//! The directory in which scripts make a layer, and how it is removed: scripts leave directories that their owner,
//! who may be no root outside the namespaces, may not even list; and those that were killed may need a moment.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};

use crate::temporary::warn;

/// How often removing is tried, and what is waited in between.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// A temporary directory that is removed whatever is in it.
pub struct Work(tempfile::TempDir);

impl Work {
    /// A new one in `parent`.
    pub fn new(parent: &Path) -> io::Result<Work> {
        // A script's set-user-ID programs are real to everybody who can reach them.
        let own = fs::Permissions::from_mode(0o700);
        // Without links: the kernel names what is mounted there as it is.
        let parent = fs::canonicalize(parent)?;
        tempfile::Builder::new().prefix("root-").permissions(own).tempdir_in(parent).map(Work)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        for _ in 0..TRIES {
            match fs::remove_dir_all(self.path()) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    let _ = open_up(self.path()); // removing says whether it has helped
                    std::thread::sleep(PAUSE);
                }
                _ => return,
            }
        }
        warn(self.path(), fs::remove_dir_all(self.path()));
    }
}

/// Lets the owner of directories do with them what they want. No link is followed.
fn open_up(directory: &Path) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::open(directory, flags, Mode::empty())?;
    let open = format!("/proc/self/fd/{}", directory.as_raw_fd());
    rustix::fs::chmod(&open, Mode::RWXU)?;
    for entry in fs::read_dir(&open)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}
