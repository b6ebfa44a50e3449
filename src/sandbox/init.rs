//! The first process of a script's PID namespace: it makes the sandbox, starts the script in it, and ends with it.
//!
//! It is a fork of the builder. The script can neither trace it nor follow its links in `/proc`, because its memory
//! belongs to the builder's user namespace and is not dumpable; and the kernel drops signals that come from inside.
//! When it ends, the kernel kills everything that is left in its namespace.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use rustix::net::sockopt::set_socket_passcred;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType, recvmsg,
    socketpair,
};
use rustix::thread::UnshareFlags;

use super::namespaces::{self, Refused};
use crate::fakeroot::End;
use crate::kernel::{self, Event, Fork, Tid};

/// What the script's process sends when it waits for its tracer.
const READY: u8 = b'!';

/// Starts a process that is the first of a PID namespace, with a mount namespace of its own.
pub fn first_process() -> Result<Fork, Refused> {
    kernel::fork_into(UnshareFlags::NEWPID | UnshareFlags::NEWNS)
        .map_err(|e| Refused::new("clone(CLONE_NEWPID, CLONE_NEWNS)", e))
}

/// The builder's end of the connection to a script's processes.
pub struct Builder(File);

/// The other end, of the first process and the script's.
pub struct Sandboxed(File);

/// A connection between the builder and a script's processes; the program that the script becomes does not get it.
pub fn connection() -> io::Result<(Builder, Sandboxed)> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // The kernel tells the number that a sender has in the receiver's PID namespace.
    set_socket_passcred(&ours, true)?;
    Ok((Builder(ours.into()), Sandboxed(theirs.into())))
}

impl Builder {
    /// Waits until the script's process can be traced; its number, unless it never got there.
    pub fn wait_until_ready(&self) -> io::Result<Option<Tid>> {
        let mut byte = [0];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::io::retry_on_intr(|| {
            recvmsg(self.0.as_fd(), &mut [io::IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::empty())
        })?;
        let sender = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmCredentials(sender) => Some(sender.pid.as_raw_nonzero().get()),
            _ => None,
        });
        Ok(sender.filter(|_| received.bytes == 1 && byte == [READY]))
    }

    /// Lets the script's process become the script.
    pub fn start(&mut self) {
        let _ = self.0.write_all(&[READY]); // one that died meanwhile does not read it
    }

    /// How the script ended, as the first process says; nothing if that was killed.
    pub fn end(&mut self) -> io::Result<Option<End>> {
        let mut told = Vec::new();
        self.0.read_to_end(&mut told)?;
        Ok(serde_json::from_slice(&told).ok())
    }
}

impl Sandboxed {
    /// Waits, in the script's process, until the tracer is there.
    pub fn wait_for_tracer(&mut self) -> io::Result<()> {
        // The builder has no rights over memory that is not dumpable and belongs to its parent's user namespace.
        namespaces::dumpable(true)?;
        self.0.write_all(&[READY])?;
        self.0.read_exact(&mut [0])
    }

    /// In the first process: waits until the script has ended, and tells the builder how.
    pub fn report(mut self, script: Tid) -> io::Result<()> {
        let end = loop {
            match kernel::wait(None)? {
                (tid, Event::Exited(status)) if tid == script => break End::Exited(status),
                (tid, Event::Killed(signal)) if tid == script => break End::Killed(signal),
                _ => {}
            }
        };
        self.0.write_all(&serde_json::to_vec(&end)?)
    }
}

/// A pipe's two ends, neither of which a program gets.
pub fn pipe() -> io::Result<(File, File)> {
    let (from, to) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    Ok((from.into(), to.into()))
}
