//! The loop that watches a program and all that it starts, one system call after the other.
//!
//! ptrace and not a seccomp filter, because Nix runs builds under a filter of its own that refuses
//! set-user-ID bits and extended attributes, and a refusal by one filter is final: only a tracer sees the
//! call before it (seccomp(2), "ptrace(2) ... before").

use std::collections::HashMap;
use std::io;

use super::calls::{self, Deed, Known, One, Plan, Which, Whose};
use super::deeds;
use super::identities::{Numbers, Request};
use super::machine::{self, Call};
use super::records::{Identity, Record, Records};
use super::status::FileStatus;
use crate::kernel::{self, Event, Registers, Stop, Tid};

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum End {
    /// With this status.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

/// Whose deeds a program's are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Root's: they are recorded.
    Root,
    /// Somebody's without privileges: what is recorded of files goes with them when they are removed.
    Ordinary,
}

/// Watches `program`, a child of this process that waits for `start` to be called, until it ends.
pub fn watch(program: Tid, role: Role, records: &mut Records, start: impl FnOnce()) -> io::Result<End> {
    kernel::seize(program)?;
    kernel::interrupt(program)?;
    let threads = HashMap::from([(program, Thread::default())]);
    let mut tracer = Tracer { role, records, threads };
    let mut start = Some(start);
    loop {
        let (tid, event) = kernel::wait(None)?;
        match event {
            Event::Exited(status) if tid == program => return Ok(End::Exited(status)),
            Event::Killed(signal) if tid == program => return Ok(End::Killed(signal)),
            Event::Exited(_) | Event::Killed(_) => {
                tracer.threads.remove(&tid);
            }
            // A thread that was killed meanwhile cannot be asked or told anything; its end is reported.
            stopped => match tracer.stopped(tid, stopped) {
                Err(e) if e.raw_os_error() != Some(libc::ESRCH) => return Err(e),
                _ => {}
            },
        }
        if let Some(start) = start.take() {
            start();
        }
    }
}

struct Tracer<'r> {
    role: Role,
    records: &'r mut Records,
    threads: HashMap<Tid, Thread>,
}

/// A thread of a program.
#[derive(Default, Clone)]
struct Thread {
    identities: Who,
    /// What is under way, between the beginning and the end of a system call.
    under_way: Option<UnderWay>,
    /// Signals that came while it was.
    deferred: Vec<i32>,
}

/// Real, effective and saved numbers of a program; all 0 for root.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
struct Who {
    users: Numbers,
    groups: Numbers,
}

#[derive(Clone)]
struct UnderWay {
    /// The registers at the beginning of the program's call.
    registers: Registers,
    /// What comes when the kernel has answered.
    next: Next,
}

/// What comes when the kernel has answered.
#[derive(Clone)]
enum Next {
    /// The program gets the answer.
    Pass,
    /// The program gets this instead.
    Return(i64),
    /// The answer has a `struct stat` at this address, `struct statx` if `extended`.
    Show { address: u64, extended: bool },
    /// The answer has the file's status: do it.
    Do(Deed, Scratch),
    /// The call that comes first is done: ask for the file.
    Ask(Which, Deed),
    /// The answer says whether the file exists: make the call.
    MakeIfNew(Scratch),
    /// The new file is open: ask for it.
    Made,
    /// The answer has the status of the file in the way: make the call.
    Clear(Which, Scratch),
    /// The call is made: ask whether the file has gone, of which this was recorded.
    Cleared(Which, Identity, Record),
    /// The answer has the status of what is there now.
    Gone(Identity, Record, Scratch, i64),
}

/// A place in the program's memory that the kernel writes to, and what was there.
#[derive(Clone)]
pub(super) struct Scratch {
    pub(super) address: u64,
    before: Vec<u8>,
}

