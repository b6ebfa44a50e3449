//! The command `gantry`; everything is in the library, under `cli`.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether standard output was open when the process began. The standard library opens `/dev/null` in place of standard
/// streams that are closed, before `main`: afterwards, output that is lost looks like output that was thrown away.
static STDOUT_IS_OPEN: AtomicBool = AtomicBool::new(true);

/// The C library runs what this section points to before it runs the standard library's start.
// SAFETY: the section holds pointers to functions like this one (ELF, "Initialization and Termination Functions"), and the
// function makes one system call and stores a number.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK_AT_STDOUT: extern "C" fn() = {
    extern "C" fn look() {
        let open = rustix::io::fcntl_getfd(rustix::stdio::stdout()).is_ok();
        STDOUT_IS_OPEN.store(open, Ordering::Relaxed);
    }
    look
};

fn main() -> std::process::ExitCode {
    gantry::cli::run(STDOUT_IS_OPEN.load(Ordering::Relaxed))
}
