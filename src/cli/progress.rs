//! Progress: phases for Nix's log, a bar on a terminal, nothing elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

use crate::layer::Progress;

/// Shows what a build does.
pub struct Display {
    interrupted: Arc<AtomicBool>,
    shown: Shown,
}

enum Shown {
    /// Nix reads our standard error: `@nix` lines set the phase that its progress bar shows (Nix manual,
    /// "Builds", and `handleJSONLogMessage` in Nix's logging.cc).
    Nix,
    Bar(ProgressBar),
    Nothing,
}

impl Display {
    /// `nix`: whether Nix runs us as a builder.
    pub fn new(nix: bool, interrupted: Arc<AtomicBool>) -> Display {
        let shown = match (nix, std::io::stderr().is_terminal()) {
            (true, _) => Shown::Nix,
            (false, true) => {
                let style = "{msg:16} {bar:40} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec}";
                let style =
                    ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
                Shown::Bar(ProgressBar::no_length().with_style(style))
            }
            (false, false) => Shown::Nothing,
        };
        Display { interrupted, shown }
    }

    /// How many bytes of layers there are.
    pub fn expect(&self, bytes: u64) {
        if let Shown::Bar(bar) = &self.shown {
            bar.set_length(bytes);
        }
    }

    /// The build is in `phase` now.
    pub fn phase(&self, phase: &str) {
        match &self.shown {
            Shown::Nix => {
                let line = serde_json::json!({ "action": "setPhase", "phase": phase });
                // A log that cannot be written is no reason to fail a build.
                let _ = writeln!(std::io::stderr(), "@nix {line}");
            }
            Shown::Bar(bar) => bar.set_message(phase.to_string()),
            Shown::Nothing => {}
        }
    }

    /// Nothing more will be shown.
    pub fn finish(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Display {
    fn layer(&self, index: usize, count: usize) {
        self.phase(&format!("layer {} of {count}", index + 1));
    }

    fn bytes(&self, count: u64) {
        if let Shown::Bar(bar) = &self.shown {
            bar.inc(count);
        }
    }

    fn cancelled(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}
