//! What the kernel gives that neither the standard library nor rustix does without `unsafe`: fork, ptrace,
//! another process's memory, the loopback interface, a filter of system calls. The only unsafe code besides the bridge to Nix.
//!
//! Everything here is a thin, safe function over one system call (ptrace(2), process_vm_readv(2), fork(2),
//! netdevice(7)); what it is for stands with its callers.
#![allow(unsafe_code)]

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::ptr;

use rustix::thread::UnshareFlags;

/// A thread, by its number.
pub type Tid = i32;

/// A thread's registers, as `NT_PRSTATUS` gives them.
pub type Registers = libc::user_regs_struct;

/// What fork returns.
pub enum Fork {
    /// In the new process.
    Child,
    /// In the old one: the new one's number.
    Parent(Tid),
}

/// Starts a new process that goes on from here. Refused where there are several threads: the new process
/// would have one of them, and all their locks.
pub fn fork() -> io::Result<Fork> {
    one_thread()?;
    // SAFETY: this is the only thread, so the child is as whole as the parent.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        child => Ok(Fork::Parent(child)),
    }
}

fn one_thread() -> io::Result<()> {
    match std::fs::read_dir("/proc/self/task")?.count() {
        1 => Ok(()),
        _ => Err(io::Error::other("fork among several threads")),
    }
}

/// Starts a new process, as [`fork`] does, in new namespaces.
pub fn fork_into(namespaces: UnshareFlags) -> io::Result<Fork> {
    one_thread()?;
    let flags = libc::c_long::from(namespaces.bits() as libc::c_int | libc::SIGCHLD);
    // SAFETY: this is the only thread, so the child is as whole as the parent; without a stack of its own, the child
    // goes on with a copy of this one (clone(2)).
    match check(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) })? {
        0 => Ok(Fork::Child),
        child => Ok(Fork::Parent(child as Tid)),
    }
}

/// Closes everything that is open here but standard input, output and error in the program that this process
/// becomes.
pub fn keep_standard_streams() -> io::Result<()> {
    // close_range(2) does it at once, from Linux 5.11 on.
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let descriptor = entry?.file_name().to_str().and_then(|name| name.parse::<libc::c_int>().ok());
        let Some(descriptor) = descriptor.filter(|descriptor| *descriptor > 2) else { continue };
        // SAFETY: nothing is closed before exec.
        match check(unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) }.into()) {
            Err(e) if e.raw_os_error() != Some(libc::EBADF) => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

/// Gives an open file this number in the program that this process becomes, in the place of what has it now: nothing
/// here may use that any more.
pub fn hand_over(file: &impl AsFd, number: RawFd) -> io::Result<()> {
    let own = file.as_fd().as_raw_fd();
    // With its own number, dup3 would leave it as it is: closed in the program.
    let result = match own == number {
        // SAFETY: flags of a descriptor that is open.
        true => unsafe { libc::fcntl(own, libc::F_SETFD, 0) },
        // SAFETY: the caller gives up what has this number.
        false => unsafe { libc::dup3(own, number, 0) },
    };
    check(result.into()).map(drop)
}

/// Filters the system calls of this process and all that it starts, with a program for seccomp(2).
pub fn set_filter(program: &[libc::sock_filter]) -> io::Result<()> {
    let length = program.len().try_into().map_err(io::Error::other)?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel reads the program, of this length, and checks it.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    check(result).map(drop)
}

/// What happened to a child or to a thread that is traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It ended with this status.
    Exited(i32),
    /// This signal ended it.
    Killed(i32),
    /// It is at the beginning or the end of a system call.
    Syscall,
    /// It is about to get this signal.
    Signal(i32),
    /// Something else that stops a traced thread: a `PTRACE_EVENT_...`.
    Other(i32),
}

