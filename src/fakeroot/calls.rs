//! The system calls that a traced program may not be let alone with, as plans: what the kernel is asked
//! instead, and what is done with its answer.
//!
//! The kernel resolves every path, in the program's own directory, root and namespace, because it is asked
//! for the file's `stat` in place of the call: so nothing here looks at a path.

use libc::{AT_FDCWD, AT_SYMLINK_NOFOLLOW};

use super::identities::Request;
use super::machine::Call;
use super::records::SPECIAL;

/// `__NR_fchmodat2` of asm-generic/unistd.h, which libc does not have for every architecture. From 424 on, system
/// calls have one number on all of them (arch/x86/entry/syscalls/syscall_64.tbl has this one, too).
const SYS_FCHMODAT2: libc::c_long = 452;

/// What stands between a program and the kernel for one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// It gets what the kernel says.
    Pass,
    /// It gets the kernel's `struct stat`, or `struct statx`, at this address, with what is recorded.
    Stat(u64),
    /// As [`Plan::Stat`].
    Statx(u64),
    /// The kernel is asked which file this is; then it is done.
    File(Which, Deed),
    /// The kernel makes this call; if it succeeds, it is asked which file this is, and it is done.
    Then(Call, Which, Deed),
    /// The kernel is asked whether the file exists; then makes the call, and if the file is new and it
    /// succeeds, it is done to what its result is open as.
    Create(Which),
    /// The kernel is asked which file is in the way, then makes the call: if that succeeds, the file is
    /// gone, unless it has it still.
    Remove(Which),
    /// Nothing is asked.
    Return(i64),
    /// Another identity of the program itself.
    Become(Whose, Request),
    /// The numbers at these addresses are those of the program.
    Tell([u64; 3], Whose),
    /// The program's own number.
    TellOne(One),
    /// The supplementary groups: none.
    TellGroups,
}

/// How a call names a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// A path, relative to a directory, with `AT_` flags.
    Path(u64, u64, i32),
    /// An open file.
    Open(u64),
}

/// What is done to a file's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// chown: numbers, -1 for none.
    Own(u32, u32),
    /// chmod: set-user-ID and set-group-ID bits.
    Special(u32),
    /// mknod: type and device number.
    Device(u32, u64),
    /// setxattr: addresses of name and value, length of the value, flags.
    SetXattr(u64, u64, u64, u32),
    /// getxattr: addresses of name and value, room for the value.
    GetXattr(u64, u64, u64),
    /// listxattr: address of the list, room for it.
    ListXattr(u64, u64),
    /// removexattr: address of the name.
    RemoveXattr(u64),
    /// It is new: its owner is who made it.
    Made,
}

/// User or group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// User.
    User,
    /// Group.
    Group,
}

/// One of a program's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum One {
    /// Real user.
    User,
    /// Effective user.
    EffectiveUser,
    /// Real group.
    Group,
    /// Effective group.
    EffectiveGroup,
}

/// What is known when a call begins.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Whether anything is recorded of any file.
    pub records: bool,
    /// Whether anything has an extended attribute.
    pub xattrs: bool,
    /// Whether the program is somebody else than root.
    pub other: bool,
    /// Whether new files are to be looked at.
    pub made: bool,
}

