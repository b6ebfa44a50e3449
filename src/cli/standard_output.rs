//! Standard output, where commands print a text or send a tar.
//!
//! One rule for every command: a reader that closes the pipe has seen enough of a text (`gantry inspect IMAGE | head -1`),
//! which is not a failure, and has too little of a tar, which is one. A standard output that was closed before the command
//! began is a failure in both cases, because the user asked for what would be lost.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::Path;

use super::Failure;

/// What messages call it.
const NAME: &str = "standard output";

/// Standard output, as it was when the process began.
#[derive(Debug, Clone, Copy)]
pub struct StandardOutput {
    is_open: bool,
}

impl StandardOutput {
    /// `is_open`: what the kernel said before the standard library opened `/dev/null` in place of what was closed.
    pub fn new(is_open: bool) -> StandardOutput {
        StandardOutput { is_open }
    }

    /// Prints a text.
    pub fn print(self, text: &str) -> Result<(), Failure> {
        match self.file()?.write_all(text.as_bytes()) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(|e| Failure::Message(format!("cannot write {NAME}: {e}"))),
        }
    }

    /// Where to send a tar; never a terminal.
    pub fn for_a_tar(self, advice: &str) -> Result<File, Failure> {
        match io::stdout().is_terminal() {
            true => Err(Failure::Message(format!("{NAME} is a terminal; {advice}"))),
            false => self.file(),
        }
    }

    /// What messages call it.
    pub fn name(self) -> &'static Path {
        Path::new(NAME)
    }

    fn file(self) -> Result<File, Failure> {
        match self.is_open {
            true => Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?)),
            false => Err(Failure::Message(format!("{NAME} is closed; send it to a file or to a program"))),
        }
    }
}