/// Waits for a child or traced thread; any of them, unless one is named.
pub fn wait(tid: Option<Tid>) -> io::Result<(Tid, Event)> {
    let mut status = 0;
    let tid = loop {
        // SAFETY: status is a place for an int.
        match unsafe { libc::waitpid(tid.unwrap_or(-1), &mut status, libc::__WALL) } {
            -1 => match io::Error::last_os_error() {
                e if e.kind() == io::ErrorKind::Interrupted => continue,
                e => return Err(e),
            },
            tid => break tid,
        }
    };
    let event = if libc::WIFEXITED(status) {
        Event::Exited(libc::WEXITSTATUS(status))
    } else if libc::WIFSIGNALED(status) {
        Event::Killed(libc::WTERMSIG(status))
    } else {
        match (libc::WSTOPSIG(status), status >> 16) {
            (signal, 0) if signal == libc::SIGTRAP | 0x80 => Event::Syscall,
            (signal, 0) => Event::Signal(signal),
            (_, event) => Event::Other(event),
        }
    };
    Ok((tid, event))
}

/// Sends a signal to a process; -1 means all that there are but this one.
pub fn kill(process: Tid, signal: i32) -> io::Result<()> {
    // SAFETY: kill takes numbers.
    check(unsafe { libc::kill(process, signal) }.into()).map(drop)
}

/// Sends a signal to one thread of this namespace.
pub fn signal_thread(tid: Tid, signal: i32) -> io::Result<()> {
    // SAFETY: tkill takes numbers.
    check(unsafe { libc::syscall(libc::SYS_tkill, tid, signal) }).map(drop)
}

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    }
}

/// Begins to trace a thread and all that it starts; they die with the tracer.
pub fn seize(tid: Tid) -> io::Result<()> {
    let options = libc::PTRACE_O_TRACESYSGOOD
        | libc::PTRACE_O_TRACEFORK
        | libc::PTRACE_O_TRACEVFORK
        | libc::PTRACE_O_TRACECLONE
        | libc::PTRACE_O_TRACEEXEC
        | libc::PTRACE_O_EXITKILL;
    // SAFETY: PTRACE_SEIZE takes no address, and options as data.
    check(unsafe { libc::ptrace(libc::PTRACE_SEIZE, tid, 0usize, options as usize) }).map(drop)
}

/// Stops a traced thread.
pub fn interrupt(tid: Tid) -> io::Result<()> {
    // SAFETY: PTRACE_INTERRUPT takes neither address nor data.
    check(unsafe { libc::ptrace(libc::PTRACE_INTERRUPT, tid, 0usize, 0usize) }).map(drop)
}

/// Lets a stopped thread run to the next beginning or end of a system call; `signal` is delivered first.
pub fn resume(tid: Tid, signal: i32) -> io::Result<()> {
    // SAFETY: PTRACE_SYSCALL takes a signal as data.
    check(unsafe { libc::ptrace(libc::PTRACE_SYSCALL, tid, 0usize, signal as usize) }).map(drop)
}

/// What a `PTRACE_EVENT_...` has to say: the new thread's number, for one.
pub fn event_message(tid: Tid) -> io::Result<u64> {
    let mut message: libc::c_ulong = 0;
    // SAFETY: the kernel writes one unsigned long to where data points.
    check(unsafe { libc::ptrace(libc::PTRACE_GETEVENTMSG, tid, 0usize, &raw mut message) })?;
    Ok(message)
}

/// Where in a system call a thread stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// At its beginning: the architecture (an `AUDIT_ARCH_...`).
    Entry(u32),
    /// At its end.
    Exit,
    /// Elsewhere.
    Elsewhere,
}

