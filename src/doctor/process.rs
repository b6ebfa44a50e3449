//! Running other programs for a moment: each has a time limit, no terminal, and a process group of its own, which
//! is killed as a whole when the time is over or the user interrupts.

use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::threads::{self, ThreadError};

/// Bytes of a program's output that are kept; the rest is read and dropped, so that the program can end.
const LARGEST: u64 = 4 << 20;

/// How often a running program is looked at.
const SLICE: Duration = Duration::from_millis(10);

/// How long the output of a program that ended may stay open: a process that it left behind can hold it.
const AFTER_THE_END: Duration = Duration::from_millis(500);

/// The user interrupted.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// Runs programs within a time limit.
pub struct Runner {
    /// The time limit of each.
    pub limit: Duration,
    /// Set by a signal.
    pub interrupted: Arc<AtomicBool>,
}

/// How a program ended, and what it printed.
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// The line of standard error that says why: Nix's first `error:`, else the last line; else how it ended.
    pub fn reason(&self) -> String {
        let lines = || self.stderr.lines().map(str::trim).filter(|line| !line.is_empty());
        let error = lines().skip_while(|line| !line.starts_with("error:"));
        // Newer versions put the message below an empty `error:`.
        let error = error.map(|line| line.trim_start_matches("error:").trim()).find(|line| !line.is_empty());
        match (error.or_else(|| lines().next_back()), self.status.signal()) {
            (_, Some(signal)) => format!("ended by signal {signal}"),
            (Some(line), None) => line.to_string(),
            (None, None) => format!("{}", self.status),
        }
    }
}

impl Runner {
    /// Runs a program to its end. The inner error says why there is no answer.
    pub fn run(&self, command: &mut Command) -> Result<Result<Finished, String>, Interrupted> {
        let started = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn();
        match started {
            Ok(child) => self.watch(child),
            Err(e) => Ok(Err(format!("cannot be started: {e}"))),
        }
    }

    fn watch(&self, mut child: Child) -> Result<Result<Finished, String>, Interrupted> {
        let start = Instant::now();
        let readers =
            reading(child.stdout.take()).and_then(|stdout| Ok((stdout, reading(child.stderr.take())?)));
        let (stdout, stderr) = match readers {
            Ok(readers) => readers,
            Err(e) => {
                end(&mut child);
                return Ok(Err(e.to_string()));
            }
        };
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Err(e) => return Ok(Err(e.to_string())),
                Ok(None) => {}
            }
            let interrupted = self.interrupted.load(Ordering::Relaxed);
            if interrupted || start.elapsed() >= self.limit {
                end(&mut child);
                return match interrupted {
                    true => Err(Interrupted),
                    false => Ok(Err(format!("no answer within {} s", self.limit.as_secs()))),
                };
            }
            thread::sleep(SLICE);
        };
        let text = |output: Receiver<Vec<u8>>| {
            String::from_utf8_lossy(&output.recv_timeout(AFTER_THE_END).unwrap_or_default()).into_owned()
        };
        Ok(Ok(Finished { status, stdout: text(stdout), stderr: text(stderr) }))
    }
}

/// Ends a program with its children.
fn end(child: &mut Child) {
    let _ = rustix::process::kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.wait();
}

/// Reads in a thread of its own, which is not joined.
fn reading(output: Option<impl Read + Send + 'static>) -> Result<Receiver<Vec<u8>>, ThreadError> {
    let (send, receive) = channel();
    if let Some(mut output) = output {
        threads::start(move || {
            let mut bytes = Vec::new();
            let _ = output.by_ref().take(LARGEST).read_to_end(&mut bytes);
            let _ = io::copy(&mut output, &mut io::sink());
            let _ = send.send(bytes);
        })?;
    }
    Ok(receive)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runner(limit: u64) -> Runner {
        Runner { limit: Duration::from_secs(limit), interrupted: Arc::new(AtomicBool::new(false)) }
    }

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn output_of_any_length_is_read_while_the_program_runs() {
        let script = "head -c 6000000 /dev/zero; echo error >&2; exit 3";
        let finished = runner(60).run(&mut shell(script)).unwrap().unwrap();
        assert_eq!(finished.status.code(), Some(3));
        assert_eq!(finished.stdout.len() as u64, LARGEST);
        assert_eq!(finished.stderr, "error\n");
    }

    #[test]
    fn a_program_that_hangs_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {}; wait", file.display());
        let answer = runner(1).run(&mut shell(&script)).unwrap();
        assert_eq!(answer.err().unwrap(), "no answer within 1 s");
        let child = std::fs::read_to_string(&file).unwrap();
        // Killed, it is gone or a zombie, as soon as the kernel has come to it.
        let stat = || std::fs::read_to_string(format!("/proc/{}/stat", child.trim()));
        let ended = || stat().map_or(true, |stat| stat.contains(") Z "));
        let end = Instant::now() + Duration::from_secs(60);
        while !ended() && Instant::now() < end {
            thread::sleep(SLICE);
        }
        assert!(ended(), "{child} is running");
    }

    #[test]
    fn an_interruption_ends_the_wait() {
        let runner = runner(1000);
        runner.interrupted.store(true, Ordering::Relaxed);
        assert!(runner.run(&mut shell("sleep 1000")).is_err());
    }

    #[test]
    fn the_reason_is_nixs_error() {
        let reason = |script: &str| runner(60).run(&mut shell(script)).unwrap().unwrap().reason();
        assert_eq!(reason("echo 'warning: x' >&2; echo 'error: no y' >&2; echo Try >&2; exit 1"), "no y");
        assert_eq!(reason("printf 'error:\\n  … while\\n' >&2; exit 1"), "… while");
        assert_eq!(reason("echo last >&2; exit 1"), "last");
        assert_eq!(reason("exit 4"), "exit status: 4");
        assert_eq!(reason("kill -SEGV $$"), "ended by signal 11");
    }
}
