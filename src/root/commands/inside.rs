//! The process that makes a root layer with scripts. It is root of a user namespace of its own, and traces the scripts,
//! which run in namespaces of their own below it ([`crate::sandbox`]).

use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use super::changes::{ChangesError, Snapshot, is_no_whiteout, named_as_whiteout};
use super::disk::{Disk, DiskError};
use super::{Outcome, Task};
use crate::base::BaseError;
use crate::fakeroot::Records;
use crate::layer::Silent;
use crate::root::tree::Directory;
use crate::root::{self, DirectoryLinks, RootError};
use crate::sandbox::{self, Refused, Scaffold, Script, ScriptError, Surroundings, User};
use crate::spec::{ArgumentError, Commands, RootSpec};

/// Where programs are in most images; what is searched after the tools that the user names.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why a layer could not be made.
#[derive(Debug, thiserror::Error)]
enum InsideError {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("in the root of the scripts: {0}")]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Changes(#[from] ChangesError),
    #[error(transparent)]
    Script(#[from] ScriptError),
    #[error("fromImage: {0}")]
    Base(#[from] BaseError),
    #[error("{0}")]
    Root(#[from] RootError),
    #[error("{0}")]
    Argument(#[from] ArgumentError),
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("shell: {} is no program, and has neither bin/bash nor bin/sh", .0.display())]
    Shell(PathBuf),
}

impl InsideError {
    fn io(path: &Path) -> impl Fn(io::Error) -> InsideError + '_ {
        |source| InsideError::Io { path: path.to_path_buf(), source }
    }
}

/// Reads a task from standard input, does it, and writes to standard output what came of it.
pub fn inside() -> io::Result<()> {
    // Nobody else would end this when whoever asked for it is gone.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes)?;
    let task: Task = serde_json::from_slice(&bytes)?;
    tell(&match make(&task) {
        Ok(directory) => Outcome::Made(directory),
        Err(e) => Outcome::Failed(e.to_string()),
    })
}

fn tell(outcome: &Outcome) -> io::Result<()> {
    io::stdout().write_all(&serde_json::to_vec(outcome)?)
}

fn make(task: &Task) -> Result<Directory, InsideError> {
    sandbox::enter()?;
    let spec = RootSpec::from_json(&task.arguments)?;
    let image = spec.from_image.as_ref().map(|base| root::files_of(base, &Silent)).transpose()?;
    let mut tree = root::plain_tree(&spec, &task.store, image.as_ref())?;
    let Some(commands) = &spec.commands else { return Ok(tree) };
    let run = Run::new(task, commands)?;
    let mut records = Records::default();

    if let Some(text) = &commands.run_as_root {
        let merged = new_directory(task, "merged")?;
        let mut disk = Disk::open(&merged, &mut records)?;
        if let Some(image) = &image {
            disk.unpack(image, &Silent)?;
        }
        let below = Snapshot::take(&disk)?;
        disk.make(&tree, image.is_some())?;
        make_tmp(&merged)?;
        let scaffold = Scaffold::raise(&merged, &task.store).map_err(InsideError::io(&merged))?;
        run.script("runAsRoot", text, run.chrooted(&merged)).run(User::Root(&mut records))?;
        scaffold.lower(&mut records).map_err(InsideError::io(&merged))?;
        tree = below.changes(&Disk::open(&merged, &mut records)?)?;
    }
    if commands.extra.is_none() && commands.fake_root.is_none() {
        return Ok(tree);
    }
    // What runAsRoot has changed is where links lead to already, and a link that it replaced is none.
    let links = match spec.directory_links.as_deref() {
        Some(path) => DirectoryLinks::read(path)?,
        None => DirectoryLinks::default(),
    };
    let links = if commands.run_as_root.is_some() { links.but_for_directories_of(&tree) } else { links };
    let layer = new_directory(task, "layer")?;
    Disk::open(&layer, &mut records)?.make(&tree, false)?;
    if let Some(text) = &commands.extra {
        run.script("extraCommands", text, run.outside(&layer)).run(User::Ordinary(&mut records))?;
    }
    if let Some(text) = &commands.fake_root {
        let scaffold = match commands.fakechroot {
            true => Some(Scaffold::raise(&layer, &task.store).map_err(InsideError::io(&layer))?),
            false => None,
        };
        let surroundings = if commands.fakechroot { run.chrooted(&layer) } else { run.outside(&layer) };
        run.script("fakeRootCommands", text, surroundings).run(User::Root(&mut records))?;
        if let Some(scaffold) = scaffold {
            scaffold.lower(&mut records).map_err(InsideError::io(&layer))?;
        }
    }
    let mut tree = Disk::open(&layer, &mut records)?.read(true, &mut |_, _| {})?;
    links.follow(&mut tree)?;
    // As in dockerTools, an empty file of such a name deletes what the base has.
    match named_as_whiteout(&tree, is_no_whiteout) {
        Some(path) => Err(ChangesError::Whiteout(path).into()),
        None => Ok(tree),
    }
}

/// What the scripts of one layer share.
struct Run<'t> {
    task: &'t Task,
    commands: &'t Commands,
    shell: PathBuf,
    /// Where the files are mounted that a script sees which is not chrooted.
    view: PathBuf,
    /// The scripts' temporary files.
    temporary: PathBuf,
}

impl<'t> Run<'t> {
    fn new(task: &'t Task, commands: &'t Commands) -> Result<Run<'t>, InsideError> {
        let (view, temporary) = (new_directory(task, "view")?, new_directory(task, "tmp")?);
        // A program of a script that has become another user looks at the mode.
        fs::set_permissions(&temporary, Permissions::from_mode(0o1777))
            .map_err(InsideError::io(&temporary))?;
        Ok(Run { task, commands, shell: shell(&commands.shell)?, view, temporary })
    }

    fn script<'s>(&'s self, name: &'static str, text: &'s str, surroundings: Surroundings<'s>) -> Script<'s> {
        let tools = self.commands.path.iter().map(|package| package.join("bin").display().to_string());
        let usual = match &surroundings {
            Surroundings::Chrooted { .. } => Some(USUAL_PATH.to_owned()),
            Surroundings::Outside { .. } => None,
        };
        let environment = vec![
            ("PATH", tools.chain(usual).collect::<Vec<_>>().join(":")),
            // Programs that look for a place to keep things find none, as in every Nix build.
            ("HOME", "/homeless-shelter".to_owned()),
            ("NIX_STORE", self.task.store.display().to_string()),
            ("NIX_BUILD_CORES", self.task.cores.to_string()),
            ("SOURCE_DATE_EPOCH", self.task.mtime.to_string()),
            ("TZ", "UTC".to_owned()),
            ("TMPDIR", surroundings.temporary().to_owned()),
        ];
        Script { name, text, shell: &self.shell, environment, surroundings }
    }

    fn chrooted<'s>(&'s self, root: &'s Path) -> Surroundings<'s> {
        Surroundings::Chrooted { root, temporary: &self.temporary, store: &self.task.store }
    }

    fn outside<'s>(&'s self, root: &'s Path) -> Surroundings<'s> {
        let programs = std::iter::once(&self.shell).chain(&self.commands.path).cloned().collect();
        let Run { view, temporary, .. } = self;
        Surroundings::Outside { root, view, temporary, store: &self.task.store, programs }
    }
}

fn new_directory(task: &Task, name: &str) -> Result<PathBuf, InsideError> {
    let path = task.work.join(name);
    fs::create_dir(&path).map_err(InsideError::io(&path))?;
    Ok(path)
}

/// Makes `/tmp` in a root that has none, with the mode that it gets from dockerTools.
fn make_tmp(root: &Path) -> Result<(), InsideError> {
    let path = root.join("tmp");
    match fs::create_dir(&path) {
        Ok(()) => fs::set_permissions(&path, Permissions::from_mode(0o755)).map_err(InsideError::io(&path)),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(InsideError::io(&path)(e)),
    }
}

/// The program to run scripts with: this one, or the shell in a package.
fn shell(path: &Path) -> Result<PathBuf, InsideError> {
    let candidates = [path.to_path_buf(), path.join("bin/bash"), path.join("bin/sh")];
    let found =
        candidates.into_iter().find(|path| fs::metadata(path).is_ok_and(|metadata| metadata.is_file()));
    found.ok_or_else(|| InsideError::Shell(path.to_path_buf()))
}