/// Where a stopped thread stands (`PTRACE_GET_SYSCALL_INFO`, Linux 5.3).
pub fn syscall_stop(tid: Tid) -> io::Result<Stop> {
    let mut info = MaybeUninit::<libc::ptrace_syscall_info>::zeroed();
    let size = size_of::<libc::ptrace_syscall_info>();
    // SAFETY: the kernel writes at most `size` bytes to where data points.
    check(unsafe { libc::ptrace(libc::PTRACE_GET_SYSCALL_INFO, tid, size, info.as_mut_ptr()) })?;
    // SAFETY: all of it is zeros or the kernel's, and it consists of numbers.
    let info = unsafe { info.assume_init() };
    Ok(match info.op {
        libc::PTRACE_SYSCALL_INFO_ENTRY => Stop::Entry(info.arch),
        libc::PTRACE_SYSCALL_INFO_EXIT => Stop::Exit,
        _ => Stop::Elsewhere,
    })
}

/// A stopped thread's registers.
pub fn registers(tid: Tid) -> io::Result<Registers> {
    let mut registers = MaybeUninit::<Registers>::zeroed();
    register_set(libc::PTRACE_GETREGSET, tid, libc::NT_PRSTATUS, registers.as_mut_ptr())?;
    // SAFETY: all of it is zeros or the kernel's, and it consists of numbers.
    Ok(unsafe { registers.assume_init() })
}

/// Sets a stopped thread's registers.
pub fn set_registers(tid: Tid, mut registers: Registers) -> io::Result<()> {
    register_set(libc::PTRACE_SETREGSET, tid, libc::NT_PRSTATUS, &raw mut registers)
}

/// Sets the system call that a thread at the beginning of one is about to make; on this architecture the
/// registers do not say it.
#[cfg(target_arch = "aarch64")]
pub fn set_syscall_number(tid: Tid, number: i64) -> io::Result<()> {
    /// `NT_ARM_SYSTEM_CALL` of linux/elf.h.
    const NT_ARM_SYSTEM_CALL: i32 = 0x404;
    let mut number = number as i32;
    register_set(libc::PTRACE_SETREGSET, tid, NT_ARM_SYSTEM_CALL, &raw mut number)
}

fn register_set<T>(request: libc::c_uint, tid: Tid, set: i32, place: *mut T) -> io::Result<()> {
    let mut vector = libc::iovec { iov_base: place.cast(), iov_len: size_of::<T>() };
    // SAFETY: the kernel reads or writes at most iov_len bytes at iov_base, which is a T of the caller's.
    check(unsafe { libc::ptrace(request, tid, set as usize, &raw mut vector) }).map(drop)
}

/// Reads another thread's memory; fewer bytes where it ends.
pub fn read_memory(tid: Tid, address: u64, into: &mut [u8]) -> io::Result<usize> {
    let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let remote = libc::iovec { iov_base: ptr::without_provenance_mut(address as usize), iov_len: into.len() };
    // SAFETY: the kernel writes at most iov_len bytes to the local buffer, and checks the remote address.
    let count = unsafe { libc::process_vm_readv(tid, &local, 1, &remote, 1, 0) };
    check(count as libc::c_long).map(|count| count as usize)
}

/// Writes all of `bytes` to another thread's memory.
pub fn write_memory(tid: Tid, address: u64, bytes: &[u8]) -> io::Result<()> {
    let local = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let remote =
        libc::iovec { iov_base: ptr::without_provenance_mut(address as usize), iov_len: bytes.len() };
    // SAFETY: the kernel reads the local buffer only, and checks the remote address.
    let count = unsafe { libc::process_vm_writev(tid, &local, 1, &remote, 1, 0) };
    match check(count as libc::c_long)? as usize {
        count if count == bytes.len() => Ok(()),
        _ => Err(io::Error::from_raw_os_error(libc::EFAULT)),
    }
}

/// Brings up the interface `lo` of this network namespace.
pub fn loopback_up() -> io::Result<()> {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)?;
    // SAFETY: an ifreq is numbers, for which zeros are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (slot, byte) in request.ifr_name.iter_mut().zip(b"lo") {
        *slot = *byte as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&socket);
    // SAFETY: SIOCSIFFLAGS reads an ifreq.
    check(unsafe { libc::ioctl(descriptor, libc::SIOCSIFFLAGS, &raw const request) }.into()).map(drop)
}
