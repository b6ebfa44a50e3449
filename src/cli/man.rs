//! `gantry man`: gantry.1, and gantry-COMMAND.1 for every command.

use std::fs;
use std::path::PathBuf;

use clap::CommandFactory;
use clap_mangen::Man;

use super::Failure;

#[derive(clap::Args)]
pub struct Arguments {
    /// Where to write them; made if missing
    directory: PathBuf,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let directory = &arguments.directory;
    let in_directory = |e| Failure::Message(format!("{}: {e}", directory.display()));
    fs::create_dir_all(directory).map_err(in_directory)?;
    let mut command = super::Arguments::command().disable_help_subcommand(true);
    command.build();
    for page in std::iter::once(&command).chain(command.get_subcommands()) {
        // The footer names the program; without a date, as it is to be the same whenever it is built.
        let man =
            Man::new(page.clone()).source(concat!("gantry ", env!("CARGO_PKG_VERSION"))).manual("Gantry");
        let mut text = Vec::new();
        man.render(&mut text).map_err(in_directory)?;
        fs::write(directory.join(man.get_filename()), text).map_err(in_directory)?;
    }
    Ok(())
}
