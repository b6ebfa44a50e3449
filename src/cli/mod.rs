//! The command `gantry`, one file a subcommand. The edge of the program: the clock, the environment,
//! signals and the terminal are looked at here and nowhere else.

mod build;
mod completions;
mod doctor;
mod export;
mod inspect;
mod man;
mod merge;
mod packing;
mod prefetch;
mod progress;
mod pull;
mod size;
mod source;
mod standard_output;
mod stream;

use std::any::Any;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand};

use crate::assemble::AssembleError;
use crate::base::BaseError;
use crate::layer::LayerError;
use crate::layer::decompress::{Bounds, MOST, RATIO};
use crate::output::{FlatError, OutputError};
use crate::printable::to_stderr;
use crate::pull::PullError;
use crate::root::database::DatabaseError;
use crate::root::{self, RootError};
use crate::sandbox;
use crate::temporary::TemporaryDirectory;
use standard_output::StandardOutput;

/// OCI images from Nix store closures.
///
/// Exit status: 0 done; 1 failed, the last line on standard error says why; 2 wrong usage;
/// 130 interrupted.
#[derive(Parser)]
#[command(name = "gantry", version, about, long_about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build a root layer or an image: the builder of builtins.ociImage's derivations.
    Build(build::Arguments),
    /// Print a builtins.pullImage call, with the digest that a tag has now.
    Prefetch(prefetch::Arguments),
    /// Pull an image from a registry.
    Pull(pull::Arguments),
    /// Write the archive of an image to standard output: what an image of format = "stream" does.
    Stream(stream::Arguments),
    /// Put several images into one archive.
    Merge(merge::Arguments),
    /// Write an image's root file system as one tar, its layers put together.
    Export(export::Arguments),
    /// Show an image: its layers with size, digest and store paths.
    Inspect(inspect::Arguments),
    /// Find out whether images can be built on this machine, and what to change.
    Doctor(doctor::Arguments),
    /// Print completions for a shell.
    Completions(completions::Arguments),
    /// Write the man pages of gantry and of its commands.
    Man(man::Arguments),
}

/// What ends a command early.
enum Failure {
    /// One line for the user.
    Message(String),
    /// What was printed says it.
    Reported,
    /// A signal.
    Interrupted,
}

impl<E: std::error::Error + 'static> From<E> for Failure {
    fn from(error: E) -> Failure {
        let any: &dyn Any = &error;
        let interrupted = matches!(any.downcast_ref(), Some(RootError::Interrupted))
            || matches!(any.downcast_ref(), Some(AssembleError::Layer(LayerError::Interrupted)))
            || matches!(
                any.downcast_ref(),
                Some(AssembleError::Output(OutputError::Layer(LayerError::Interrupted)))
            )
            || matches!(
                any.downcast_ref(),
                Some(
                    AssembleError::Base(BaseError::Interrupted)
                        | AssembleError::FromImage(BaseError::Interrupted)
                )
            )
            || matches!(any.downcast_ref(), Some(BaseError::Interrupted))
            || matches!(any.downcast_ref(), Some(RootError::Base(BaseError::Interrupted)))
            || matches!(any.downcast_ref(), Some(FlatError::Interrupted))
            || matches!(any.downcast_ref(), Some(DatabaseError::Interrupted))
            || any.downcast_ref().is_some_and(PullError::is_interruption);
        match interrupted {
            true => Failure::Interrupted,
            false => Failure::Message(error.to_string()),
        }
    }
}

impl Failure {
    /// With another message.
    fn reworded(self, reword: impl Fn(&str) -> String) -> Failure {
        match self {
            Failure::Message(message) => Failure::Message(reword(&message)),
            other => other,
        }
    }
}

