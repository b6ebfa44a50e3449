//! The mount points in a root that is being made: directories that are there for its script alone.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::fakeroot::{Identity, Records};

/// Directories of the root being made that are there for the script alone.
pub struct Scaffold(Vec<(PathBuf, i64, i64)>);

impl Scaffold {
    /// Makes what is missing in `root` to mount things on, and `/tmp`.
    pub fn raise(root: &Path, store: &Path) -> io::Result<Scaffold> {
        let mut made = Vec::new();
        for path in [Path::new("/proc"), Path::new("/dev"), store, Path::new("/tmp")] {
            let is_tmp = path == Path::new("/tmp");
            let mut at = root.to_path_buf();
            for component in path.iter().skip(1) {
                at.push(component);
                match fs::symlink_metadata(&at) {
                    // A link would lead whoever mounts out of the root.
                    Ok(metadata) if metadata.is_dir() || is_tmp => {}
                    Ok(_) => {
                        let at = at.strip_prefix(root).unwrap_or(&at).display();
                        return Err(io::Error::other(format!(
                            "/{at} is no directory, and has to be one for scripts"
                        )));
                    }
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {
                        fs::create_dir(&at)?;
                        let mode = if is_tmp { 0o1777 } else { 0o755 };
                        fs::set_permissions(&at, fs::Permissions::from_mode(mode))?;
                        made.push(at.clone());
                    }
                    Err(e) => return Err(e),
                }
            }
        }
        let with_time = |path: PathBuf| {
            let metadata = fs::symlink_metadata(&path)?;
            Ok((path, metadata.ctime(), metadata.ctime_nsec()))
        };
        // Those in it change the time of a directory, so it is looked at when all are made.
        Ok(Scaffold(made.into_iter().map(with_time).collect::<io::Result<_>>()?))
    }

    /// Removes what the script has made no use of, and what is recorded of it.
    pub fn lower(self, records: &mut Records) -> io::Result<()> {
        for (path, seconds, nanoseconds) in self.0.iter().rev() {
            let Ok(metadata) = fs::symlink_metadata(path) else { continue };
            // `chmod 1777 /tmp` says that it is wanted; what was removed from it changes it as well.
            let identity = Identity { device: metadata.dev(), inode: metadata.ino() };
            let touched = (metadata.ctime(), metadata.ctime_nsec()) != (*seconds, *nanoseconds)
                || records.get(identity).is_some();
            let kept = touched && path.ends_with("tmp");
            if !kept {
                match fs::remove_dir(path) {
                    Ok(()) => records.forget(identity),
                    Err(e)
                        if e.raw_os_error() != Some(libc::ENOTEMPTY)
                            && e.raw_os_error() != Some(libc::ENOTDIR) =>
                    {
                        return Err(e);
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}
