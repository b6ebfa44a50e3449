//! `nix.conf`, read by hand: where a setting comes from, which `nix show-config` does not say, and what it is when
//! every `nix` command fails because of it.
//!
//! As Nix reads it (libutil/config.cc, `AbstractConfig::applyConfig`; libstore/globals.cc, `loadConfFile`): one
//! setting a line, `#` begins a comment, `include FILE` and `!include FILE` (that may be missing) relative to the
//! file, later lines override earlier ones, and `extra-NAME` appends. The system's file, then the users', the
//! most important one last; then the text of `NIX_CONFIG`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::registry::Environment;

/// Files that include one another; deeper ones are a circle.
const DEEPEST: usize = 20;

/// Bytes of a file.
const LARGEST: u64 = 1 << 20;

/// What the files say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settings {
    lines: Vec<Line>,
    /// The files that were read.
    pub files: Vec<PathBuf>,
    /// Lines that Nix refuses, and files that cannot be read, in words.
    pub mistakes: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct Line {
    name: String,
    values: Vec<String>,
    origin: String,
}

/// One word of a setting's value.
#[derive(Debug, PartialEq, Eq)]
pub struct Word {
    pub text: String,
    /// `FILE:LINE`.
    pub origin: String,
}

impl Settings {
    /// Reads the files that Nix reads for this user.
    pub fn read(environment: &Environment) -> Settings {
        let mut settings = Settings::default();
        for file in files(environment) {
            settings.add_file(&file, false, 0);
        }
        if let Some(text) = environment.variable("NIX_CONFIG") {
            settings.add_text(text, "NIX_CONFIG", None, 0);
        }
        settings
    }

    /// The words of a setting that is a list.
    pub fn words(&self, name: &str) -> Vec<Word> {
        let mut words = Vec::new();
        for line in &self.lines {
            let extra = line.name.strip_prefix("extra-").is_some_and(|bare| bare == name);
            if line.name == name {
                words.clear();
            }
            if line.name == name || extra {
                let word = |text: &String| Word { text: text.clone(), origin: line.origin.clone() };
                words.extend(line.values.iter().map(word));
            }
        }
        words
    }

    /// Whether a line sets this.
    pub fn has(&self, name: &str) -> bool {
        self.lines.iter().any(|line| line.name == name)
    }

    fn add_file(&mut self, path: &Path, required: bool, depth: usize) {
        let read = match fs::metadata(path) {
            // A pipe would make reading wait.
            Ok(metadata) if !metadata.is_file() => Err("not a file".to_string()),
            Ok(metadata) if metadata.len() > LARGEST => Err(format!("it has more than {LARGEST} bytes")),
            Ok(_) => fs::read(path).map_err(|e| e.to_string()),
            Err(e) if !required && e.kind() == ErrorKind::NotFound => return,
            Err(e) => Err(e.to_string()),
        };
        match read {
            _ if depth > DEEPEST => {
                self.mistakes.push(format!("{}: it includes itself", path.display()));
            }
            Ok(bytes) => {
                self.files.push(path.to_path_buf());
                let text = String::from_utf8_lossy(&bytes);
                self.add_text(&text, &path.display().to_string(), path.parent(), depth);
            }
            Err(what) => self.mistakes.push(format!("{}: {what}", path.display())),
        }
    }

    fn add_text(&mut self, text: &str, origin: &str, folder: Option<&Path>, depth: usize) {
        for (i, line) in text.lines().enumerate() {
            let origin = format!("{origin}:{}", i + 1);
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            match words.as_slice() {
                [] => {}
                [include @ ("include" | "!include"), file] => {
                    let path = folder.map_or_else(|| PathBuf::from(file), |folder| folder.join(file));
                    self.add_file(&path, *include == "include", depth + 1);
                }
                [name, "=", values @ ..] => self.lines.push(Line {
                    name: name.to_string(),
                    values: values.iter().map(|value| value.to_string()).collect(),
                    origin,
                }),
                // The text is not repeated: a line may hold an access token.
                _ => self.mistakes.push(format!("{origin}: expected NAME = VALUE")),
            }
        }
    }
}

