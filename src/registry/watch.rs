//! Ctrl-C reaches what waits for a server: while work goes on, somebody else looks whether to stop, and then
//! shuts the connections.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use super::RegistryError;
use super::transport::Transport;
use crate::layer::Progress;
use crate::threads::start_in;

/// Between two looks: with the rest, well below the 200 ms in which an interruption feels immediate.
const LOOK: Duration = Duration::from_millis(40);

/// Whether work should end.
#[derive(Default)]
pub(super) struct Stop {
    cancelled: AtomicBool,
    failed: AtomicBool,
}

impl Stop {
    /// One part of the work failed: the others are for nothing.
    pub fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    pub fn is_stopped(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed) || self.failed.load(Ordering::Relaxed)
    }

    pub fn check(&self) -> Result<(), RegistryError> {
        match self.is_stopped() {
            true => Err(RegistryError::Cancelled),
            false => Ok(()),
        }
    }
}

/// Does `work`, until it is done or `progress` is cancelled.
///
/// Shutting the connections also hits other work of the same client; that is tried again as after any lost
/// connection.
pub(super) fn watched<T>(
    transport: &Transport,
    progress: &dyn Progress,
    work: impl FnOnce(&Stop) -> Result<T, RegistryError>,
) -> Result<T, RegistryError> {
    let stop = Stop::default();
    let (working, done) = channel::<()>();
    let result = std::thread::scope(|scope| {
        start_in(scope, || {
            let done = done;
            while done.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                if progress.cancelled() {
                    stop.cancelled.store(true, Ordering::Relaxed);
                }
                // Again and again: a connection may be made just after.
                if stop.is_stopped() {
                    transport.shut();
                }
            }
        })?;
        let result = work(&stop);
        drop(working);
        result
    });
    match stop.cancelled.load(Ordering::Relaxed) && result.is_err() {
        true => Err(RegistryError::Cancelled),
        false => result,
    }
}
