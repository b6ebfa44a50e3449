//! Threads, which a limit of processes may refuse (`ulimit -u`, `pids.max` of a cgroup): work that any number of
//! threads can do goes on with those that there are; other work ends with an error. `std::thread::spawn` would panic.

use std::io;
use std::thread::{self, Builder, JoinHandle, Scope, ScopedJoinHandle};

/// A thread that work cannot do without was refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot start a thread: {0}; raise the limit of processes (ulimit -u, or pids.max of the cgroup)")]
pub struct ThreadError(#[from] io::Error);

/// Does `work` on this thread, and on `count - 1` others at the same time, or on as many as can be started.
pub fn together(count: usize, work: impl Fn() + Sync) {
    thread::scope(|scope| {
        for _ in 1..count {
            if start_in(scope, &work).is_err() {
                break;
            }
        }
        work();
    });
}

/// Starts a thread that ends before `scope` does.
pub fn start_in<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, ThreadError> {
    Ok(Builder::new().spawn_scoped(scope, work)?)
}

/// Starts a thread that may outlive its caller.
pub fn start<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, ThreadError> {
    Ok(Builder::new().spawn(work)?)
}