impl Tracer<'_> {
    fn stopped(&mut self, tid: Tid, event: Event) -> io::Result<()> {
        if !self.threads.contains_key(&tid) {
            // Whoever started it has not told us yet.
            let identities = deeds::parent(tid).and_then(|parent| self.threads.get(&parent));
            let identities = identities.map(|parent| parent.identities).unwrap_or_default();
            self.threads.insert(tid, Thread { identities, ..Thread::default() });
        }
        let signal = match event {
            Event::Signal(signal) => {
                let thread = self.threads.entry(tid).or_default();
                match thread.under_way {
                    // Its handler would make calls of its own in the middle of ours.
                    Some(_) => {
                        thread.deferred.push(signal);
                        0
                    }
                    None => signal,
                }
            }
            Event::Other(libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE) => {
                let identities = self.threads.entry(tid).or_default().identities;
                let child = kernel::event_message(tid)? as Tid;
                // It may have come before this, and may be somebody else by now.
                self.threads.entry(child).or_insert(Thread { identities, ..Thread::default() });
                0
            }
            Event::Other(libc::PTRACE_EVENT_EXEC) => {
                // Of all threads the one that called is left, under the first one's number.
                let former = kernel::event_message(tid)? as Tid;
                let thread = self.threads.remove(&former).unwrap_or_default();
                self.threads.insert(tid, Thread { identities: thread.identities, ..Thread::default() });
                0
            }
            Event::Syscall => self.syscall(tid)?,
            _ => 0,
        };
        kernel::resume(tid, signal)
    }

    /// A thread is at the beginning or the end of a system call; returns a signal for it.
    fn syscall(&mut self, tid: Tid) -> io::Result<i32> {
        let thread = self.threads.entry(tid).or_default();
        match (kernel::syscall_stop(tid)?, thread.under_way.take()) {
            (Stop::Entry(machine::ARCHITECTURE), None) => {
                let registers = kernel::registers(tid)?;
                let call = machine::call(&registers);
                if call.number & machine::OTHER_INTERFACE == 0 {
                    self.begin(tid, registers, call)?;
                }
                Ok(0)
            }
            // Its numbers and structures are others, so its deeds would get by.
            (Stop::Entry(architecture), None) if architecture != machine::ARCHITECTURE => {
                let program = std::fs::read_link(format!("/proc/{tid}/exe")).unwrap_or_default();
                Err(io::Error::other(format!(
                    "{} is of another architecture, and cannot be run as root here",
                    program.display()
                )))
            }
            // Ours.
            (Stop::Entry(_), under_way) => {
                thread.under_way = under_way;
                Ok(0)
            }
            (Stop::Exit, Some(under_way)) => {
                let result = machine::result(&kernel::registers(tid)?);
                self.answer(tid, under_way, result)?;
                let thread = self.threads.entry(tid).or_default();
                match thread.under_way {
                    Some(_) => Ok(0),
                    None => {
                        let mut deferred = std::mem::take(&mut thread.deferred).into_iter();
                        let first = deferred.next().unwrap_or(0);
                        // One comes with going on; the others are sent again.
                        for signal in deferred {
                            kernel::signal_thread(tid, signal)?;
                        }
                        Ok(first)
                    }
                }
            }
            _ => Ok(0),
        }
    }

    /// A program begins a call.
    fn begin(&mut self, tid: Tid, registers: Registers, call: Call) -> io::Result<()> {
        let who = self.threads.entry(tid).or_default().identities;
        let known = Known {
            records: !self.records.is_empty(),
            xattrs: self.records.xattrs,
            other: who != Who::default(),
            made: who != Who::default() || self.records.are_nameless(),
        };
        let nothing = Call { number: -1, arguments: call.arguments };
        let (replacement, next) = match calls::plan(call, known) {
            Plan::Pass => return Ok(()),
            plan if self.role == Role::Ordinary && !matches!(plan, Plan::Remove(_)) => return Ok(()),
            Plan::Stat(address) => (None, Next::Show { address, extended: false }),
            Plan::Statx(address) => (None, Next::Show { address, extended: true }),
            Plan::File(which, deed) => {
                let (call, scratch) = ask(tid, &registers, which)?;
                (Some(call), Next::Do(deed, scratch))
            }
            Plan::Then(call, which, deed) => (Some(call), Next::Ask(which, deed)),
            Plan::Create(which) => {
                let (call, scratch) = ask(tid, &registers, which)?;
                (Some(call), Next::MakeIfNew(scratch))
            }
            Plan::Remove(which) => {
                let (call, scratch) = ask(tid, &registers, which)?;
                (Some(call), Next::Clear(which, scratch))
            }
            Plan::Return(result) => (Some(nothing), Next::Return(result)),
            Plan::Become(whose, request) => {
                let changed = self.threads.entry(tid).or_default().identities.change(whose, request);
                (Some(nothing), Next::Return(if changed { 0 } else { -i64::from(libc::EPERM) }))
            }
            Plan::Tell(addresses, whose) => {
                let numbers = if whose == Whose::User { who.users } else { who.groups };
                let told = addresses.iter().zip(numbers).try_for_each(|(&address, number)| {
                    kernel::write_memory(tid, address, &number.to_ne_bytes())
                });
                let result = told.map_or(-i64::from(libc::EFAULT), |()| 0);
                (Some(nothing), Next::Return(result))
            }
            Plan::TellOne(one) => {
                let number = match one {
                    One::User => who.users[0],
                    One::EffectiveUser => who.users[1],
                    One::Group => who.groups[0],
                    One::EffectiveGroup => who.groups[1],
                };
                (Some(nothing), Next::Return(number.into()))
            }
            Plan::TellGroups => (Some(nothing), Next::Return(0)),
        };
        if let Some(call) = replacement {
            machine::replace(tid, &registers, call)?;
        }
        self.threads.entry(tid).or_default().under_way = Some(UnderWay { registers, next });
        Ok(())
    }

    /// The kernel has answered.
    fn answer(&mut self, tid: Tid, under_way: UnderWay, result: i64) -> io::Result<()> {
        let UnderWay { registers, next } = under_way;
        let original = machine::call(&registers);
        let finish = |result| machine::finish(tid, &registers, result);
        let again = |tracer: &mut Self, call, next| {
            tracer.threads.entry(tid).or_default().under_way = Some(UnderWay { registers, next });
            machine::again(tid, &registers, call)
        };
        match next {
            Next::Pass => finish(result),
            Next::Return(result) => finish(result),
            Next::Show { address, extended } => {
                if result == 0 {
                    deeds::show(tid, address, extended, self.records)?;
                }
                Ok(())
            }
            Next::Do(deed, scratch) => {
                let status = scratch.take(tid, result)?;
                if result < 0 {
                    return finish(result);
                }
                let who = self.threads.entry(tid).or_default().identities;
                match deeds::perform(tid, &deed, &status, self.records, (who.users[1], who.groups[1]))? {
                    Some(result) => finish(result),
                    None => again(self, original, Next::Pass),
                }
            }
            Next::Ask(_, _) if result < 0 => finish(result),
            Next::Ask(which, deed) => {
                let (call, scratch) = ask(tid, &registers, which)?;
                again(self, call, Next::Do(deed, scratch))
            }
            Next::MakeIfNew(scratch) => {
                scratch.take(tid, result)?;
                let next = if result == -i64::from(libc::ENOENT) { Next::Made } else { Next::Pass };
                again(self, original, next)
            }
            Next::Made if result < 0 => finish(result),
            Next::Made => {
                if let Some(identity) = deeds::identity_of_open(tid, result) {
                    let who = self.threads.entry(tid).or_default().identities;
                    self.records.made(identity, (who.users[1], who.groups[1]));
                }
                finish(result)
            }
            Next::Clear(which, scratch) => {
                let status = scratch.take(tid, result)?;
                // An exchange leaves it under the other name.
                let exchanged = original.number == libc::SYS_renameat2 && original.arguments[4] & 2 != 0;
                let goes = result == 0 && !exchanged && (status.links <= 1 || status.is_directory());
                // Before it is gone: right after that, another thread's new file may have its number.
                let record = goes.then(|| self.records.take(status.identity())).flatten();
                let next =
                    record.map_or(Next::Pass, |record| Next::Cleared(which, status.identity(), record));
                again(self, original, next)
            }
            Next::Cleared(_, identity, record) if result < 0 => {
                self.records.put_back(identity, record);
                finish(result)
            }
            Next::Cleared(which, identity, record) => {
                if removes(original) {
                    return finish(result);
                }
                let (call, scratch) = ask(tid, &registers, which)?;
                again(self, call, Next::Gone(identity, record, scratch, result))
            }
            Next::Gone(identity, record, scratch, of_the_call) => {
                // Renamed to itself.
                if scratch.take(tid, result)?.identity() == identity && result == 0 {
                    self.records.put_back(identity, record);
                }
                finish(of_the_call)
            }
        }
    }
}

