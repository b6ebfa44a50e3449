//! The command `gantry`; everything is in the library, under `cli`.

fn main() -> std::process::ExitCode {
    gantry::cli::run()
}
