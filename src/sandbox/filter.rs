//! The system calls that a script is refused: those that no namespace confines, and those that would pass the tracer
//! by. None of them is one that the fake root records.
//!
//! The program is written here, instruction by instruction, because libraries for it can neither refuse the x32
//! interface as a whole nor compare an argument with a list at the end of a filter of numbers.

use libc::{c_long, sock_filter};

use crate::fakeroot::ARCHITECTURE;

/// Refused with `EPERM`: keys of the session that started the builder; programs, counters and modules in the kernel;
/// its log; another kernel; page faults held up from outside the kernel; files by number, without a path.
const REFUSED: [c_long; 13] = [
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_syslog,
    libc::SYS_userfaultfd,
    libc::SYS_open_by_handle_at,
];

/// The kernel seems not to have them (`ENOSYS`), so that programs take the calls that the tracer sees.
const MISSING: [c_long; 3] =
    [libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register];

/// The kinds of sockets that a network namespace confines and that programs use; others (`AF_VSOCK` leads to the
/// machine that this one runs on) seem to be missing.
const FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// x86-64 has a second interface, whose numbers have this bit.
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

/// A lease on a file stops others who open it, outside of the sandbox as well (fcntl(2), "Leases"). `F_SETLEASE` of
/// linux/fcntl.h.
const SET_LEASE: u32 = 1024;

// struct seccomp_data of linux/seccomp.h; the lower half of each argument
const NUMBER: u32 = 0;
const PROCESSOR: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;
const SECOND_ARGUMENT: u32 = 24;

/// The filter, for seccomp(2).
pub fn program() -> Vec<sock_filter> {
    let mut program = vec![
        load(PROCESSOR),
        // A 32-bit program on a 64-bit machine: its numbers are others.
        jump(libc::BPF_JEQ, ARCHITECTURE, 1, 0),
        answer(libc::SECCOMP_RET_KILL_PROCESS),
        load(NUMBER),
    ];
    #[cfg(target_arch = "x86_64")]
    program.extend([jump(libc::BPF_JGE, X32, 0, 1), error(libc::ENOSYS)]);
    for (calls, refusal) in [(&REFUSED[..], libc::EPERM), (&MISSING[..], libc::ENOSYS)] {
        for &call in calls {
            program.extend([jump(libc::BPF_JEQ, call as u32, 0, 1), error(refusal)]);
        }
    }
    program.extend([
        jump(libc::BPF_JEQ, libc::SYS_fcntl as u32, 0, 4),
        load(SECOND_ARGUMENT),
        jump(libc::BPF_JEQ, SET_LEASE, 0, 1),
        error(libc::EINVAL),
        answer(libc::SECCOMP_RET_ALLOW),
    ]);
    let families = FAMILIES.len() as u8;
    program.push(jump(libc::BPF_JEQ, libc::SYS_socketpair as u32, 1, 0));
    // To the end, unless it is the call.
    program.push(jump(libc::BPF_JEQ, libc::SYS_socket as u32, 0, families + 2));
    program.push(load(FIRST_ARGUMENT));
    for (at, family) in FAMILIES.into_iter().enumerate() {
        program.push(jump(libc::BPF_JEQ, family as u32, families - at as u8, 0));
    }
    program.extend([error(libc::EAFNOSUPPORT), answer(libc::SECCOMP_RET_ALLOW)]);
    program
}

/// Loads 32 bits of `struct seccomp_data`.
fn load(offset: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, jt: 0, jf: 0, k: offset }
}

/// Compares what is loaded, and leaves out as many instructions as `yes` or `no` says.
fn jump(comparison: u32, value: u32, yes: u8, no: u8) -> sock_filter {
    sock_filter { code: (libc::BPF_JMP | comparison | libc::BPF_K) as u16, jt: yes, jf: no, k: value }
}

fn answer(action: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: action }
}

fn error(number: i32) -> sock_filter {
    answer(libc::SECCOMP_RET_ERRNO | number as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel does with a filter (Linux, Documentation/networking/filter.rst), for the instructions here.
    fn run(processor: u32, number: u32, arguments: [u32; 2]) -> u32 {
        let program = program();
        let (mut at, mut loaded) = (0, 0);
        loop {
            let instruction = program[at];
            at += 1;
            let code = u32::from(instruction.code);
            let jump = |holds: bool| usize::from(if holds { instruction.jt } else { instruction.jf });
            match code & 0x07 {
                libc::BPF_LD => {
                    loaded = match instruction.k {
                        0 => number,
                        4 => processor,
                        16 => arguments[0],
                        24 => arguments[1],
                        other => panic!("offset {other}"),
                    }
                }
                libc::BPF_JMP if code & 0xf0 == libc::BPF_JEQ => at += jump(loaded == instruction.k),
                libc::BPF_JMP if code & 0xf0 == libc::BPF_JGE => at += jump(loaded >= instruction.k),
                libc::BPF_RET => return instruction.k,
                other => panic!("class {other}"),
            }
        }
    }

    #[test]
    fn each_call_gets_its_answer() {
        let errno = |number: i32| libc::SECCOMP_RET_ERRNO | number as u32;
        for call in REFUSED {
            assert_eq!(run(ARCHITECTURE, call as u32, [0, 0]), errno(libc::EPERM), "{call}");
        }
        for call in MISSING {
            assert_eq!(run(ARCHITECTURE, call as u32, [0, 0]), errno(libc::ENOSYS), "{call}");
        }
        for call in
            [libc::SYS_openat, libc::SYS_execve, libc::SYS_fchownat, libc::SYS_ptrace, libc::SYS_clone3]
        {
            assert_eq!(run(ARCHITECTURE, call as u32, [40, 40]), libc::SECCOMP_RET_ALLOW, "{call}");
        }
        for (family, socket) in
            (0..50).flat_map(|family| [(family, libc::SYS_socket), (family, libc::SYS_socketpair)])
        {
            let expected = match family {
                libc::AF_UNIX | libc::AF_INET | libc::AF_INET6 | libc::AF_NETLINK => libc::SECCOMP_RET_ALLOW,
                _ => errno(libc::EAFNOSUPPORT),
            };
            assert_eq!(run(ARCHITECTURE, socket as u32, [family as u32, 0]), expected, "family {family}");
        }
        let fcntl = libc::SYS_fcntl as u32;
        assert_eq!(run(ARCHITECTURE, fcntl, [1, libc::F_SETLEASE as u32]), errno(libc::EINVAL));
        assert_eq!(run(ARCHITECTURE, fcntl, [libc::F_SETLEASE as u32, 1]), libc::SECCOMP_RET_ALLOW);
    }

    #[test]
    fn other_interfaces_of_the_processor_are_refused() {
        assert_eq!(run(ARCHITECTURE ^ 0x8000_0000, 5, [0, 0]), libc::SECCOMP_RET_KILL_PROCESS);
        #[cfg(target_arch = "x86_64")]
        assert_eq!(run(ARCHITECTURE, X32 | 2, [0, 0]), libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32);
    }
}
