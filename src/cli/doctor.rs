//! `gantry doctor`: the environment goes in, a table or JSON comes out.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::Failure;
use super::standard_output::StandardOutput;
use crate::doctor::{self, Check, Report, Runner, Status, Surroundings};
use crate::printable::printable;
use crate::registry::Environment;
use crate::sandbox;

#[derive(clap::Args)]
pub struct Arguments {
    /// The program `nix` [default: that in PATH]
    #[arg(long, value_name = "PATH", value_parser = executable)]
    nix: Option<PathBuf>,
    /// The file that plugin-files names, lib/nix/plugins/libgantry.so [default: nix.conf's, or that beside this program]
    #[arg(long, value_name = "PATH", value_parser = file)]
    plugin: Option<PathBuf>,
    /// Seconds that every program that is asked may take
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// An absolute path: programs are run in other directories.
fn file(text: &str) -> Result<PathBuf, String> {
    let path = std::path::absolute(text).map_err(|e| e.to_string())?;
    match path.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(path),
        Ok(_) => Err("expected a file, found something else".to_string()),
        Err(e) => Err(e.to_string()),
    }
}

fn executable(text: &str) -> Result<PathBuf, String> {
    let path = file(text)?;
    match rustix::fs::access(&path, rustix::fs::Access::EXEC_OK) {
        Ok(()) => Ok(path),
        Err(_) => Err("expected a program, found a file that is not executable".to_string()),
    }
}

pub fn run(
    arguments: Arguments,
    stdout: StandardOutput,
    interrupted: Arc<AtomicBool>,
) -> Result<(), Failure> {
    let surroundings = Surroundings {
        environment: Environment::of_process(),
        nix: arguments.nix,
        plugin: arguments.plugin,
        prefixes: prefixes(env::args_os().next(), env::var_os("PATH"), env::current_exe().ok()),
        runner: Runner { limit: Duration::from_secs(arguments.timeout), interrupted },
    };
    let report = doctor::examine(&surroundings).map_err(|_| Failure::Interrupted)?;
    let text = match arguments.json {
        true => serde_json::to_string_pretty(&report)? + "\n",
        false => table(&report, io::stdout().is_terminal() && wants_colours()),
    };
    stdout.print(&text)?;
    if report.can_build { Ok(()) } else { Err(Failure::Reported) }
}

/// The child process that enters namespaces: exit code 1, and two lines that say why and what to do.
pub fn try_namespaces() -> ExitCode {
    match sandbox::try_namespaces() {
        Ok(()) => ExitCode::SUCCESS,
        Err((cause, remedy)) => {
            let _ = write!(io::stdout(), "{cause}\n{remedy}\n");
            ExitCode::FAILURE
        }
    }
}

/// Where this program is installed: under the name that it was called by, which may be a link in another prefix than
/// the file, and where the file is.
fn prefixes(called: Option<OsString>, path: Option<OsString>, file: Option<PathBuf>) -> Vec<PathBuf> {
    let called = called.map(PathBuf::from).and_then(|called| match called.components().count() {
        1 => env::split_paths(&path?).map(|folder| folder.join(&called)).find(|program| program.is_file()),
        _ => std::path::absolute(called).ok(),
    });
    let prefix = |program: PathBuf| program.parent().and_then(Path::parent).map(Path::to_path_buf);
    let mut prefixes: Vec<PathBuf> = called.into_iter().chain(file).filter_map(prefix).collect();
    prefixes.dedup();
    prefixes
}

/// <https://no-color.org>
fn wants_colours() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn table(report: &Report, colours: bool) -> String {
    let title = report.checks.iter().map(|check| check.title.len()).max().unwrap_or_default();
    let mut out = String::new();
    for Check { title: name, status, found, advice, .. } in &report.checks {
        // ECMA-48, SGR
        let (word, colour) = match status {
            Status::Ok => ("ok", "32"),
            Status::Warning => ("warning", "33"),
            Status::Problem => ("problem", "31"),
            Status::Skipped => ("skipped", "2"),
        };
        let word = format!("{word:8}");
        let word = if colours { format!("\x1b[{colour}m{word}\x1b[0m") } else { word };
        out += &format!("{word} {name:title$}  {}\n", printable(found));
        if let Some(advice) = advice {
            out += &format!("{:8} {:title$}  -> {}\n", "", "", printable(advice));
        }
    }
    out + &format!("\n{}\n", printable(&report.summary))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_aligned_and_coloured_only_where_asked() {
        let check = |title, status, advice: Option<&str>| Check {
            id: "id",
            title,
            status,
            found: "found\x1b[0m".into(),
            advice: advice.map(str::to_string),
        };
        let checks =
            vec![check("Nix", Status::Ok, None), check("nix.conf", Status::Problem, Some("do this"))];
        let report = Report { can_build: false, summary: "Images cannot be built: why".into(), checks };
        let expected = "ok       Nix       found\\u{1b}[0m\nproblem  nix.conf  found\\u{1b}[0m\n                   -> do this\n\n\
                        Images cannot be built: why\n";
        assert_eq!(table(&report, false), expected);
        assert!(table(&report, true).starts_with("\x1b[32mok      \x1b[0m Nix "));
    }

    #[test]
    fn prefixes_are_those_of_the_link_and_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("bin/gantry");
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        std::fs::write(&link, "").unwrap();
        let (file, own) = (PathBuf::from("/store/x/bin/gantry"), folder.path().to_path_buf());
        let both = vec![own.clone(), PathBuf::from("/store/x")];
        let path = Some(own.join("bin").into_os_string());
        assert_eq!(prefixes(Some("gantry".into()), path.clone(), Some(file.clone())), both);
        assert_eq!(prefixes(Some(link.clone().into()), None, Some(file)), both);
        assert_eq!(prefixes(Some("gantry".into()), path, Some(link)), vec![own]);
        assert_eq!(prefixes(None, None, None), Vec::<PathBuf>::new());
    }
}
