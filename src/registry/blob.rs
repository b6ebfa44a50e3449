//! One blob: as many requests as it takes, none of them trusted; the bytes are spliced only where the server says
//! exactly which ones it sends.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::time::Instant;

use super::RegistryError;
use super::limits::{Deadline, Pace};
use super::session::Session;
use super::transport::Answer;
use super::url::Url;
use super::watch::Stop;
use super::{error, failure, range};
use crate::digest::Hasher;
use crate::image::Descriptor;
use crate::layer::Progress;

/// A download that got this much further counts as new, with all its tries (containers/image, body_reader.go).
const PROGRESS: u64 = 1 << 20;

/// Where a blob goes.
pub trait Sink: Write {
    /// Forgets what was written: the blob comes from the start again, from another place.
    fn restart(&mut self) -> io::Result<()>;
}

impl Sink for Vec<u8> {
    fn restart(&mut self) -> io::Result<()> {
        self.clear();
        Ok(())
    }
}

impl Sink for &File {
    fn restart(&mut self) -> io::Result<()> {
        self.set_len(0)?;
        self.rewind()
    }
}

impl<S: Sink> Sink for BufWriter<S> {
    fn restart(&mut self) -> io::Result<()> {
        self.flush()?;
        self.get_mut().restart()
    }
}

/// A blob on its way.
pub(super) struct Download<'a> {
    descriptor: &'a Descriptor,
    sink: &'a mut dyn Sink,
    progress: &'a dyn Progress,
    hasher: Hasher,
    /// Bytes that are in the sink.
    written: u64,
    /// Bytes that progress was told of; those that come again are not told again.
    told: u64,
    deadline: Option<Deadline>,
    /// What the headers said that explains wrong bytes, for the error: an encoding, a page for browsers.
    sent: String,
}

/// How the end of an answer shows.
#[derive(Clone, Copy, PartialEq)]
enum Framing {
    /// By its length, which is right.
    Length,
    /// By itself: an answer that ends has been sent whole.
    Chunks,
    /// Not at all: the connection was closed, perhaps too early.
    Close,
}

/// How a transfer ended that could have gone on.
enum Broken {
    Off(RegistryError),
    /// The server does not send what was asked for; all of it from the start may work.
    Range,
}

