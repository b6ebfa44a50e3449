//! The files that a script sees, and the mounts that they are made of.
//!
//! Everything is mounted in the mount namespace of the script's first process, before any program of the script runs;
//! `pivot_root` then makes it the root, and the former root is unmounted.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use super::proc;
use super::script::Surroundings;

/// Devices of every container (OCI runtime-spec, config-linux.md, "Default Devices"), bound from outside. The other one,
/// `ptmx`, belongs to a file system of its own.
const DEVICES: [&str; 6] = ["full", "null", "random", "tty", "urandom", "zero"];

/// Links of every container's `/dev` (runtime-spec, runtime-linux.md, "Dev symbolic links").
const LINKS: [(&str, &str); 5] = [
    ("ptmx", "pts/ptmx"),
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// Directories of the builder's root that an unchrooted script sees: programs, libraries and their settings.
/// The others hold the state of a machine, and its sockets, which a read-only mount does not protect.
const SYSTEM: [&str; 8] = ["bin", "etc", "lib", "lib32", "lib64", "libx32", "sbin", "usr"];

/// Where a script that is not chrooted finds the root that is being made.
pub const LAYER: &str = "/layer";

/// Where it has its temporary files.
const TEMPORARY: &str = "/tmp";

/// Where a chrooted script has them: its `/tmp` is the image's.
const TEMPORARY_OF_CHROOTED: &str = "/dev/tmp";

/// No set-user-ID programs and no devices.
const PLAIN: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// Something that could not be mounted.
#[derive(Debug, thiserror::Error)]
#[error("cannot mount {}: {source}", path.display())]
pub struct MountError {
    path: PathBuf,
    source: io::Error,
}

impl MountError {
    /// Whether it is forbidden.
    pub fn refusal(&self) -> Option<&io::Error> {
        Some(&self.source).filter(|source| source.kind() == io::ErrorKind::PermissionDenied)
    }

    /// The same of a path in what becomes the root.
    fn within(self, top: &Path) -> MountError {
        let path = self.path.strip_prefix(top).map_or(self.path.clone(), |path| Path::new("/").join(path));
        MountError { path, ..self }
    }
}

pub(super) fn failed(path: &Path) -> impl Fn(io::Error) -> MountError + '_ {
    |source| MountError { path: path.to_path_buf(), source }
}

impl Surroundings<'_> {
    /// The script's directory for temporary files, as the script sees it.
    pub fn temporary(&self) -> &'static str {
        match self {
            Surroundings::Chrooted { .. } => TEMPORARY_OF_CHROOTED,
            Surroundings::Outside { .. } => TEMPORARY,
        }
    }
}

/// Makes what the script is to see the root of this process, in its own namespace of mounts. `/proc/sys`, as it was
/// before it was made read-only, is returned.
pub fn enter(surroundings: &Surroundings) -> Result<OwnedFd, MountError> {
    let top = match surroundings {
        Surroundings::Chrooted { root, .. } => root,
        Surroundings::Outside { view, .. } => view,
    };
    mount_all(surroundings, top).map_err(|e| e.within(top))
}

fn mount_all(surroundings: &Surroundings, top: &Path) -> Result<OwnedFd, MountError> {
    private()?;
    match surroundings {
        Surroundings::Chrooted { root, store, .. } => {
            // The root has to be a mount to be pivoted to.
            bind(root, root)?;
            restrict(root, PLAIN, &[])?;
            let own_store = below(root, store);
            bind(store, &own_store)?;
            restrict(&own_store, PLAIN | MountFlags::RDONLY, &[])?;
        }
        Surroundings::Outside { root, view, temporary, store, programs } => {
            system(view, root, temporary, store, programs)?;
        }
    }
    let dev = top.join("dev");
    devices(&dev)?;
    if let Surroundings::Chrooted { root, temporary, .. } = surroundings {
        let at = below(root, Path::new(TEMPORARY_OF_CHROOTED));
        bind_at(temporary, &at)?;
        restrict(&at, PLAIN, &[])?;
    }
    let sysctls = mount_proc(&top.join("proc"), &dev.join("null"))?;
    let pivot = || -> io::Result<()> {
        rustix::process::chdir(top)?;
        // The old root lies on top of the new one, and is taken away (pivot_root(2), "pivot_root(".", ".")").
        rustix::process::pivot_root(".", ".")?;
        rustix::mount::unmount(".", UnmountFlags::DETACH)?;
        Ok(rustix::process::chdir("/")?)
    };
    pivot().map_err(failed(top))?;
    Ok(sysctls)
}

/// A `/proc` of this namespace's processes, in place of the one that there is. `/proc/sys`, as it was before it was
/// made read-only, is returned.
pub fn own_proc() -> Result<OwnedFd, MountError> {
    private()?;
    mount_proc(Path::new("/proc"), Path::new("/dev/null"))
}

/// Nothing that is mounted from here on shows outside.
fn private() -> Result<(), MountError> {
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(|e| failed(Path::new("/"))(e.into()))
}

fn mount_proc(proc: &Path, null: &Path) -> Result<OwnedFd, MountError> {
    rustix::mount::mount("proc", proc, "proc", PLAIN | MountFlags::NOEXEC, None)
        .map_err(|e| failed(proc)(e.into()))?;
    let sysctls = proc.join("sys");
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = rustix::fs::open(&sysctls, flags, Mode::empty()).map_err(|e| failed(&sysctls)(e.into()))?;
    proc::protect(proc, null)?;
    Ok(open)
}

