//! Nix's configuration: as Nix shows it, and where its files say it; its plugins and experimental features.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::nix::Nix;
use super::settings::{Settings, Word};
use super::{Check, Interrupted, Status, Surroundings};
use crate::registry::Environment;

/// The configuration of a Nix, as far as it can be had.
pub struct Configuration {
    /// By name, as Nix shows them; none if it cannot be asked.
    values: BTreeMap<String, String>,
    /// As the files say.
    pub by_hand: Settings,
    /// Why Nix fails with the user's configuration, and whether it works without plugins.
    failure: Option<(String, bool)>,
}

impl Nix {
    /// Reads the configuration: as Nix shows it, and as its files say.
    pub fn configuration(&self, surroundings: &Surroundings) -> Result<Configuration, Interrupted> {
        let by_hand = Settings::read(&surroundings.environment);
        Ok(match self.shown(surroundings, None)? {
            Ok(values) => Configuration { values, by_hand, failure: None },
            Err(reason) => {
                let without = without_plugins(&surroundings.environment);
                let (values, works) = match self.shown(surroundings, Some(&without))? {
                    Ok(values) => (values, true),
                    Err(_) => (BTreeMap::new(), false),
                };
                Configuration { values, by_hand, failure: Some((reason, works)) }
            }
        })
    }

    /// `nix config show`, which was `nix show-config` before 2.20. The text, because JSON has numbers for some names.
    fn shown(
        &self,
        surroundings: &Surroundings,
        config: Option<&str>,
    ) -> Result<Result<BTreeMap<String, String>, String>, Interrupted> {
        let mut reason = None;
        // Without the option first, as it would show in the answer.
        for option in [false, true] {
            for subcommand in [&["config", "show"][..], &["show-config"]] {
                let mut command = self.with_users_configuration(&surroundings.environment);
                if let Some(config) = config {
                    command.env("NIX_CONFIG", config);
                }
                if option {
                    command.args(["--extra-experimental-features", "nix-command"]);
                }
                let finished = match surroundings.runner.run(command.args(subcommand))? {
                    Ok(finished) => finished,
                    Err(what) => return Ok(Err(what)),
                };
                if finished.status.success() {
                    return Ok(Ok(parse(&finished.stdout, option)));
                }
                let unknown = finished.stderr.contains("is not a recognised command");
                if !unknown {
                    reason.get_or_insert(finished.reason());
                }
                let disabled =
                    finished.stderr.contains("nix-command") && finished.stderr.contains("disabled");
                if disabled {
                    reason = None;
                }
                if !unknown && !disabled {
                    return Ok(Err(finished.reason()));
                }
            }
        }
        Ok(Err(reason.unwrap_or_else(|| "it has neither `config show` nor `show-config`".to_string())))
    }
}

/// `plugin-files =` and nothing else in NIX_CONFIG, after what the user has there.
fn without_plugins(environment: &Environment) -> String {
    format!("{}\nplugin-files =\n", environment.variable("NIX_CONFIG").unwrap_or_default())
}

/// `NAME = VALUE` by lines. `option`: nix-command was enabled to ask.
fn parse(text: &str, option: bool) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.split_once(" ="));
    let mut values: BTreeMap<String, String> =
        pairs.map(|(name, value)| (name.to_string(), value.trim().to_string())).collect();
    if let Some(features) = values.get_mut("experimental-features").filter(|_| option) {
        let others: Vec<&str> = features.split_whitespace().filter(|name| *name != "nix-command").collect();
        *features = others.join(" ");
    }
    values
}

/// Where a setting of all users belongs.
pub fn system_file(environment: &Environment) -> PathBuf {
    let folder =
        environment.variable("NIX_CONF_DIR").map_or_else(|| environment.system("/etc/nix"), PathBuf::from);
    folder.join("nix.conf")
}

impl Configuration {
    /// A setting as Nix shows it.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Whether Nix can be used with it.
    pub fn works(&self) -> bool {
        self.failure.is_none()
    }

    /// The files of `plugin-files`: as Nix takes them; as its files say where it fails.
    pub fn plugin_files(&self) -> Vec<Word> {
        let by_hand = self.by_hand.words("plugin-files");
        let shown = self.value("plugin-files").filter(|_| self.works());
        let Some(shown) = shown else { return by_hand };
        let origin =
            |text: &str| by_hand.iter().rfind(|word| word.text == text).map(|word| word.origin.clone());
        let word = |text: &str| Word {
            text: text.to_string(),
            origin: origin(text).unwrap_or_else(|| "the configuration".to_string()),
        };
        shown.split_whitespace().map(word).collect()
    }