/// Runs the command line of this process; `stdout_is_open`: whether it was when the process began.
pub fn run(stdout_is_open: bool) -> ExitCode {
    if let Err(e) = survive_file_size_limit() {
        to_stderr("error", &format!("cannot handle SIGXFSZ: {e}"));
        return ExitCode::FAILURE;
    }
    // The processes that this program starts itself: `build` for a root layer's scripts, with a task on standard
    // input, and `doctor`. They are not commands of clap's, which suggests hidden ones for misspelt ones.
    if std::env::args_os().skip(1).eq([root::commands::INSIDE]) {
        // No threads, and no handlers of Ctrl-C: this process forks and enters namespaces.
        return match root::commands::inside() {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                to_stderr("error", &e.to_string());
                ExitCode::FAILURE
            }
        };
    }
    if std::env::args_os().skip(1).eq([sandbox::NAMESPACES]) {
        return doctor::try_namespaces();
    }
    let arguments = Arguments::parse();
    let stdout = StandardOutput::new(stdout_is_open);
    let result = bounds().and_then(|bounds| {
        bounds.set();
        interrupt_flag()
    });
    let result = result.and_then(|interrupted| match arguments.command {
        Command::Build(arguments) => build::run(arguments, interrupted),
        Command::Prefetch(arguments) => prefetch::run(arguments, stdout, interrupted),
        Command::Pull(arguments) => pull::run(arguments, interrupted),
        Command::Stream(arguments) => stream::run(arguments, stdout, interrupted),
        Command::Merge(arguments) => merge::run(arguments, interrupted),
        Command::Export(arguments) => export::run(arguments, stdout, interrupted),
        Command::Inspect(arguments) => inspect::run(arguments, stdout, interrupted),
        Command::Doctor(arguments) => doctor::run(arguments, stdout, interrupted),
        Command::Completions(arguments) => completions::run(arguments, stdout),
        Command::Man(arguments) => man::run(arguments),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Message(message)) => {
            to_stderr("error", &message);
            ExitCode::FAILURE
        }
        Err(Failure::Reported) => ExitCode::FAILURE,
        Err(Failure::Interrupted) => {
            to_stderr("error", "interrupted");
            ExitCode::from(130)
        }
    }
}

/// A write beyond the limit of file sizes (`ulimit -f`) sends SIGXFSZ, which would end the process without a word and
/// leave its temporary files. With a handler, the write fails with EFBIG instead. Handlers, unlike ignored signals, are
/// not inherited by programs that are executed (execve(2)): scripts have the default action.
fn survive_file_size_limit() -> std::io::Result<()> {
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default()).map(drop)
}

/// A flag that the first SIGINT, SIGTERM or SIGHUP sets; the second ends the process at once.
fn interrupt_flag() -> Result<Arc<AtomicBool>, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, flag.clone())?;
        signal_hook::flag::register(signal, flag.clone())?;
    }
    Ok(flag)
}

/// How many bytes may come out of a compressed blob, as the user says.
fn bounds() -> Result<Bounds, Failure> {
    let number = |name: &str, usual: u64| match std::env::var_os(name) {
        None => Ok(usual),
        Some(text) => {
            let number = text.to_str().and_then(|text| text.parse().ok()).filter(|&number: &u64| number > 0);
            number.ok_or_else(|| Failure::Message(format!("{name} is {text:?}, expected a number from 1 up")))
        }
    };
    let usual = Bounds::USUAL;
    let (ratio, most) = (number(RATIO, usual.ratio)?, number(MOST, usual.most)?);
    Ok(Bounds { ratio, most, ..usual })
}

/// A directory for what is needed until a command ends, in `parent`.
fn temporary_directory(parent: &Path) -> Result<TemporaryDirectory, Failure> {
    TemporaryDirectory::new_in(parent, "gantry-")
        .map_err(|e| Failure::Message(format!("{}: {e}", parent.display())))
}

/// Seconds since 1970.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// Threads: as given, as Nix says (0 means all), or one a core.
fn threads(given: Option<NonZeroUsize>) -> usize {
    let all = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let of_nix = || std::env::var("NIX_BUILD_CORES").ok()?.parse::<usize>().ok().filter(|&cores| cores > 0);
    given.map(NonZeroUsize::get).or_else(of_nix).unwrap_or_else(all)
}
