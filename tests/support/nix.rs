//! A real Nix with the plugin, and a store of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Folder, Ran, dist, output, run, witness};

/// Nix with a temporary store, configuration and home.
pub struct Nix {
    folder: Folder,
    plugin: bool,
}

impl Nix {
    /// Nix with the plugin, unless it can load none ([`functions`]).
    pub fn new() -> Nix {
        let folder = Folder::new();
        std::fs::create_dir(folder.join("home")).expect("a directory");
        Nix { folder, plugin: loads_plugins() }
    }

    /// Nix without the plugin.
    pub fn without_plugin() -> Nix {
        Nix { plugin: false, ..Nix::new() }
    }

    /// A folder for the test's files.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The version of Nix.
    pub fn version() -> String {
        let version = output("nix", &["--version"]);
        version.rsplit(' ').next().expect("nix (Nix) VERSION").to_string()
    }

    /// The settings of the tests, with the plugin or without.
    pub fn config(&self, plugin: bool) -> String {
        let mut config = String::from(
            "substituters =\nbuild-users-group =\nsandbox = true\nexperimental-features = nix-command flakes\n",
        );
        if plugin {
            config += &format!("plugin-files = {}/lib/nix/plugins/libgantry.so\n", dist().display());
        }
        config
    }

    /// A Nix program (`nix`, `nix-build`, ...) set up to use the store and the plugin.
    pub fn command(&self, program: &str) -> Command {
        let config = self.config(self.plugin);
        let mut command = Command::new(program);
        command
            .env("NIX_CONFIG", config)
            .env("NIX_REMOTE", self.folder.join("store"))
            .env("HOME", self.folder.join("home"))
            .env("NIX_CONF_DIR", "/nonexistent")
            .env_remove("NIX_PATH")
            .current_dir(self.folder.path());
        command
    }

    /// Evaluates an expression; its value as JSON text.
    pub fn eval(&self, expression: &str) -> Ran {
        run(self.command("nix").args(["eval", "--impure", "--json", "--expr", expression]))
    }

    /// Builds an expression; the output path, as Nix says it.
    pub fn build(&self, expression: &str) -> Ran {
        run(self.command("nix").args([
            "build",
            "--impure",
            "--no-link",
            "--print-out-paths",
            "-L",
            "--expr",
            expression,
        ]))
    }

    /// Where a store path really is.
    pub fn real(&self, store_path: &str) -> PathBuf {
        self.folder.join("store").join(store_path.trim_start_matches('/'))
    }

    /// Builds an expression and returns where the output really is. An image is witnessed.
    #[track_caller]
    pub fn built(&self, expression: &str) -> PathBuf {
        // `nix build` of 2.8 has no --print-out-paths for old stores: nix-build has always printed them.
        let path = run(self.command("nix-build").args(["--no-out-link", "--expr", expression])).ok();
        let path = self.real(&path);
        witness(&path);
        path
    }

    /// Runs a shell command that sees the store at /nix (a private mount), as a builder by hand does.
    pub fn in_store(&self, script: &str) -> Command {
        let mut command = Command::new("unshare");
        let mounted = r#"mkdir -p /nix; mount --bind "$0/nix" /nix; eval "$1""#;
        command.args(["--mount", "sh", "-euc", mounted]).arg(self.folder.join("store")).arg(script);
        command.current_dir(self.folder.path());
        command
    }

    /// The structured attributes that Nix gives the builder of a derivation, with the exported graph, as
    /// `gantry build --attrs` takes them.
    #[track_caller]
    pub fn attributes(&self, expression: &str) -> serde_json::Value {
        let drv = run(self.command("nix-instantiate").args(["--expr", expression])).ok();
        let drv = drv.lines().last().expect("a derivation").to_string();
        let show = |words: &[&str]| run(self.command("nix").args(words).arg(&drv));
        let shown = match show(&["derivation", "show"]) {
            shown if shown.code == Some(0) => shown,
            // Its name before Nix 2.15.
            _ => show(&["show-derivation"]),
        };
        let mut shown = super::json(&shown.ok());
        // Nix 2.34 has the derivations beside the version of this document.
        if shown["derivations"].is_object() {
            shown = shown["derivations"].take();
        }
        let derivation = shown.as_object().and_then(|all| all.values().next()).expect("one derivation");
        let mut attributes = match &derivation["env"]["__json"] {
            serde_json::Value::String(text) => super::json(text),
            // Nix 2.26 and newer show the attributes themselves.
            _ => derivation["structuredAttrs"].clone(),
        };
        if let Some(root) = attributes["gantry"]["root"].as_str().map(str::to_string) {
            run(self.command("nix-store").args(["--realise", &drv])).ok();
            let closure = run(self.command("nix-store").args(["--query", "--requisites", &root])).ok();
            let infos: Vec<serde_json::Value> = closure.lines().map(|path| self.path_info(path)).collect();
            attributes["closure"] = infos.into();
        }
        attributes
    }

    fn path_info(&self, path: &str) -> serde_json::Value {
        let query = |what: &str| run(self.command("nix-store").args(["--query", what, path])).ok();
        let references: Vec<String> = query("--references").lines().map(str::to_string).collect();
        let size: u64 = query("--size").parse().expect("a size");
        serde_json::json!({ "path": path, "narSize": size, "references": references })
    }

    /// Verifies every path of the store with Nix itself.
    #[track_caller]
    pub fn verify(&self) {
        run(self.command("nix-store").args(["--verify", "--check-contents"])).ok();
    }

    /// Where the store is.
    pub fn store(&self) -> PathBuf {
        self.folder.join("store")
    }
}

/// Whether the Nix that is tested loads plugins. A static one does not, which GANTRY_TEST_PLUGIN=no says.
fn loads_plugins() -> bool {
    std::env::var_os("GANTRY_TEST_PLUGIN").is_none_or(|value| value != "no")
}

/// What comes before an expression that uses `builtins.ociImage` or `builtins.pullImage` but not [`packages`]:
/// where Nix loads no plugins, `builtins` that have the functions of nix/default.nix.
///
/// [`packages`]: super::packages()
pub fn functions() -> String {
    if loads_plugins() {
        return String::new();
    }
    let nix = Path::new(env!("CARGO_MANIFEST_DIR")).join("nix");
    format!(
        "let plain = builtins; in let builtins = plain // import {} {{ gantry = {}; }}; in ",
        quoted(&nix),
        gantry_package()
    )
}

/// The package, of the builder alone, as an expression: what nix/default.nix and nix/docker-tools.nix take.
pub fn gantry_package() -> String {
    format!(
        r#"{{
  outPath = builtins.path {{
    name = "gantry";
    path = {};
    filter = path: _: builtins.elem (baseNameOf path) [ "bin" "gantry" ];
  }};
  system = builtins.currentSystem;
  version = "{}";
}}"#,
        quoted(&dist()),
        env!("CARGO_PKG_VERSION")
    )
}

/// A path as a Nix string.
pub fn quoted(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}