/// The plan for a call.
pub fn plan(call: Call, known: Known) -> Plan {
    let [a, b, c, d, e, _] = call.arguments;
    let here = AT_FDCWD as u64;
    let nofollow = |flags: u64| flags as i32 & (AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH);
    let own = |which, uid: u64, gid: u64| Plan::File(which, Deed::Own(uid as u32, gid as u32));
    match call.number {
        #[cfg(target_arch = "x86_64")]
        libc::SYS_stat | libc::SYS_lstat => Plan::Stat(b),
        libc::SYS_fstat => Plan::Stat(b),
        libc::SYS_newfstatat => Plan::Stat(c),
        libc::SYS_statx => Plan::Statx(e),

        #[cfg(target_arch = "x86_64")]
        libc::SYS_chown => own(Which::Path(here, a, 0), b, c),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_lchown => own(Which::Path(here, a, AT_SYMLINK_NOFOLLOW), b, c),
        libc::SYS_fchown => own(Which::Open(a), b, c),
        libc::SYS_fchownat => own(Which::Path(a, b, nofollow(e)), c, d),

        #[cfg(target_arch = "x86_64")]
        libc::SYS_chmod => change_mode(call, 1, Which::Path(here, a, 0), known),
        libc::SYS_fchmod => change_mode(call, 1, Which::Open(a), known),
        libc::SYS_fchmodat => change_mode(call, 2, Which::Path(a, b, 0), known),
        SYS_FCHMODAT2 => change_mode(call, 2, Which::Path(a, b, nofollow(d)), known),

        #[cfg(target_arch = "x86_64")]
        libc::SYS_mknod => make_node(call, 1, Which::Path(here, a, AT_SYMLINK_NOFOLLOW), known),
        libc::SYS_mknodat => make_node(call, 2, Which::Path(a, b, AT_SYMLINK_NOFOLLOW), known),

        #[cfg(target_arch = "x86_64")]
        libc::SYS_mkdir => made(call, Which::Path(here, a, AT_SYMLINK_NOFOLLOW), known),
        libc::SYS_mkdirat => made(call, Which::Path(a, b, AT_SYMLINK_NOFOLLOW), known),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_symlink => made(call, Which::Path(here, b, AT_SYMLINK_NOFOLLOW), known),
        libc::SYS_symlinkat => made(call, Which::Path(b, c, AT_SYMLINK_NOFOLLOW), known),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_creat if known.made => Plan::Create(Which::Path(here, a, 0)),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open if known.made && b as i32 & libc::O_CREAT != 0 => {
            Plan::Create(Which::Path(here, a, 0))
        }
        libc::SYS_openat if known.made && c as i32 & libc::O_CREAT != 0 => Plan::Create(Which::Path(a, b, 0)),

        libc::SYS_setxattr => Plan::File(Which::Path(here, a, 0), Deed::SetXattr(b, c, d, e as u32)),
        libc::SYS_lsetxattr => {
            Plan::File(Which::Path(here, a, AT_SYMLINK_NOFOLLOW), Deed::SetXattr(b, c, d, e as u32))
        }
        libc::SYS_fsetxattr => Plan::File(Which::Open(a), Deed::SetXattr(b, c, d, e as u32)),
        libc::SYS_getxattr if known.xattrs => Plan::File(Which::Path(here, a, 0), Deed::GetXattr(b, c, d)),
        libc::SYS_lgetxattr if known.xattrs => {
            Plan::File(Which::Path(here, a, AT_SYMLINK_NOFOLLOW), Deed::GetXattr(b, c, d))
        }
        libc::SYS_fgetxattr if known.xattrs => Plan::File(Which::Open(a), Deed::GetXattr(b, c, d)),
        libc::SYS_listxattr if known.xattrs => Plan::File(Which::Path(here, a, 0), Deed::ListXattr(b, c)),
        libc::SYS_llistxattr if known.xattrs => {
            Plan::File(Which::Path(here, a, AT_SYMLINK_NOFOLLOW), Deed::ListXattr(b, c))
        }
        libc::SYS_flistxattr if known.xattrs => Plan::File(Which::Open(a), Deed::ListXattr(b, c)),
        libc::SYS_removexattr if known.xattrs => Plan::File(Which::Path(here, a, 0), Deed::RemoveXattr(b)),
        libc::SYS_lremovexattr if known.xattrs => {
            Plan::File(Which::Path(here, a, AT_SYMLINK_NOFOLLOW), Deed::RemoveXattr(b))
        }
        libc::SYS_fremovexattr if known.xattrs => Plan::File(Which::Open(a), Deed::RemoveXattr(b)),

        #[cfg(target_arch = "x86_64")]
        libc::SYS_unlink | libc::SYS_rmdir if known.records => {
            Plan::Remove(Which::Path(here, a, AT_SYMLINK_NOFOLLOW))
        }
        libc::SYS_unlinkat if known.records => Plan::Remove(Which::Path(a, b, AT_SYMLINK_NOFOLLOW)),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_rename if known.records => Plan::Remove(Which::Path(here, b, AT_SYMLINK_NOFOLLOW)),
        // Exchanged files are there still, which is looked at afterwards; so are those left in place.
        libc::SYS_renameat | libc::SYS_renameat2 if known.records => {
            Plan::Remove(Which::Path(c, d, AT_SYMLINK_NOFOLLOW))
        }

        libc::SYS_setuid => Plan::Become(Whose::User, Request::One(a as u32)),
        libc::SYS_setreuid => Plan::Become(Whose::User, Request::Two(id(a), id(b))),
        libc::SYS_setresuid => Plan::Become(Whose::User, Request::Three([id(a), id(b), id(c)])),
        libc::SYS_setgid => Plan::Become(Whose::Group, Request::One(a as u32)),
        libc::SYS_setregid => Plan::Become(Whose::Group, Request::Two(id(a), id(b))),
        libc::SYS_setresgid => Plan::Become(Whose::Group, Request::Three([id(a), id(b), id(c)])),
        libc::SYS_setgroups => Plan::Return(0),
        libc::SYS_getuid if known.other => Plan::TellOne(One::User),
        libc::SYS_geteuid if known.other => Plan::TellOne(One::EffectiveUser),
        libc::SYS_getgid if known.other => Plan::TellOne(One::Group),
        libc::SYS_getegid if known.other => Plan::TellOne(One::EffectiveGroup),
        libc::SYS_getresuid if known.other => Plan::Tell([a, b, c], Whose::User),
        libc::SYS_getresgid if known.other => Plan::Tell([a, b, c], Whose::Group),
        libc::SYS_getgroups => Plan::TellGroups,

        // Its requests would get by everything here.
        libc::SYS_io_uring_setup => Plan::Return(-i64::from(libc::ENOSYS)),
        _ => Plan::Pass,
    }
}