/// Mounts at `view` the builder's programs and the store, read-only, and the root that is being made and a temporary
/// directory.
fn system(
    view: &Path,
    root: &Path,
    temporary: &Path,
    store: &Path,
    programs: &[PathBuf],
) -> Result<(), MountError> {
    tmpfs("view", view, c"mode=0755,size=1m")?;
    // A directory that is bound below may be above this one.
    rustix::mount::mount_change(view, MountPropagationFlags::UNBINDABLE)
        .map_err(|e| failed(view)(e.into()))?;
    for name in ["proc", "dev"] {
        let at = view.join(name);
        fs::create_dir(&at).map_err(failed(&at))?;
    }
    // The store and programs may be below a temporary directory of the machine, so this comes first.
    let writable = [(root, below(view, Path::new(LAYER))), (temporary, below(view, Path::new(TEMPORARY)))];
    for (from, to) in &writable {
        bind_at(from, to)?;
        restrict(to, PLAIN, &[])?;
    }
    for name in SYSTEM {
        let (from, to) = (Path::new("/").join(name), view.join(name));
        match fs::symlink_metadata(&from) {
            Ok(metadata) if metadata.is_symlink() => {
                let target = fs::read_link(&from).map_err(failed(&from))?;
                match target.is_relative() {
                    true => symlink(target, &to).map_err(failed(&to))?,
                    // It would lead to where the view has nothing.
                    false => bind_at(&fs::canonicalize(&from).map_err(failed(&from))?, &to)?,
                }
            }
            Ok(metadata) if metadata.is_dir() => bind_at(&from, &to)?,
            _ => {}
        }
    }
    bind_at(store, &below(view, store))?;
    for path in programs {
        let of_system = path.iter().nth(1).is_some_and(|first| SYSTEM.iter().any(|name| first == *name));
        // A search path may name what is not there.
        if !path.starts_with(store) && !of_system && path.exists() {
            bind_at(path, &below(view, path))?;
        }
    }
    let writable = writable.map(|(_, to)| to);
    restrict(view, PLAIN | MountFlags::RDONLY, &writable)
}

/// Mounts the devices of every container at `dev`.
fn devices(dev: &Path) -> Result<(), MountError> {
    rustix::mount::mount("dev", dev, "tmpfs", MountFlags::NOSUID, Some(c"mode=0755,size=64k"))
        .map_err(|e| failed(dev)(e.into()))?;
    for name in DEVICES {
        let (from, to) = (Path::new("/dev").join(name), dev.join(name));
        // A sandbox has no terminal at times.
        if from.exists() {
            fs::write(&to, "").map_err(failed(&to))?;
            bind(&from, &to)?;
            // Devices take what is written to them, but their modes and times are the machine's.
            restrict(&to, MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NOEXEC, &[])?;
        }
    }
    for (name, target) in LINKS {
        symlink(target, dev.join(name)).map_err(failed(dev))?;
    }
    let (pts, shm) = (dev.join("pts"), dev.join("shm"));
    for at in [&pts, &shm] {
        fs::create_dir(at).map_err(failed(at))?;
    }
    let terminals = Some(c"newinstance,ptmxmode=0666,mode=0620");
    rustix::mount::mount("pts", &pts, "devpts", MountFlags::NOSUID | MountFlags::NOEXEC, terminals)
        .map_err(|e| failed(&pts)(e.into()))?;
    tmpfs("shm", &shm, c"mode=1777")
}

fn tmpfs(name: &str, at: &Path, options: &std::ffi::CStr) -> Result<(), MountError> {
    rustix::mount::mount(name, at, "tmpfs", PLAIN, Some(options)).map_err(|e| failed(at)(e.into()))
}

/// `path` in `root`.
fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Binds a directory or a file to a name that may not exist yet.
fn bind_at(from: &Path, to: &Path) -> Result<(), MountError> {
    let directory = fs::metadata(from).map_err(failed(from))?.is_dir();
    match directory {
        true => fs::create_dir_all(to).map_err(failed(to))?,
        false => {
            fs::create_dir_all(to.parent().unwrap_or(to)).map_err(failed(to))?;
            fs::write(to, "").map_err(failed(to))?;
        }
    }
    bind(from, to)
}

/// Mounts `from`, with all that is mounted below it, at `to`.
pub(super) fn bind(from: &Path, to: &Path) -> Result<(), MountError> {
    rustix::mount::mount_bind_recursive(from, to).map_err(|e| failed(to)(e.into()))
}

/// Adds flags to everything that is mounted at and below `path`, but for some mounts.
pub(super) fn restrict(path: &Path, restriction: MountFlags, but: &[PathBuf]) -> Result<(), MountError> {
    // mount_setattr(2) would do it at once, from Linux 5.12 on; remounting must keep the flags that another
    // namespace has set.
    let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(failed(path))?;
    let mut found = false;
    for line in mounts.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let (Some(point), Some(options)) = (fields.get(4), fields.get(5)) else { continue };
        let point = PathBuf::from(unescape(point));
        if !point.starts_with(path) || but.contains(&point) {
            continue;
        }
        found = true;
        let mut flags = MountFlags::BIND | restriction;
        for option in options.split(',') {
            flags |= match option {
                "ro" => MountFlags::RDONLY,
                "nosuid" => MountFlags::NOSUID,
                "nodev" => MountFlags::NODEV,
                "noexec" => MountFlags::NOEXEC,
                "noatime" => MountFlags::NOATIME,
                "nodiratime" => MountFlags::NODIRATIME,
                "relatime" => MountFlags::RELATIME,
                _ => MountFlags::empty(),
            };
        }
        match rustix::mount::mount_remount(&point, flags, c"") {
            Ok(()) => {}
            // Neither can the script get to a mount that this user may not reach, or that another one covers.
            Err(rustix::io::Errno::ACCESS | rustix::io::Errno::NOENT) => {}
            Err(rustix::io::Errno::INVAL) if point != path => {}
            Err(e) => return Err(failed(&point)(e.into())),
        }
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
