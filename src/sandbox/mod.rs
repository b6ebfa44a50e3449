//! The sandbox that the scripts of a root layer run in.
//!
//! A script's text and the programs of its base image are not trusted with this machine, also when root starts the builder:
//!
//! * [`Script::run`] starts a process that is the init of a PID namespace of its own ([`init`]). Its root, and that of
//!   everything below it, is what [`mounts`] puts together; the former root is unmounted before a program of the image
//!   can run. The builder's process, which traces the script, stays outside this PID namespace, so that no number and
//!   no path leads to it.
//! * Two user namespaces, one in the other ([`namespaces`]): the mounts belong to the outer one, and the script has
//!   rights in the inner one alone, so the kernel refuses to change or remove a mount.
//! * In the inner one, root has the capabilities that containers have by default, and cannot make namespaces.
//! * [`proc`] makes read-only or hides what the kernel grants to the number of a machine's root, which no namespace
//!   takes away.
//! * [`filter`] refuses the system calls that no namespace confines, and those that the tracer would not see.
//!
//! This room knows nothing of layers; it returns errors of its own.

mod filter;
mod init;
mod mounts;
mod namespaces;
mod proc;
mod scaffold;
mod script;

pub use namespaces::{Refused, enter};
pub use scaffold::Scaffold;
pub use script::{Script, ScriptError, Surroundings, User};

use std::io;

use crate::kernel::{self, Event, Fork};

/// The one argument of a process that only tries whether there are namespaces.
pub const NAMESPACES: &str = "try-namespaces";

/// Enters the namespaces that scripts run in. If the kernel refuses: the call, and what to change.
pub fn try_namespaces() -> Result<(), (String, String)> {
    let told = |refused: Refused| (refused.cause(), refused.remedy());
    let remedy = || namespaces::remedy(&io::Error::from_raw_os_error(libc::EPERM));
    enter().map_err(told)?;
    let (from, mut to) = init::pipe().map_err(|e| told(Refused::new("pipe", e)))?;
    match init::first_process().map_err(told)? {
        Fork::Child => {
            let tried = mounts::own_proc().map_err(|e| e.to_string());
            let tried = tried.and_then(|proc| {
                namespaces::confine(&proc, namespaces::ROOT).map_err(|refused| refused.cause())
            });
            let cause = tried.err().unwrap_or_default();
            let _ = io::Write::write_all(&mut to, cause.as_bytes()); // the reader is the only one to be told
            std::process::exit(0)
        }
        Fork::Parent(child) => {
            drop(to);
            let cause = io::read_to_string(from).map_err(|e| told(Refused::new("pipe", e)))?;
            match kernel::wait(Some(child)) {
                Ok((_, Event::Exited(0))) if cause.is_empty() => Ok(()),
                Ok((_, Event::Exited(0))) => Err((cause, remedy())),
                Ok((_, event)) => Err((format!("{event:?}"), remedy())),
                Err(e) => Err(told(Refused::new("waitpid", e))),
            }
        }
    }
}