/// chmod: a build may not set the special bits, so they are recorded; clearing them is to be seen, too.
fn change_mode(call: Call, mode: usize, which: Which, known: Known) -> Plan {
    let special = call.arguments[mode] as u32 & SPECIAL;
    match special == 0 && !known.records {
        true => Plan::Pass,
        false => Plan::Then(without_special(call, mode), which, Deed::Special(special)),
    }
}

/// mknod: an empty file stands for a device.
fn make_node(mut call: Call, mode: usize, which: Which, known: Known) -> Plan {
    let kind = call.arguments[mode] as u32 & libc::S_IFMT;
    if kind != libc::S_IFCHR && kind != libc::S_IFBLK {
        return made(call, which, known);
    }
    let device = call.arguments[mode + 1];
    call.arguments[mode] = (call.arguments[mode] & 0o1777) | u64::from(libc::S_IFREG);
    Plan::Then(call, which, Deed::Device(kind, device))
}

/// A call that makes something new: its owner is who makes it.
fn made(call: Call, which: Which, known: Known) -> Plan {
    match known.made {
        true => Plan::Then(call, which, Deed::Made),
        false => Plan::Pass,
    }
}

fn without_special(mut call: Call, mode: usize) -> Call {
    call.arguments[mode] &= !u64::from(SPECIAL);
    call
}

/// A number, unless it is -1.
fn id(number: u64) -> Option<u32> {
    (number as u32 != u32::MAX).then_some(number as u32)
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_number_written_here_is_that_of_libc() {
        assert_eq!(super::SYS_FCHMODAT2, libc::SYS_fchmodat2);
    }
}
