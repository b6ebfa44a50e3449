//! `gantry stream`: the archive of an image, to standard output. What the executable of an image of
//! `format = "stream"` runs.

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::Failure;
use super::progress::Display;
use super::standard_output::StandardOutput;
use crate::assemble::{AssembleError, Recipe, Surroundings};
use crate::output::{StreamedArchive, recipe_of_script};

#[derive(clap::Args)]
pub struct Arguments {
    /// What an image of format = "stream" is built as: it runs this command on itself
    file: PathBuf,
    /// Name and tag to give the image [default: its own]
    #[arg(short = 't', long = "repo_tag", visible_alias = "repo-tag", value_name = "NAME:TAG")]
    repo_tag: Option<String>,
    /// Threads to use; the result does not depend on it [default: all]
    #[arg(long, value_name = "N")]
    cores: Option<NonZeroUsize>,
}

pub fn run(
    arguments: Arguments,
    stdout: StandardOutput,
    interrupted: Arc<AtomicBool>,
) -> Result<(), Failure> {
    let Arguments { file, repo_tag, cores } = arguments;
    let fail = |what: String| Failure::Message(format!("{}: {what}", file.display()));
    let bytes = fs::read(&file).map_err(|e| fail(e.to_string()))?;
    let recipe = recipe_of_script(&bytes)
        .ok_or_else(|| fail("it is no image of format = \"stream\"".to_owned()))
        .and_then(|recipe| Recipe::from_json(recipe).map_err(|e| fail(e.to_string())))?;
    let spec = recipe.spec(repo_tag.as_deref())?;

    let out = stdout.for_a_tar("send the archive to a program (| docker load) or a file")?;
    let display = Display::new(false, interrupted);
    let surroundings = Surroundings {
        store: recipe.store(),
        threads: super::threads(cores),
        now: super::now(),
        progress: &display,
    };
    let send = || -> Result<(), AssembleError> {
        let plan = recipe.plan(&spec, &surroundings)?;
        display.expect(plan.bytes());
        let archive = StreamedArchive::new(out, stdout.name().into(), recipe.expected(&plan)?)?;
        plan.write(Box::new(archive))
    };
    let result = send();
    display.finish();
    Ok(result?)
}
