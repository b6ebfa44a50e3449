//! Running one script to its end, and everything that it has left running.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{mounts, namespaces};
use crate::root::fakeroot::{self, End, Records, Role};
use crate::root::kernel::{self, Event, Fork, Tid};

/// A script that did not end well.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// It says so itself.
    #[error("{name}: the script ended with exit status {status}; its output is above")]
    Status {
        /// The argument.
        name: &'static str,
        /// What it ended with.
        status: i32,
    },
    /// A signal.
    #[error("{name}: signal {signal} ended the script; its output is above")]
    Signal {
        /// The argument.
        name: &'static str,
        /// Its number.
        signal: i32,
    },
    /// It never began.
    #[error("{name}: cannot run {}: {what}", shell.display())]
    Start {
        /// The argument.
        name: &'static str,
        /// The shell.
        shell: PathBuf,
        /// Why.
        what: String,
    },
    /// The system refused something.
    #[error("{name}: {what}: {source}")]
    System {
        /// The argument.
        name: &'static str,
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// As whom a script runs.
pub enum User<'r> {
    /// Somebody without privileges, who may remove what something is recorded of.
    Ordinary(&'r mut Records),
    /// Root, whose deeds are recorded.
    Root(&'r mut Records),
}

/// A script, and what it is run with.
pub struct Script<'s> {
    /// The argument that it is.
    pub name: &'static str,
    /// Its text.
    pub text: &'s str,
    /// What reads it.
    pub shell: &'s Path,
    /// All of its environment.
    pub environment: Vec<(&'static str, String)>,
    /// The root being made.
    pub root: &'s Path,
    /// The store, if the script is chrooted.
    pub chroot: Option<&'s Path>,
}

impl Script<'_> {
    /// Runs it. When it has ended nothing that it started is left.
    pub fn run(&self, user: User) -> Result<(), ScriptError> {
        let system = |what| move |source| ScriptError::System { name: self.name, what, source };
        let (go, mut go_on) = pipe().map_err(system("pipe"))?;
        let (mut complaint, complaints) = pipe().map_err(system("pipe"))?;
        let child = match kernel::fork().map_err(system("fork"))? {
            Fork::Child => self.become_it(matches!(user, User::Ordinary(_)), go, complaints),
            Fork::Parent(child) => child,
        };
        drop((go, complaints));
        // Whatever goes wrong before the shell runs is told here; closed without a word, all is well.
        let mut told = String::new();
        let mut start = || {
            let _ = go_on.write_all(b"!"); // one that died meanwhile does not read it
        };
        let end = match user {
            User::Root(records) => {
                fakeroot::watch(child, Role::Root, records, start).map_err(system("ptrace"))
            }
            User::Ordinary(records) if records.is_empty() => {
                start();
                wait_for(child).map_err(system("waitpid"))
            }
            User::Ordinary(records) => {
                fakeroot::watch(child, Role::Ordinary, records, start).map_err(system("ptrace"))
            }
        };
        let _ = kernel::kill(-1, libc::SIGKILL); // there may be none
        while kernel::wait(None).is_ok() {}
        complaint.read_to_string(&mut told).map_err(system("pipe"))?;
        if !told.is_empty() {
            return Err(ScriptError::Start { name: self.name, shell: self.shell.into(), what: told });
        }
        match end? {
            End::Exited(0) => Ok(()),
            End::Exited(status) => Err(ScriptError::Status { name: self.name, status }),
            End::Killed(signal) => Err(ScriptError::Signal { name: self.name, signal }),
        }
    }

    /// In the new process: becomes the shell, or says why not.
    fn become_it(&self, ordinary: bool, mut go: File, mut complaints: File) -> ! {
        let error = self.prepare(ordinary).and_then(|()| go.read_exact(&mut [0])).map_or_else(
            |e| e,
            |()| {
                Command::new(self.shell)
                    .args(["-e", "-c", self.text, self.name])
                    .env_clear()
                    .envs(self.environment.iter().map(|(name, value)| (name, value)))
                    .exec()
            },
        );
        let _ = write!(complaints, "{error}"); // its reader is the only one to be told
        std::process::exit(127)
    }

    fn prepare(&self, ordinary: bool) -> io::Result<()> {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        let null = File::open("/dev/null")?;
        rustix::stdio::dup2_stdin(&null)?;
        // Standard output is for whoever started us; a script's is for people, as its errors are.
        rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
        match self.chroot {
            Some(store) => {
                namespaces::own_mounts()?;
                mounts::enter(self.root, store).map_err(io::Error::other)?;
            }
            None => rustix::process::chdir(self.root)?,
        }
        // A directory that whoever started us has open leads out of any root. An old kernel's programs keep it.
        match kernel::keep_standard_streams() {
            Err(e) if !matches!(e.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL)) => return Err(e),
            _ => {}
        }
        match ordinary {
            true => namespaces::become_ordinary(),
            false => Ok(()),
        }
    }
}

/// Waits until `child` has ended; others that end meanwhile are of no interest.
fn wait_for(child: Tid) -> io::Result<End> {
    loop {
        match kernel::wait(None)? {
            (tid, Event::Exited(status)) if tid == child => return Ok(End::Exited(status)),
            (tid, Event::Killed(signal)) if tid == child => return Ok(End::Killed(signal)),
            _ => {}
        }
    }
}

/// A pipe's two ends, neither of which a program gets.
fn pipe() -> io::Result<(File, File)> {
    let (from, to) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    Ok((from.into(), to.into()))
}