    /// Whether the configuration can be read, and whether its plugins are there.
    pub fn checks(&self) -> Vec<Check> {
        let check = |status, found: String| Check::new("configuration", "nix.conf", status, found);
        let files: Vec<String> = self.by_hand.files.iter().map(|file| file.display().to_string()).collect();
        let files = match files.is_empty() {
            true => "no file: everything is Nix's default".to_string(),
            false => files.join(", "),
        };
        let first = match &self.failure {
            Some((reason, false)) => {
                check(Status::Problem, format!("Nix does not start: {}", self.refusal(reason)))
                    .advise(format!("correct the configuration, which is read from: {files}"))
            }
            _ => check(Status::Ok, files),
        };
        let mut checks = vec![first];
        if !matches!(self.failure, Some((_, false))) {
            checks.push(self.plugin_files_check());
        }
        checks
    }

    /// Why Nix refuses the configuration, without values: Nix repeats them, and some are access tokens.
    fn refusal(&self, reason: &str) -> String {
        if let Some(mistake) = self.by_hand.mistakes.first() {
            return mistake.clone();
        }
        let harmless = |quoted: &str| self.by_hand.has(quoted) || Path::new(quoted).exists();
        let parts = reason.split('\'').enumerate();
        let parts = parts.map(|(i, part)| if i % 2 == 0 || harmless(part) { part } else { "…" });
        parts.collect::<Vec<_>>().join("'")
    }

    fn plugin_files_check(&self) -> Check {
        let check = |status, found: String| Check::new("plugin-files", "plugin-files", status, found);
        let files = self.plugin_files();
        let named = |word: &Word| format!("{} ({})", word.text, word.origin);
        let rescue = "until then, `nix --option plugin-files '' …` works, and `NIX_CONFIG='plugin-files =' COMMAND` for other programs";
        // "?" and relative paths are Nix's own affair.
        let missing = |word: &&Word| word.text.starts_with('/') && fs::metadata(&word.text).is_err();
        if let Some(word) = files.iter().find(missing) {
            let collected = match word.text.starts_with("/nix/store/") {
                true => {
                    "; it was garbage-collected: name it through a profile (nix profile install), or keep it with \
                         nix-store --add-root /nix/var/nix/gcroots/gantry --realise STORE-PATH"
                }
                false => "",
            };
            return check(
                Status::Problem,
                format!("{} does not exist, so every Nix command fails", named(word)),
            )
            .advise(format!("remove or correct that line{collected}; {rescue}"));
        }
        if let Some((reason, _)) = &self.failure {
            let named: Vec<String> = files.iter().map(named).collect();
            return check(Status::Problem, format!("Nix fails with {}: {reason}", named.join(", ")))
                .advise(format!("remove or correct that line; {rescue}"));
        }
        match files.is_empty() {
            true => check(Status::Ok, "empty".to_string()),
            false => check(Status::Ok, files.iter().map(named).collect::<Vec<_>>().join(", ")),
        }
    }

    /// What `nix build` and flakes need.
    pub fn features(&self, environment: &Environment) -> Option<Check> {
        let features = self.value("experimental-features")?;
        let check = |status, found: String| {
            Check::new("experimental-features", "experimental features", status, found)
        };
        let enabled = |name: &&str| features.split_whitespace().any(|feature| feature == *name);
        let missing: Vec<&str> =
            ["nix-command", "flakes"].into_iter().filter(|name| !enabled(name)).collect();
        Some(match missing.is_empty() {
            true => check(Status::Ok, "nix-command, flakes".to_string()),
            false => check(Status::Warning, format!("disabled: {}", missing.join(", "))).advise(format!(
                "for `nix build` and flakes add to {} or ~/.config/nix/nix.conf: experimental-features = nix-command flakes",
                system_file(environment).display()
            )),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_feature_that_was_enabled_to_ask_is_not_shown() {
        let text = "experimental-features = flakes nix-command\nplugin-files = \nsandbox = true\n";
        assert_eq!(parse(text, false)["experimental-features"], "flakes nix-command");
        assert_eq!(parse(text, true)["experimental-features"], "flakes");
        assert_eq!(parse(text, true)["plugin-files"], "");
    }

    #[test]
    fn values_that_nix_refuses_are_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nix.conf");
        fs::write(&file, "sandbox = hunter2\n").unwrap();
        let mut environment = crate::registry::testing::environment(&[("NIX_USER_CONF_FILES", "")]);
        environment.variables.insert("NIX_CONF_DIR".into(), folder.path().display().to_string());
        let by_hand = Settings::read(&environment);
        let configuration = Configuration { values: BTreeMap::new(), by_hand, failure: None };
        let reason = format!("option 'sandbox' has invalid value 'hunter2' in '{}'", file.display());
        assert_eq!(configuration.refusal(&reason), reason.replace("hunter2", "…"));
    }
}