impl<'a> Download<'a> {
    pub fn new(
        descriptor: &'a Descriptor,
        sink: &'a mut dyn Sink,
        progress: &'a dyn Progress,
    ) -> Download<'a> {
        Download {
            descriptor,
            sink,
            progress,
            hasher: Hasher::new(),
            written: 0,
            told: 0,
            deadline: None,
            sent: String::new(),
        }
    }

    /// The same for a document, which has to be there in time.
    pub fn document_from(&mut self, session: &Session, stop: &Stop) -> Result<(), RegistryError> {
        self.deadline = Some(session.transport().deadline());
        self.from(session, stop)
    }

    /// Gets all of it from one place, and checks it. Nothing of what another place sent is kept: it may be wrong.
    pub fn from(&mut self, session: &Session, stop: &Stop) -> Result<(), RegistryError> {
        if self.written > 0 {
            self.sink.restart().map_err(|source| self.refused(source))?;
            (self.hasher, self.written) = (Hasher::new(), 0);
        }
        let size = self.descriptor.size;
        let (mut failures, mut far) = (0, self.written);
        let mut ranges = true;
        while self.written < size {
            // Always from the registry: a signed URL that it redirected to may have run out.
            let Err(broken) = self.transfer(session, ranges, stop)? else { continue };
            let gained = self.written - far >= PROGRESS;
            if gained {
                (failures, far) = (0, self.written);
            }
            failures += 1;
            match broken {
                Broken::Off(error) if failures >= session.tries() && !gained => return Err(error),
                Broken::Off(_) => session.transport().pause(failures, stop)?,
                Broken::Range => ranges = false,
            }
        }
        let found = self.hasher.clone().finish();
        match found == self.descriptor.digest {
            true => Ok(()),
            false => {
                let object = self.object(&self.url(session));
                Err(RegistryError::Digest { object, expected: self.descriptor.digest, found })
            }
        }
    }

    fn url(&self, session: &Session) -> Url {
        session.url("blobs", &self.descriptor.digest.to_string())
    }

    /// What came from a URL, for an error.
    fn object(&self, url: &Url) -> String {
        format!("{url}{}", self.sent)
    }

    /// The error of an answer that was complete and has another length. `found` is in bytes.
    fn wrong_length(&self, url: &Url, found: impl ToString) -> RegistryError {
        let (object, found) = (self.object(url), found.to_string());
        RegistryError::Size { object, expected: self.descriptor.size, found }
    }

    fn transfer(
        &mut self,
        session: &Session,
        ranges: bool,
        stop: &Stop,
    ) -> Result<Result<(), Broken>, RegistryError> {
        let url = self.url(session);
        let size = self.descriptor.size;
        let from = if ranges { self.written } else { 0 };
        let range = format!("bytes={from}-");
        let headers: &[_] = if from > 0 { &[("range", range.as_str())] } else { &[] };
        // What is still an error then has been tried often enough.
        let answer = session.get(&url, headers, self.deadline, stop)?;
        let start = match answer.status {
            // The server sends all again: the beginning is there already.
            200 => 0,
            206 if from > 0 && range::is_rest(answer.headers("content-range"), from, size) => from,
            206 | 416 if from > 0 => return Ok(Err(Broken::Range)),
            206 => {
                let what = "the server sent a part (206) of what was asked for whole";
                return Err(RegistryError::document(&url.to_string(), what));
            }
            status => return Err(answer.refusal(session.advice(status))),
        };
        self.sent = explanation(&answer);
        let length = answer.header("content-length").and_then(|length| length.trim().parse::<u64>().ok());
        // Chunks overrule a length (RFC 9112, 6.3).
        let framing = match (answer.header("transfer-encoding"), length) {
            (Some(_), _) => Framing::Chunks,
            // The same request would get the same answer: a length that is wrong is not a broken line.
            (None, Some(length)) if length != size - start => {
                return Err(self.wrong_length(&url, start.saturating_add(length)));
            }
            (None, Some(_)) => Framing::Length,
            (None, None) => Framing::Close,
        };
        let pace = Pace::new(&session.transport().limits);
        self.copy(answer, start, framing, pace, stop)
    }

    /// Copies an answer whose first byte is the blob's byte `at`.
    fn copy(
        &mut self,
        answer: Answer,
        mut at: u64,
        framing: Framing,
        mut pace: Pace,
        stop: &Stop,
    ) -> Result<Result<(), Broken>, RegistryError> {
        let url = answer.url.clone();
        let size = self.descriptor.size;
        let mut body = answer.reader();
        let mut buffer = vec![0; 128 << 10];
        loop {
            let start = Instant::now();
            let read = body.read(&mut buffer);
            let waited = start.elapsed();
            if let Some(deadline) = self.deadline.filter(Deadline::is_over)
                && self.written < size
            {
                stop.check()?;
                return Err(deadline.error(&url));
            }
            let count = match read {
                Ok(count) => count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                // All is there: how it ends does not matter.
                Err(_) if self.written == size => return Ok(Ok(())),
                Err(e) => {
                    stop.check()?;
                    let error = failure::of_body(&url, e);
                    return if error.is_transient() { Ok(Err(Broken::Off(error))) } else { Err(error) };
                }
            };
            stop.check()?;
            if let Err(what) = pace.add(count, waited)
                && at.saturating_add(count as u64) < size
            {
                let url = url.to_string();
                return Ok(Err(Broken::Off(RegistryError::Network { url, what, transient: true })));
            }
            if count == 0 && at < size && framing == Framing::Chunks {
                return Err(self.wrong_length(&url, at));
            }
            if count == 0 && self.written < size {
                let what = format!("the answer ended after {} of {size} bytes", self.written);
                let url = url.to_string();
                return Ok(Err(Broken::Off(RegistryError::Network { url, what, transient: true })));
            }
            if count == 0 {
                return Ok(Ok(()));
            }
            let known = self.written.saturating_sub(at).min(count as u64);
            at += count as u64;
            if at > size {
                return Err(self.wrong_length(&url, format!("at least {at}")));
            }
            self.write(&buffer[known as usize..count])?;
            if self.progress.cancelled() {
                return Err(RegistryError::Cancelled);
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), RegistryError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.sink.write_all(bytes).map_err(|source| self.refused(source))?;
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        if let Some(more) = self.written.checked_sub(self.told) {
            self.progress.bytes(more);
            self.told = self.written;
        }
        Ok(())
    }

    fn refused(&self, source: io::Error) -> RegistryError {
        RegistryError::Write { target: format!("writing blob {}", self.descriptor.digest), source }
    }
}

/// What the headers of an answer say that explains wrong bytes.
fn explanation(answer: &Answer) -> String {
    let encoding = answer.header("content-encoding").filter(|encoding| *encoding != "identity");
    let html = answer.header("content-type").filter(|kind| kind.trim().starts_with("text/html"));
    match (encoding, html) {
        (Some(encoding), _) => format!(" (sent with Content-Encoding {})", error::sanitised(encoding)),
        (None, Some(_)) => " (sent as text/html, a page for browsers)".to_string(),
        (None, None) => String::new(),
    }
}
