//! Whether this Nix loads the plugin and evaluates an image with it: tried in a child process, with a store of its
//! own. Where a Nix loads no plugins, whether it evaluates one with the plain functions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::configuration::{self, Configuration};
use super::nix::{Kind, Nix};
use super::process::Finished;
use super::{Check, Interrupted, Status, Surroundings};
use crate::temporary::TemporaryDirectory;

/// Where the file that users name in `plugin-files` is in a prefix; cpp/loader.c says the rest of the layout.
const LOADER: &str = "lib/nix/plugins/libgantry.so";

/// Where the plain functions are in a prefix.
const FUNCTIONS: &str = "share/gantry/nix";

/// The image that is evaluated: enough for the arguments to be checked and the builder to be found.
const IMAGE: &str = r#"{ name = "gantry-doctor"; config.Cmd = [ "/bin/true" ]; }"#;

/// What came of the trial.
pub struct Tried {
    pub checks: Vec<Check>,
    /// What images are made with, for people.
    pub means: Option<String>,
}

/// What this Nix made of the loader.
enum Outcome {
    /// An image was evaluated.
    Evaluated,
    /// The Nix loads no plugins, whichever.
    NoPlugins(String),
    /// This plugin does not work: why, and what to do.
    Unfit(String, String),
}

/// Tries the plugin, and where this Nix can have none, the plain functions.
pub fn examine(
    surroundings: &Surroundings,
    nix: &Nix,
    configuration: &Configuration,
) -> Result<Tried, Interrupted> {
    let title = ("plugin", "plugin");
    let folder = match TemporaryDirectory::new_in(&std::env::temp_dir(), "gantry-doctor-") {
        Ok(folder) => folder,
        Err(e) => {
            let check = Check::new(title.0, title.1, Status::Problem, format!("no temporary directory: {e}"));
            return Ok(Tried {
                checks: vec![check.advise("set TMPDIR to a directory that is writable")],
                means: None,
            });
        }
    };
    let folder = folder.path();
    let Some(loader) = loader(surroundings, configuration) else {
        let looked: Vec<String> =
            surroundings.prefixes.iter().map(|prefix| prefix.join(LOADER).display().to_string()).collect();
        let check =
            Check::new(title.0, title.1, Status::Problem, format!("not found at {}", looked.join(", ")));
        let check =
            check.advise("install it (make install, or the flake's package), or name it with --plugin PATH");
        return Ok(Tried { checks: vec![check], means: None });
    };
    let plugin = directory(&loader).map(|versions| versions.join(&nix.version).join("libgantry.so"));
    let place = plugin.filter(|plugin| plugin.exists()).unwrap_or_else(|| loader.clone());

    let expression =
        format!("if builtins ? ociImage then (builtins.ociImage {IMAGE}).drvPath else \"no builtin\"");
    let mut command = nix.isolated(&surroundings.environment, folder);
    command.arg("--option").arg("plugin-files").arg(&loader).args([
        "eval",
        "--impure",
        "--raw",
        "--expr",
        &expression,
    ]);
    let outcome = match surroundings.runner.run(&mut command)? {
        Ok(finished) => judge(nix, &loader, &finished),
        Err(what) => Outcome::Unfit(format!("evaluating an image with {}: {what}", loader.display()), slow()),
    };
    let check = |status, found: String| Check::new(title.0, title.1, status, found);
    Ok(match outcome {
        Outcome::Evaluated => {
            let mut checks = vec![check(Status::Ok, format!("{} evaluated an image", place.display()))];
            if configuration.works() {
                checks.push(configured(surroundings, nix, &loader, folder)?);
            }
            Tried { checks, means: Some(format!("{} and its plugin", name(nix))) }
        }
        Outcome::NoPlugins(why) => {
            let advice =
                "use the plain functions (nix/default.nix, docs/command.md), or another Nix for evaluation";
            let functions = functions(surroundings, nix, folder)?;
            let works = functions.status == Status::Ok;
            Tried {
                checks: vec![check(Status::Warning, why).advise(advice), functions],
                means: works.then(|| {
                    format!("{} and the plain functions; builtins.ociImage is not available", name(nix))
                }),
            }
        }
        Outcome::Unfit(why, advice) => {
            Tried { checks: vec![check(Status::Problem, why).advise(advice)], means: None }
        }
    })
}

/// The Nix without its path.
fn name(nix: &Nix) -> &str {
    nix.title.split(", /").next().unwrap_or(&nix.title)
}

fn slow() -> String {
    "try again with a longer --timeout".to_string()
}

/// The loader: as asked for; that of the configuration; that beside this program.
fn loader(surroundings: &Surroundings, configuration: &Configuration) -> Option<PathBuf> {
    if surroundings.plugin.is_some() {
        return surroundings.plugin.clone();
    }
    let words = configuration.plugin_files();
    let configured = words.iter().filter_map(|word| {
        let path = PathBuf::from(&word.text);
        let file = if path.is_dir() { path.join("libgantry.so") } else { path };
        (file.is_file() && file.file_name().is_some_and(|name| name == "libgantry.so")).then_some(file)
    });
    let own = surroundings.prefixes.iter().map(|prefix| prefix.join(LOADER)).filter(|path| path.is_file());
    configured.chain(own).next()
}

