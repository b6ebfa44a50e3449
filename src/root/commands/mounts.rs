//! What a chrooted script sees: the root being made, and on top of it `/proc`, `/dev`, `/tmp` and the store.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::root::fakeroot::{Identity, Records};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

/// Devices of every container (OCI runtime-spec, config-linux.md, "Default Devices"), bound from outside.
const DEVICES: [&str; 6] = ["full", "null", "random", "tty", "urandom", "zero"];

/// Links of every container's `/dev` (runtime-spec, runtime-linux.md, "Dev symbolic links").
const LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// Something that could not be mounted.
#[derive(Debug, thiserror::Error)]
#[error("cannot mount {}: {source}", path.display())]
pub struct MountError {
    path: PathBuf,
    source: io::Error,
}

fn failed(path: &Path) -> impl Fn(io::Error) -> MountError + '_ {
    |source| MountError { path: path.to_path_buf(), source }
}

/// A `/proc` of this namespace's processes, in place of the one that there is; and nothing that is mounted
/// from here on shows outside.
pub fn own_proc() -> Result<(), MountError> {
    let proc = Path::new("/proc");
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(|e| failed(Path::new("/"))(e.into()))?;
    rustix::mount::mount(
        "proc",
        proc,
        "proc",
        MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::NODEV,
        None,
    )
    .map_err(|e| failed(proc)(e.into()))
}

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

/// Makes `root`, with what belongs in it, the root of this process, in its own namespace of mounts.
pub fn enter(root: &Path, store: &Path) -> Result<(), MountError> {
    let bind = |from: &Path, to: &Path| {
        rustix::mount::mount_bind_recursive(from, to).map_err(|e| failed(to)(e.into()))
    };
    let inside = |path: &str| root.join(path);
    // The root has to be a mount to be pivoted to.
    bind(root, root)?;
    bind(Path::new("/proc"), &inside("proc"))?;
    let own_store = root.join(store.strip_prefix("/").unwrap_or(store));
    bind(store, &own_store)?;
    read_only(&own_store)?;

    let dev = inside("dev");
    rustix::mount::mount("dev", &dev, "tmpfs", MountFlags::NOSUID, Some(c"mode=0755,size=64k"))
        .map_err(|e| failed(&dev)(e.into()))?;
    for name in DEVICES {
        let (from, to) = (Path::new("/dev").join(name), dev.join(name));
        // A sandbox has no terminal at times.
        if from.exists() {
            fs::write(&to, "").map_err(failed(&to))?;
            bind(&from, &to)?;
        }
    }
    for (name, target) in LINKS {
        symlink(target, dev.join(name)).map_err(failed(&dev))?;
    }
    let shm = dev.join("shm");
    fs::create_dir(&shm).map_err(failed(&shm))?;
    rustix::mount::mount("shm", &shm, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(c"mode=1777"))
        .map_err(|e| failed(&shm)(e.into()))?;

    let pivot = || -> io::Result<()> {
        rustix::process::chdir(root)?;
        // The old root lies on top of the new one, and is taken away (pivot_root(2), "pivot_root(".", ".")").
        rustix::process::pivot_root(".", ".")?;
        rustix::mount::unmount(".", UnmountFlags::DETACH)?;
        Ok(rustix::process::chdir("/")?)
    };
    pivot().map_err(failed(root))
}

/// Makes everything that is mounted at and below `path` read-only.
fn read_only(path: &Path) -> Result<(), MountError> {
    // mount_setattr(2) would do it at once, from Linux 5.12 on; remounting must keep the flags that another
    // namespace has set.
    let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(failed(path))?;
    let mut found = false;
    for line in mounts.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let (Some(point), Some(options)) = (fields.get(4), fields.get(5)) else { continue };
        let point = PathBuf::from(unescape(point));
        if !point.starts_with(path) {
            continue;
        }
        found = true;
        let mut flags = MountFlags::BIND | MountFlags::RDONLY;
        for option in options.split(',') {
            flags |= match option {
                "nosuid" => MountFlags::NOSUID,
                "nodev" => MountFlags::NODEV,
                "noexec" => MountFlags::NOEXEC,
                "noatime" => MountFlags::NOATIME,
                "nodiratime" => MountFlags::NODIRATIME,
                "relatime" => MountFlags::RELATIME,
                _ => MountFlags::empty(),
            };
        }
        rustix::mount::mount_remount(&point, flags, c"").map_err(|e| failed(&point)(e.into()))?;
    }
    match found {
        true => Ok(()),
        false => Err(failed(path)(io::Error::other("it is not among the mounts, so it stays writable"))),
    }
}

/// A path of mountinfo, where blanks and the like are written in octal (proc(5)).
fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let code = tail.get(..3).and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 8).ok());
        match code {
            Some(code) if byte == b'\\' => {
                bytes.push(code);
                rest = &tail[3..];
            }
            _ => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