/// The files of this user's configuration, whether they exist or not, in the order in which Nix reads them.
fn files(environment: &Environment) -> Vec<PathBuf> {
    let variable = |name: &str| environment.variable(name);
    let system = variable("NIX_CONF_DIR").map_or_else(|| environment.system("/etc/nix"), PathBuf::from);
    let mut of_user: Vec<PathBuf> = match environment.variables.get("NIX_USER_CONF_FILES") {
        Some(files) => files.split(':').filter(|file| !file.is_empty()).map(PathBuf::from).collect(),
        None => {
            let own = variable("XDG_CONFIG_HOME").map(PathBuf::from);
            let own = own.or_else(|| environment.home.as_ref().map(|home| home.join(".config")));
            let others = variable("XDG_CONFIG_DIRS").unwrap_or("/etc/xdg").split(':');
            let others = others.filter(|folder| !folder.is_empty()).map(|folder| environment.system(folder));
            own.into_iter().chain(others).map(|folder| folder.join("nix/nix.conf")).collect()
        }
    };
    of_user.reverse();
    of_user.insert(0, system.join("nix.conf"));
    of_user
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::registry::testing::environment;

    fn text(text: &str) -> Settings {
        let mut settings = Settings::default();
        settings.add_text(text, "nix.conf", None, 0);
        settings
    }

    fn of(settings: &Settings, name: &str) -> Vec<String> {
        settings.words(name).into_iter().map(|word| format!("{} {}", word.origin, word.text)).collect()
    }

    #[test]
    fn the_last_line_counts_and_extra_appends() {
        let settings = text(
            "plugin-files = /a\n# plugin-files = /b\nextra-plugin-files = /c # here\nsandbox=true\nplugin-files =  /d\t/e\nextra-plugin-files = /f\n",
        );
        assert_eq!(of(&settings, "plugin-files"), ["nix.conf:5 /d", "nix.conf:5 /e", "nix.conf:6 /f"]);
        assert_eq!(settings.mistakes, ["nix.conf:4: expected NAME = VALUE"]);
        assert_eq!(of(&text("extra-plugin-files = /a\nextra-plugin-files = /b"), "plugin-files").len(), 2);
        assert!(of(&text("plugin-files = /a\nplugin-files ="), "plugin-files").is_empty());
        assert!(of(&text("plugin-files-x = /a\n"), "plugin-files").is_empty());
    }

    #[test]
    fn files_are_read_in_nixs_order() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            path
        };
        fs::write(at("etc/nix/nix.conf"), "plugin-files = /system\ninclude more.conf\n!include missing\n")
            .unwrap();
        fs::write(at("etc/nix/more.conf"), "extra-plugin-files = /included\n").unwrap();
        fs::write(at("etc/xdg/nix/nix.conf"), "extra-plugin-files = /xdg\n").unwrap();
        fs::write(at("home/.config/nix/nix.conf"), "extra-plugin-files = /home\n").unwrap();
        let mut environment = environment(&[("NIX_CONFIG", "extra-plugin-files = /variable")]);
        environment.root = folder.path().to_path_buf();
        environment.home = Some(folder.path().join("home"));
        let paths = |environment: &Environment| {
            let words = Settings::read(environment).words("plugin-files");
            words.into_iter().map(|word| word.text).collect::<Vec<_>>()
        };
        assert_eq!(paths(&environment), ["/system", "/included", "/xdg", "/home", "/variable"]);
        assert_eq!(Settings::read(&environment).mistakes, [""; 0]);
        assert_eq!(Settings::read(&environment).files.len(), 4);

        let (one, two) = (at("one"), at("two"));
        fs::write(&one, "extra-plugin-files = /one\n").unwrap();
        fs::write(&two, "extra-plugin-files = /two\n").unwrap();
        let named = format!("{}:{}", one.display(), two.display());
        environment.variables.insert("NIX_USER_CONF_FILES".into(), named);
        assert_eq!(paths(&environment), ["/system", "/included", "/two", "/one", "/variable"]);
        environment.variables.insert("NIX_USER_CONF_FILES".into(), String::new());
        assert_eq!(paths(&environment), ["/system", "/included", "/variable"]);
        environment.variables.insert("NIX_CONF_DIR".into(), at("none").display().to_string());
        assert_eq!(paths(&environment), ["/variable"]);
    }

    #[test]
    fn files_that_cannot_be_read_are_mistakes() {
        let folder = tempfile::tempdir().unwrap();
        let mut environment = environment(&[("NIX_CONF_DIR", folder.path().to_str().unwrap())]);
        environment.variables.insert("NIX_USER_CONF_FILES".into(), String::new());
        let file = folder.path().join("nix.conf");
        let mistakes = || Settings::read(&environment).mistakes;
        fs::write(&file, "include missing.conf\n").unwrap();
        assert!(mistakes()[0].contains("missing.conf: No such file"), "{:?}", mistakes());
        fs::write(&file, "include nix.conf\n").unwrap();
        assert!(mistakes()[0].contains("it includes itself"), "{:?}", mistakes());
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(mistakes()[0].contains("not a file"), "{:?}", mistakes());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(lines in "([a-z!#= \\t\\n]|\\PC){0,80}") {
            text(&lines).words("plugin-files");
        }
    }
}