/// The directory of the plugins that a loader chooses from: lib/gantry beside lib/nix/plugins, through links.
fn directory(loader: &Path) -> Option<PathBuf> {
    let real = fs::canonicalize(loader).ok()?;
    let directory = real.ancestors().nth(3)?.join("gantry");
    directory.is_dir().then_some(directory)
}

/// What the answer of `nix eval` means.
fn judge(nix: &Nix, loader: &Path, finished: &Finished) -> Outcome {
    let said = finished.stderr.lines().find_map(|line| line.strip_prefix("gantry: "));
    let said = said.map(|line| line.split("; builtins.ociImage").next().unwrap_or(line).to_string());
    let other_build = "a plugin works only with the very build of Nix whose headers it was made with: another build of the \
                       same version can have another binary interface";
    let build = match nix.kind {
        Kind::Lix | Kind::Determinate => {
            "the plugin is for upstream Nix; use the plain functions (docs/command.md)".to_string()
        }
        Kind::Upstream | Kind::Unknown => format!(
            "make it for this Nix: `make plugin` with the pkg-config files of Nix {0}, or packages.SYSTEM.gantry.override \
             {{ nix = …; }}; {other_build}",
            nix.version
        ),
    };
    let foreign = matches!(nix.kind, Kind::Lix | Kind::Determinate);
    if finished.status.success() {
        return match (finished.stdout.trim(), said) {
            ("no builtin", Some(line)) if foreign => Outcome::NoPlugins(line),
            ("no builtin", Some(line)) => Outcome::Unfit(line, build),
            ("no builtin", None) => Outcome::NoPlugins(format!(
                "this Nix loads {}, but hides the symbols that plugins need (a static build, or Debian's since 13)",
                loader.display()
            )),
            (path, _) if path.ends_with(".drv") => Outcome::Evaluated,
            (other, _) => {
                Outcome::Unfit(format!("evaluating an image gave {other:?}, expected a derivation"), build)
            }
        };
    }
    let reason = finished.reason();
    if finished.stderr.contains("Dynamic loading not supported") {
        return Outcome::NoPlugins(format!("this Nix is static and loads no plugins: {reason}"));
    }
    if foreign {
        return Outcome::NoPlugins(format!("the plugin does not work with it: {reason}"));
    }
    Outcome::Unfit(format!("{}: {reason}", loader.display()), build)
}

/// Whether the user's own configuration has the builtin.
fn configured(
    surroundings: &Surroundings,
    nix: &Nix,
    loader: &Path,
    folder: &Path,
) -> Result<Check, Interrupted> {
    let check = |status, found: &str| Check::new("builtin", "builtins.ociImage", status, found);
    let mut command = nix.with_users_configuration(&surroundings.environment);
    // No store is opened but a temporary one, and no cache written.
    command.env("XDG_CACHE_HOME", folder.join("cache")).arg("--store").arg(folder.join("store"));
    command.args(["--extra-experimental-features", "nix-command"]);
    command.args(["eval", "--impure", "--expr", "builtins ? ociImage"]);
    let line = format!(
        "add to {}: plugin-files = {}; or for one command: nix --option plugin-files {1} …",
        configuration::system_file(&surroundings.environment).display(),
        loader.display()
    );
    Ok(match surroundings.runner.run(&mut command)? {
        Ok(finished) if finished.status.success() && finished.stdout.trim() == "true" => {
            check(Status::Ok, "there, with this user's nix.conf")
        }
        Ok(finished) if finished.status.success() => {
            check(Status::Warning, "not there: nix.conf does not name the plugin").advise(line)
        }
        Ok(finished) => check(Status::Warning, &format!("not known: {}", finished.reason())),
        Err(what) => check(Status::Warning, &format!("not known: {what}")).advise(slow()),
    })
}

/// Whether an image can be evaluated with the plain functions that are installed with this program.
fn functions(surroundings: &Surroundings, nix: &Nix, folder: &Path) -> Result<Check, Interrupted> {
    let check = |status, found: String| Check::new("functions", "plain functions", status, found);
    let has_functions = |prefix: &&PathBuf| prefix.join(FUNCTIONS).join("default.nix").is_file();
    let Some(prefix) = surroundings.prefixes.iter().find(has_functions) else {
        return Ok(check(
            Status::Problem,
            format!("there is no {FUNCTIONS} where this program is installed"),
        )
        .advise("install Gantry with `make install`"));
    };
    let directory = prefix.join(FUNCTIONS);
    let expression = format!(
        "((import {directory:?} {{ gantry = {{ outPath = {prefix:?}; system = builtins.currentSystem; version = \"0\"; }}; }}).ociImage {IMAGE}).drvPath"
    );
    let mut command: Command = nix.isolated(&surroundings.environment, folder);
    command.args(["eval", "--impure", "--raw", "--expr", &expression]);
    let failed = |why: String| {
        check(Status::Problem, format!("{}: {why}", directory.display())).advise("install Gantry again")
    };
    Ok(match surroundings.runner.run(&mut command)? {
        Ok(finished) if finished.status.success() && finished.stdout.trim().ends_with(".drv") => {
            check(Status::Ok, format!("{} evaluated an image", directory.display()))
        }
        Ok(finished) => failed(finished.reason()),
        Err(what) => failed(what).advise(slow()),
    })
}
