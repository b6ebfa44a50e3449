//! Running one script to its end, and everything that it has left running.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::MemfdFlags;

use super::init::{self, Builder, Sandboxed};
use super::{Refused, mounts, namespaces};
use crate::fakeroot::{self, End, Records, Role};
use crate::kernel::{self, Fork};

/// Bytes that an argument of a program may have with the 0 at its end: `MAX_ARG_STRLEN` of linux/binfmts.h, for pages
/// of 4 KiB. Longer scripts are read from a file.
const LONGEST_ARGUMENT: usize = 32 * 4096;

/// The descriptor that is that file, until the script begins.
const FILE: RawFd = 3;

/// How many programs the kernel follows from one `#!` to the next (`exec_binprm` of fs/exec.c), and one more.
const MOST_INTERPRETERS: usize = 6;

/// Bytes of a `#!` line that the kernel reads (`BINPRM_BUF_SIZE` of linux/binfmts.h).
const LONGEST_LINE: u64 = 256;

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
    #[error("{name}: {what}")]
    Start {
        /// The argument.
        name: &'static str,
        /// Why.
        what: String,
    },
    /// The kernel refuses namespaces.
    #[error(transparent)]
    Refused(#[from] Refused),
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
    /// A user without privileges, who may remove files that have records.
    Ordinary(&'r mut Records),
    /// Root, whose deeds are recorded.
    Root(&'r mut Records),
}

/// What a script sees of the builder's files.
#[derive(Debug)]
pub enum Surroundings<'s> {
    /// The root that is being made, as its root, with the store at its place.
    Chrooted {
        /// The root being made.
        root: &'s Path,
        /// The script's directory for temporary files.
        temporary: &'s Path,
        /// The store directory.
        store: &'s Path,
    },
    /// The builder's programs and the store, read-only; the script starts in the root that is being made.
    Outside {
        /// The root being made.
        root: &'s Path,
        /// An empty directory to mount all that at.
        view: &'s Path,
        /// The script's directory for temporary files.
        temporary: &'s Path,
        /// The store directory.
        store: &'s Path,
        /// The shell, and the packages that the script has on its search path.
        programs: Vec<PathBuf>,
    },
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
    /// The files that it sees.
    pub surroundings: Surroundings<'s>,
}

impl Script<'_> {
    /// Runs it. When it has ended nothing that it started is left.
    pub fn run(&self, user: User) -> Result<(), ScriptError> {
        let system = |what| move |source| ScriptError::System { name: self.name, what, source };
        let (mut builder, sandboxed) = init::connection().map_err(system("socketpair"))?;
        let (mut complaint, complaints) = init::pipe().map_err(system("pipe"))?;
        let first = match init::first_process()? {
            Fork::Child => self.be_first(matches!(user, User::Ordinary(_)), sandboxed, complaints),
            Fork::Parent(first) => first,
        };
        drop((sandboxed, complaints));
        let end = self.watch(user, &mut builder);
        // With it, everything in its namespace ends.
        let _ = kernel::kill(first, libc::SIGKILL); // it may have ended, but is still ours to wait for
        while kernel::wait(None).is_ok() {}
        // Whatever goes wrong before the shell runs is told here; closed without a word, all is well.
        let mut told = String::new();
        complaint.read_to_string(&mut told).map_err(system("pipe"))?;
        if !told.is_empty() {
            return Err(ScriptError::Start { name: self.name, what: told });
        }
        match end? {
            End::Exited(0) => Ok(()),
            End::Exited(status) => Err(ScriptError::Status { name: self.name, status }),
            End::Killed(signal) => Err(ScriptError::Signal { name: self.name, signal }),
        }
    }

    /// Lets the script begin, and waits for its end.
    fn watch(&self, user: User, builder: &mut Builder) -> Result<End, ScriptError> {
        let system = |what| move |source| ScriptError::System { name: self.name, what, source };
        // The first process ended; if it did not say why, it was killed.
        let killed = Ok(End::Killed(libc::SIGKILL));
        let Some(script) = builder.wait_until_ready().map_err(system("recvmsg"))? else { return killed };
        let (role, records) = match user {
            User::Root(records) => (Role::Root, records),
            User::Ordinary(records) if records.is_empty() => {
                builder.start();
                return builder.end().map_err(system("read"))?.map_or(killed, Ok);
            }
            User::Ordinary(records) => (Role::Ordinary, records),
        };
        fakeroot::watch(script, role, records, || builder.start()).map_err(system("ptrace"))
    }

    /// In the first process of the sandbox: makes it, starts the script, and ends with that.
    fn be_first(&self, ordinary: bool, sandboxed: Sandboxed, mut complaints: File) -> ! {
        let ids = if ordinary { namespaces::ORDINARY } else { namespaces::ROOT };
        let confined = mounts::enter(&self.surroundings)
            .map_err(|e| match e.refusal() {
                Some(refusal) => format!("{e}; {}", namespaces::remedy(refusal)),
                None => e.to_string(),
            })
            .and_then(|sysctls| namespaces::confine(&sysctls, ids).map_err(|e| e.to_string()));
        let forked = confined.and_then(|()| kernel::fork().map_err(|e| format!("fork: {e}")));
        let done = match forked {
            Ok(Fork::Child) => self.become_it(sandboxed, complaints),
            Ok(Fork::Parent(script)) => sandboxed.report(script).map_err(|e| format!("waitpid: {e}")),
            Err(e) => Err(e),
        };
        if let Err(e) = &done {
            let _ = complaints.write_all(e.as_bytes()); // its reader is the only one to be told
        }
        std::process::exit(i32::from(done.is_err()))
    }

    /// In the script's process: becomes the shell, or says why not.
    fn become_it(&self, sandboxed: Sandboxed, complaints: File) -> ! {
        // Out of the way of the number that the script's file gets.
        let complaints = rustix::io::fcntl_dupfd_cloexec(&complaints, FILE + 1).map(File::from);
        let Err(error) = self.try_to_become_it(sandboxed);
        if let Ok(mut complaints) = complaints {
            let _ = write!(complaints, "cannot run {}: {error}", self.shell.display()); // as above
        }
        std::process::exit(127)
    }

    fn try_to_become_it(&self, mut sandboxed: Sandboxed) -> io::Result<Infallible> {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        let null = File::open("/dev/null")?;
        rustix::stdio::dup2_stdin(&null)?;
        // Standard output belongs to the builder's caller; what a script prints is for people, as its errors are.
        rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
        if let Surroundings::Outside { .. } = self.surroundings {
            rustix::process::chdir(mounts::LAYER)?;
        }
        self.is_not_the_builder()?;
        // A directory that the caller of the builder has open leads out of any root.
        kernel::keep_standard_streams()?;
        sandboxed.wait_for_tracer()?;
        let mut shell = Command::new(self.shell);
        shell.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        if self.text.len() < LONGEST_ARGUMENT {
            return Err(shell.args(["-e", "-c", self.text, self.name]).exec());
        }
        // The shell has read the file, or has it open once more, when it closes this descriptor. dash takes numbers of
        // one digit.
        let mut file = File::from(rustix::fs::memfd_create("script", MemfdFlags::CLOEXEC)?);
        write!(file, "exec {FILE}<&-; {}", self.text)?;
        kernel::hand_over(&file, FILE)?;
        Err(shell.args(["-e", "-c", &format!(". /dev/fd/{FILE}"), self.name]).exec())
    }

    /// A shell of the image's that is a text (`#!`) could name this process's own program, `/proc/self/exe`: the builder,
    /// outside of the root.
    fn is_not_the_builder(&self) -> io::Result<()> {
        let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let own = identity(std::fs::metadata("/proc/self/exe")?);
        let mut program = self.shell.to_path_buf();
        for _ in 0..MOST_INTERPRETERS {
            let Ok(file) = File::open(&program) else { return Ok(()) }; // exec says why
            if identity(file.metadata()?) == own {
                return Err(io::Error::other(format!("{} is the builder's own program", program.display())));
            }
            let mut line = Vec::new();
            file.take(LONGEST_LINE).read_to_end(&mut line)?;
            let Some(line) = line.strip_prefix(b"#!") else { return Ok(()) };
            let words = line.split(|byte| b" \t\n\0".contains(byte));
            let Some(interpreter) = words.map(OsStr::from_bytes).find(|word| !word.is_empty()) else {
                return Ok(());
            };
            program = interpreter.into();
        }
        Ok(())
    }
}
