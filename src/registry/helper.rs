//! `docker-credential-NAME get`: programs that keep credentials (docker/docker-credential-helpers).

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::Environment;
use super::credentials::Credentials;
use crate::threads;

/// How long a helper may think; some wait for a keychain to be unlocked.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of an answer.
const LARGEST_ANSWER: u64 = 64 << 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

/// What the helper knows of `server`. Errors repeat nothing that it printed: that may be a secret.
pub(super) fn get(
    environment: &Environment,
    name: &str,
    server: &str,
) -> Result<Option<Credentials>, String> {
    get_within(environment, name, server, PATIENCE)
}

fn get_within(
    environment: &Environment,
    name: &str,
    server: &str,
    patience: Duration,
) -> Result<Option<Credentials>, String> {
    let right = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if name.is_empty() || !name.bytes().all(right) {
        return Err(format!(
            "{name:?} is no name of a credential helper: A-Z, a-z, 0-9, \".\", \"_\" and \"-\""
        ));
    }
    let name = format!("docker-credential-{name}");
    let program = in_path(environment, &name).ok_or_else(|| format!("{name} is not in PATH"))?;
    let mut child = Command::new(&program)
        .arg("get")
        .env_clear()
        .envs(&environment.variables)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("{}: {e}", program.display()))?;
    let answer = converse(&mut child, server, patience);
    // Killing what has ended does nothing.
    let _ = child.kill();
    let status = child.wait().map_err(|e| format!("{name}: {e}"))?;
    let answer = answer.map_err(|what| format!("{name}: {what}"))?;
    let text = String::from_utf8_lossy(&answer);
    if text.contains("credentials not found") {
        return Ok(None);
    }
    // Killed after a whole answer, it may have had no time to end.
    if status.code().is_some_and(|code| code != 0) {
        return Err(format!("{name} failed ({status})"));
    }
    let answer: Answer =
        serde_json::from_slice(&answer).map_err(|_| format!("{name}: its answer is no JSON"))?;
    Ok(match (answer.username.as_str(), answer.secret.is_empty()) {
        (_, true) => None,
        ("<token>", _) => Some(Credentials::IdentityToken(answer.secret)),
        (user, _) => Some(Credentials::Password { user: user.to_string(), password: answer.secret }),
    })
}

/// Writes the server's name and reads the answer, in time.
fn converse(child: &mut Child, server: &str, patience: Duration) -> Result<Vec<u8>, String> {
    let start = Instant::now();
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not listen is judged by its answer. So few bytes always fit into the pipe.
        let _ = stdin.write_all(server.as_bytes());
    }
    let Some(stdout) = child.stdout.take() else { return Ok(Vec::new()) };
    let (send, receive) = std::sync::mpsc::channel();
    // Not joined: a grandchild can hold the pipe open for ever.
    threads::start(move || {
        let mut answer = Vec::new();
        let read = stdout.take(LARGEST_ANSWER + 1).read_to_end(&mut answer);
        let _ = send.send(read.map(|_| answer));
    })
    .map_err(|e| e.to_string())?;
    let answer = match receive.recv_timeout(patience) {
        Ok(read) => read.map_err(|e| e.to_string())?,
        Err(_) => return Err(format!("no answer within {} s", patience.as_secs_f32())),
    };
    if answer.len() as u64 > LARGEST_ANSWER {
        return Err(format!("it printed more than {LARGEST_ANSWER} bytes"));
    }
    while start.elapsed() < patience && child.try_wait().is_ok_and(|status| status.is_none()) {
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(answer)
}

/// The program in an absolute directory of PATH: never in the working directory.
pub(super) fn in_path(environment: &Environment, name: &str) -> Option<PathBuf> {
    let directories = environment.variable("PATH")?.split(':').map(Path::new);
    directories.filter(|at| at.is_absolute()).map(|at| at.join(name)).find(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, environment};
    use super::*;

    /// What comes of a helper that is this shell script.
    fn run(script: &str) -> Result<Option<Credentials>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = testing::script(folder.path(), "docker-credential-x", script);
        get_within(&environment(&[("PATH", &path)]), "x", "x.test", Duration::from_secs(2))
    }

    #[test]
    fn helpers_answer_with_json() {
        let right =
            r#"read -r s || true; echo "{\"ServerURL\":\"$s\",\"Username\":\"u\",\"Secret\":\"of $s\"}""#;
        let password = Credentials::Password { user: "u".into(), password: "of x.test".into() };
        assert_eq!(run(right), Ok(Some(password)));
        assert_eq!(run("echo credentials not found in native keychain; exit 1"), Ok(None));
        assert_eq!(run(r#"echo '{"Username":"","Secret":""}'"#), Ok(None));
    }

    #[test]
    fn bad_helpers_are_errors_without_what_they_printed() {
        for (script, says) in [
            ("echo secret; exit 1", "failed"),
            ("echo secret", "no JSON"),
            ("yes secret", "more than 65536 bytes"),
            ("sleep 100", "no answer within 2 s"),
        ] {
            let error = run(script).unwrap_err();
            assert!(error.contains(says) && !error.contains("secret"), "{error}");
        }
        let environment = environment(&[("PATH", ".:bin:/nonexistent")]);
        assert_eq!(get(&environment, "x", "s").unwrap_err(), "docker-credential-x is not in PATH");
        for name in ["../x", "", "a/b", "a b", "é"] {
            assert!(get(&environment, name, "s").unwrap_err().contains("is no name"), "{name}");
        }
    }
}