/// Whether a call takes a name away, and gives it to nothing else.
fn removes(call: Call) -> bool {
    match call.number {
        #[cfg(target_arch = "x86_64")]
        libc::SYS_unlink | libc::SYS_rmdir => true,
        number => number == libc::SYS_unlinkat,
    }
}

/// The call that asks for a file's status, and where it will be.
fn ask(tid: Tid, registers: &Registers, which: Which) -> io::Result<(Call, Scratch)> {
    let room = machine::STAT.size as u64 + machine::RED_ZONE;
    let address = (machine::stack(registers) - room) & !63;
    let mut before = vec![0; machine::STAT.size];
    // A stack that has not grown so far has nothing there.
    let count = kernel::read_memory(tid, address, &mut before).unwrap_or(0);
    before.truncate(count);
    let call = match which {
        Which::Path(directory, path, flags) => {
            let arguments = [directory, path, address, flags as u64, 0, 0];
            Call { number: libc::SYS_newfstatat, arguments }
        }
        Which::Open(descriptor) => {
            Call { number: libc::SYS_fstat, arguments: [descriptor, address, 0, 0, 0, 0] }
        }
    };
    Ok((call, Scratch { address, before }))
}

impl Scratch {
    /// What the kernel has written, if it has answered with success, and the memory as it was before.
    fn take(&self, tid: Tid, result: i64) -> io::Result<FileStatus> {
        let mut bytes = vec![0; machine::STAT.size];
        if result == 0 && kernel::read_memory(tid, self.address, &mut bytes)? != bytes.len() {
            return Err(io::Error::other("a program's memory cannot be read"));
        }
        if result == 0 && !self.before.is_empty() {
            kernel::write_memory(tid, self.address, &self.before)?;
        }
        Ok(FileStatus::of_stat(&bytes))
    }
}

impl Who {
    /// Whether it is permitted. Programs that give up root's privileges try whether they get them back.
    fn change(&mut self, whose: Whose, request: Request) -> bool {
        // Capabilities go with the effective user (capabilities(7)).
        let privileged = self.users[1] == 0;
        let numbers = if whose == Whose::User { &mut self.users } else { &mut self.groups };
        let changed = request.change(*numbers, privileged);
        *numbers = changed.unwrap_or(*numbers);
        changed.is_some()
    }
}
