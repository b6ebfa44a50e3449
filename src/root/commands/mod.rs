//! `extraCommands`, `fakeRootCommands`, `runAsRoot`: scripts that finish a root layer.
//!
//! A process of its own makes the layer (`gantry inside`), because a user namespace is entered by a process as a
//! whole: [`run`] starts it and reads what it has made. Inside, in dockerTools' order:
//!
//! 1. `runAsRoot`, chrooted into the unpacked base image with the contents on top; what it changed is the
//!    layer so far ([`changes`]);
//! 2. `extraCommands`, as an ordinary user, in the layer's directory;
//! 3. `fakeRootCommands`, as root, there, or chrooted into it.
//!
//! Root is the only user of the namespace, so owners and the like are recorded ([`crate::fakeroot`]). What confines
//! scripts is [`crate::sandbox`].

mod changes;
mod disk;
mod inside;
mod work;

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::RootError;
use super::tree::Directory;
use crate::layer::Progress;
use crate::threads::{self, ThreadError};

pub use inside::inside;
pub(super) use work::Work;

/// The one argument of the process that enters namespaces and runs the scripts.
pub const INSIDE: &str = "inside";

/// How often a run is asked whether it is to stop.
const ATTENTION: Duration = Duration::from_millis(100);

/// What is to be done inside.
#[derive(Serialize, Deserialize)]
struct Task {
    /// The root layer's arguments.
    arguments: Value,
    /// The store directory.
    store: PathBuf,
    /// An empty directory to work in.
    work: PathBuf,
    /// Threads that the scripts may use.
    cores: usize,
    /// Seconds since 1970 of everything in the layer.
    mtime: i64,
}

/// What came of it.
#[derive(Serialize, Deserialize)]
enum Outcome {
    /// The layer; its files lie in the directory to work in, or in the store.
    Made(Directory),
    /// Why there is none.
    Failed(String),
}

/// What a run needs to know besides the arguments.
pub(super) struct Surroundings<'s> {
    pub store: &'s Path,
    pub work: &'s Path,
    pub cores: usize,
    pub mtime: i64,
}

/// Makes the root layer that these arguments ask for, with its scripts.
pub(super) fn run(
    arguments: &Value,
    surroundings: &Surroundings,
    progress: &dyn Progress,
) -> Result<Directory, RootError> {
    let task = Task {
        arguments: arguments.clone(),
        store: surroundings.store.to_path_buf(),
        work: surroundings.work.to_path_buf(),
        cores: surroundings.cores,
        mtime: surroundings.mtime,
    };
    let own = Path::new("/proc/self/exe");
    let error = |e| RootError::io(own, e);
    // What is left in a pipe that nobody reads would stop both.
    let outcome = surroundings.work.join("outcome");
    let mut child = Command::new(own)
        .arg(INSIDE)
        .stdin(Stdio::piped())
        .stdout(Stdio::from(fs::File::create_new(&outcome).map_err(|e| RootError::io(&outcome, e))?))
        // A script could read and change the file, or the terminal, that our standard error is.
        .stderr(Stdio::piped())
        .spawn()
        .map_err(error)?;
    let copied = match child.stderr.take().map(copy_to_stderr).transpose() {
        Ok(copied) => copied,
        Err(e) => {
            child.kill().and_then(|()| child.wait()).map_err(error)?;
            return Err(RootError::Commands(e.to_string()));
        }
    };
    // Ended last, when all that could write is gone.
    let copied = || copied.into_iter().for_each(|thread| drop(thread.join()));
    if let Some(mut stdin) = child.stdin.take() {
        let bytes = serde_json::to_vec(&task).map_err(|e| RootError::io(own, e))?;
        stdin.write_all(&bytes).map_err(error)?;
    }
    let pid = Pid::from_child(&child);
    let process = rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(|e| error(e.into()))?;
    let timeout = ATTENTION.try_into().ok();
    // A signal that asks us to stop interrupts this.
    while let Ok(0) | Err(Errno::INTR) =
        rustix::event::poll(&mut [PollFd::new(&process, PollFlags::IN)], timeout.as_ref())
    {
        if progress.cancelled() {
            // Its own child, and all in the namespaces with that, die with it.
            child.kill().map_err(error)?;
            child.wait().map_err(error)?;
            copied();
            return Err(RootError::Interrupted);
        }
    }
    let status = child.wait().map_err(error)?;
    copied();
    if progress.cancelled() {
        return Err(RootError::Interrupted);
    }
    let mut bytes = Vec::new();
    fs::File::open(&outcome)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(|e| RootError::io(&outcome, e))?;
    // It is our own writing, and as deep as the layer is.
    let mut json = serde_json::Deserializer::from_slice(&bytes);
    json.disable_recursion_limit();
    match Outcome::deserialize(&mut json) {
        Ok(Outcome::Made(directory)) => Ok(directory),
        Ok(Outcome::Failed(message)) => Err(RootError::Commands(message)),
        Err(e) if status.success() => {
            Err(RootError::Commands(format!("what the scripts made cannot be read: {e}")))
        }
        Err(_) => {
            Err(RootError::Commands(format!("the process that runs the scripts ended early: {status}")))
        }
    }
}

/// Copies what scripts print to standard error, from a thread.
fn copy_to_stderr(mut from: ChildStderr) -> Result<JoinHandle<()>, ThreadError> {
    threads::start(move || {
        let mut to = io::stderr();
        let mut buffer = [0; 8192];
        // A standard error that is closed or full is not a reason to stop the scripts: the rest is read and lost.
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let _ = to.write_all(&buffer[..count]);
        }
    })
}
