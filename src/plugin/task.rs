//! A request on a thread of its own, so that the evaluator's thread can show progress and look for Ctrl-C.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::request::{Failure, Request};
use crate::layer::Progress;

/// The request, and what is known of it so far.
pub struct Task {
    /// What it asks of the network.
    pub(super) url: Option<String>,
    /// What came of it.
    pub(super) outcome: Option<Result<String, Failure>>,
    request: Option<Request>,
    shared: Arc<Shared>,
    running: Option<Running>,
}

/// The thread, and where its answer comes from.
type Running = (JoinHandle<()>, Receiver<Result<String, Failure>>);

/// What both threads see.
#[derive(Default)]
struct Shared {
    cancelled: AtomicBool,
    received: AtomicU64,
    expected: AtomicU64,
}

impl Task {
    /// A task for a request in JSON.
    pub fn new(json: &[u8]) -> Task {
        let shared = Arc::new(Shared::default());
        match Request::parse(json) {
            Ok(request) => {
                shared.expected.store(request.expected_bytes(), Ordering::Relaxed);
                Task { url: request.url(), outcome: None, request: Some(request), shared, running: None }
            }
            Err(failure) => {
                Task { url: None, outcome: Some(Err(failure)), request: None, shared, running: None }
            }
        }
    }

    /// Starts it; what needs no network is done at once.
    pub fn begin(&mut self) {
        let Some(request) = self.request.take() else { return };
        let (sender, receiver) = channel();
        let shared = self.shared.clone();
        let perform = move || {
            let result = catch_unwind(AssertUnwindSafe(|| request.perform(shared.as_ref())));
            let result = result.unwrap_or_else(|_| Err(Failure::internal("a request panicked")));
            let _ = sender.send(result); // nobody waits any more: then nobody wants to know
        };
        match self.url {
            None => {
                perform();
                self.outcome = receiver.recv().ok();
            }
            Some(_) => match std::thread::Builder::new().name("gantry-request".into()).spawn(perform) {
                Ok(thread) => self.running = Some((thread, receiver)),
                Err(error) => {
                    self.outcome = Some(Err(Failure::internal(&format!("cannot start a thread: {error}"))));
                }
            },
        }
    }

    /// Waits for so many milliseconds at most; whether it is done.
    pub fn wait(&mut self, milliseconds: u64) -> bool {
        let Some((_, receiver)) = &self.running else { return true };
        match receiver.recv_timeout(Duration::from_millis(milliseconds)) {
            Ok(outcome) => self.outcome = Some(outcome),
            Err(RecvTimeoutError::Timeout) => return false,
            Err(RecvTimeoutError::Disconnected) => {}
        }
        true
    }

    /// Bytes that came so far.
    pub fn received(&self) -> u64 {
        self.shared.received.load(Ordering::Relaxed)
    }

    /// Bytes that there are; 0 if that is not known.
    pub fn expected(&self) -> u64 {
        self.shared.expected.load(Ordering::Relaxed)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.shared.cancelled.store(true, Ordering::Relaxed);
        if let Some((thread, _)) = self.running.take() {
            let _ = thread.join(); // it catches its own panics
        }
    }
}

impl Progress for Shared {
    fn layer(&self, _index: usize, _count: usize) {}

    fn bytes(&self, count: u64) {
        self.received.fetch_add(count, Ordering::Relaxed);
    }

    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}
