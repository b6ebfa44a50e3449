//! System calls as this processor makes them: numbers, registers, `struct stat`.

use crate::kernel::{self, Registers, Tid};

/// The number and arguments of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// An `__NR_...`; -1 makes none.
    pub number: i64,
    /// Its arguments.
    pub arguments: [u64; 6],
}

#[cfg(target_arch = "x86_64")]
mod this {
    use super::*;

    /// `AUDIT_ARCH_X86_64` of linux/audit.h.
    pub const ARCHITECTURE: u32 = 0xc000_003e;
    /// Bytes of the instruction that makes a system call.
    const INSTRUCTION: u64 = 2;
    /// `__X32_SYSCALL_BIT`: the same numbers, other structures.
    pub const OTHER_INTERFACE: i64 = 0x4000_0000;

    pub fn call(registers: &Registers) -> Call {
        let r = registers;
        Call { number: r.orig_rax as i64, arguments: [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9] }
    }

    fn with_arguments(registers: &Registers, call: Call) -> Registers {
        let [rdi, rsi, rdx, r10, r8, r9] = call.arguments;
        Registers { rdi, rsi, rdx, r10, r8, r9, ..*registers }
    }

    /// At the beginning of a system call: makes it another one.
    pub fn replace(tid: Tid, registers: &Registers, call: Call) -> std::io::Result<()> {
        let orig_rax = call.number as u64;
        kernel::set_registers(tid, Registers { orig_rax, ..with_arguments(registers, call) })
    }

    /// At the end of one: makes another one follow. `registers` are those of the beginning.
    pub fn again(tid: Tid, registers: &Registers, call: Call) -> std::io::Result<()> {
        let (rax, rip) = (call.number as u64, registers.rip - INSTRUCTION);
        kernel::set_registers(tid, Registers { rax, rip, ..with_arguments(registers, call) })
    }

    /// At the end of one: makes it return `result`, as if it were the one of the beginning.
    pub fn finish(tid: Tid, registers: &Registers, result: i64) -> std::io::Result<()> {
        kernel::set_registers(tid, Registers { rax: result as u64, ..*registers })
    }

    pub fn result(registers: &Registers) -> i64 {
        registers.rax as i64
    }

    pub fn stack(registers: &Registers) -> u64 {
        registers.rsp
    }

    /// Below the stack pointer, so many bytes are the program's (System V ABI, 3.2.2).
    pub const RED_ZONE: u64 = 128;

    /// Where `struct stat` has things.
    pub const STAT: super::StatFields =
        super::StatFields { size: 144, mode: 24, links: (16, 8), uid: 28, gid: 32, rdev: 40 };
}

#[cfg(target_arch = "aarch64")]
mod this {
    use super::*;

    /// `AUDIT_ARCH_AARCH64` of linux/audit.h.
    pub const ARCHITECTURE: u32 = 0xc000_00b7;
    const INSTRUCTION: u64 = 4;
    /// There is none.
    pub const OTHER_INTERFACE: i64 = i64::MIN;

    pub fn call(registers: &Registers) -> Call {
        let r = &registers.regs;
        Call { number: r[8] as i64, arguments: [r[0], r[1], r[2], r[3], r[4], r[5]] }
    }

    fn with_arguments(registers: &Registers, call: Call) -> Registers {
        let mut registers = *registers;
        registers.regs[..6].copy_from_slice(&call.arguments);
        registers
    }

    pub fn replace(tid: Tid, registers: &Registers, call: Call) -> std::io::Result<()> {
        kernel::set_registers(tid, with_arguments(registers, call))?;
        kernel::set_syscall_number(tid, call.number)
    }

    pub fn again(tid: Tid, registers: &Registers, call: Call) -> std::io::Result<()> {
        let mut registers = with_arguments(registers, call);
        registers.regs[8] = call.number as u64;
        registers.pc -= INSTRUCTION;
        kernel::set_registers(tid, registers)
    }

    pub fn finish(tid: Tid, registers: &Registers, result: i64) -> std::io::Result<()> {
        let mut registers = *registers;
        registers.regs[0] = result as u64;
        kernel::set_registers(tid, registers)
    }

    pub fn result(registers: &Registers) -> i64 {
        registers.regs[0] as i64
    }

    pub fn stack(registers: &Registers) -> u64 {
        registers.sp
    }

    pub const RED_ZONE: u64 = 0;

    pub const STAT: super::StatFields =
        super::StatFields { size: 128, mode: 16, links: (20, 4), uid: 24, gid: 28, rdev: 32 };
}

pub use this::*;

/// Where `struct stat` has things, in bytes; the device is at 0 and the inode at 8 everywhere.
pub struct StatFields {
    /// Bytes in all.
    pub size: usize,
    /// `st_mode`.
    pub mode: usize,
    /// `st_nlink`, and its bytes.
    pub links: (usize, usize),
    /// `st_uid`.
    pub uid: usize,
    /// `st_gid`.
    pub gid: usize,
    /// `st_rdev`.
    pub rdev: usize,
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use libc::stat;

    use super::*;

    #[test]
    fn stat_is_that_of_the_c_library() {
        // On 64-bit processors the C library has the kernel's.
        assert_eq!((offset_of!(stat, st_dev), offset_of!(stat, st_ino)), (0, 8));
        assert_eq!(STAT.size, size_of::<stat>());
        assert_eq!(STAT.mode, offset_of!(stat, st_mode));
        assert_eq!(STAT.links, (offset_of!(stat, st_nlink), size_of::<libc::nlink_t>()));
        assert_eq!((STAT.uid, STAT.gid), (offset_of!(stat, st_uid), offset_of!(stat, st_gid)));
        assert_eq!(STAT.rdev, offset_of!(stat, st_rdev));
    }

    #[test]
    fn the_architecture_is_the_processor_of_elf_files() {
        let machine = if cfg!(target_arch = "aarch64") { libc::EM_AARCH64 } else { libc::EM_X86_64 };
        // __AUDIT_ARCH_64BIT and __AUDIT_ARCH_LE of linux/audit.h.
        assert_eq!(ARCHITECTURE, u32::from(machine) | 0x8000_0000 | 0x4000_0000);
    }
}
