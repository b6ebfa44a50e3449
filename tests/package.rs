//! The package as Nix builds it: from the filtered source, by the commands of nix/*.nix, in Nix's sandbox and so
//! without network. The stand-in for nixpkgs has the machine's own compilers and Nix.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::stub_nixpkgs::{repository, stub};
use support::{Nix, output, quoted, run};

const PROGRAMS: [&str; 4] = ["nix", "nix-build", "nix-instantiate", "nix-store"];

/// The paths of the machine that a build needs, apart from those that every machine has.
struct Machine {
    cargo_home: PathBuf,
    /// Folder of the toolchain, with bin/cargo.
    toolchain: PathBuf,
    /// The build directory of `cargo test`.
    target: PathBuf,
    /// The folders of the Nix on PATH.
    nix: Vec<PathBuf>,
}

impl Machine {
    fn here() -> Machine {
        let environment = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let cargo = environment("CARGO").expect("tests are run by cargo, which sets CARGO");
        let test = std::env::current_exe().expect("this program");
        Machine {
            cargo_home: environment("CARGO_HOME")
                .unwrap_or_else(|| environment("HOME").expect("HOME").join(".cargo")),
            toolchain: cargo.ancestors().nth(2).expect("TOOLCHAIN/bin/cargo").into(),
            target: test.ancestors().nth(3).expect("TARGET/debug/deps/TEST").into(),
            nix: ["nix", "nix-instantiate"]
                .map(|name| output("sh", &["-c", &format!("command -v {name}")]))
                .map(|program| Path::new(&program).ancestors().nth(2).expect("a prefix").into())
                .into(),
        }
    }

    /// What is seen in the sandbox besides the store.
    fn sandbox_paths(&self) -> String {
        let mut paths: Vec<PathBuf> =
            ["/bin", "/usr", "/lib", "/lib64", "/etc/alternatives"].map(PathBuf::from).into();
        paths.extend([self.cargo_home.clone(), self.toolchain.clone(), self.target.clone()]);
        paths.extend(self.nix.clone());
        paths.push(repository().join("target/nix-headers"));
        paths.retain(|path| path.exists());
        paths.sort();
        paths.dedup();
        paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
    }

    /// tests/stub-nixpkgs/machine.nix.
    fn to_nix(&self) -> String {
        let mut environment = vec![
            ("PATH", format!("{}/bin:{}/bin:/usr/bin:/bin", self.toolchain.display(), self.nix[0].display())),
            ("CARGO_HOME", self.cargo_home.display().to_string()),
            ("CARGO_BUILD_BUILD_DIR", self.target.display().to_string()),
        ];
        // As tests/support/build-plugin: what pkg-config finds, or Debian 12's headers.
        let found = run(std::process::Command::new("pkg-config").args(["--modversion", "nix-expr"]));
        if found.code == Some(0) {
            for name in ["PKG_CONFIG_PATH", "LD_LIBRARY_PATH"] {
                environment.extend(std::env::var(name).ok().map(|value| (name, value)));
            }
        } else {
            let headers = repository().join("target/nix-headers");
            let version = fs::read_to_string(headers.join("version")).expect("run `make setup`");
            environment.push(("GANTRY_NIX_VERSION", version.trim().to_owned()));
            environment.push(("GANTRY_NIX_INCLUDE", headers.join("include/nix").display().to_string()));
        }
        let environment: String =
            environment.iter().map(|(name, value)| format!("    {name} = {value:?};\n")).collect();
        let programs: String =
            PROGRAMS.iter().map(|name| format!(" \"{}/bin/{name}\"", self.nix[0].display())).collect();
        format!(
            "{{\n  nix = \"{}\";\n  programs = [{programs} ];\n  environment = {{\n{environment}  }};\n}}\n",
            Nix::version()
        )
    }
}

/// One test, because everything in it needs the one build.
#[test]
fn it_is_built_from_the_filtered_source_and_real_nix_loads_it() {
    let nix = Nix::without_plugin();
    let machine = Machine::here();
    let pkgs = stub(&nix).join("pkgs.nix");
    nix.folder().write("stub/machine.nix", machine.to_nix());
    let expression = format!(
        r#"
        let pkgs = import {pkgs} builtins.currentSystem; in
        {{
          inherit (import {repository} {{ inherit pkgs; }}) packages;
          checks = import {checks} {{ inherit pkgs; }};
        }}"#,
        pkgs = quoted(&pkgs),
        repository = quoted(repository()),
        checks = quoted(&repository().join("nix/checks.nix")),
    );
    let version = Nix::version();
    let paths = machine.sandbox_paths();
    let build = |attribute: &str| {
        let mut command = nix.command("nix-build");
        command.args(["--no-out-link", "--option", "sandbox-paths", &paths, "--expr", &expression]);
        run(command.args(["--attr", attribute])).ok()
    };

    // Loader, plugin and static executable, where cpp/loader.c and cpp/executable.cc look for them.
    let package = build("packages.default");
    let real = nix.real(&package);
    for file in ["lib/nix/plugins/libgantry.so", &format!("lib/gantry/{version}/libgantry.so")] {
        let kind = fs::symlink_metadata(real.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(kind.is_file(), "{file} is found by where it really is, so it cannot be a link");
    }
    let share = fs::read_link(real.join("share")).expect("a link");
    let share = nix.real(share.to_str().expect("UTF-8"));
    for file in [
        "man/man1/gantry.1",
        "bash-completion/completions/gantry",
        "zsh/site-functions/_gantry",
        "fish/vendor_completions.d/gantry.fish",
    ] {
        assert!(share.join(file).is_file(), "{file}");
    }
    let executable = fs::read_link(real.join("bin/gantry")).expect("a link");
    let headers =
        output("readelf", &["-l", nix.real(executable.to_str().expect("UTF-8")).to_str().expect("UTF-8")]);
    assert!(!headers.contains("INTERP"), "bin/gantry is not static:\n{headers}");

    // Images depend on the executable, and on nothing else of the package.
    let builder = executable.ancestors().nth(2).expect("a store path").display().to_string();
    let closure = |path: &str| run(nix.command("nix-store").args(["--query", "--requisites", path])).ok();
    assert_eq!(closure(&builder), builder);

    // The checks of the flake that need no virtual machine: every case of tests/cases, and an image.
    build(&format!("checks.\"evaluation-{version}\""));
    let table = fs::read_to_string(nix.real(&build("checks.image"))).expect("a file");
    assert!(table.contains("gantry:check"), "{table}");
    assert!(table.contains("  gantry-builder-"), "{table}");

    // Through the line that users write into nix.conf, with the store at /nix.
    let image = format!(
        "builtins.ociImage {{ name = \"app\"; tag = \"1\"; contents = [ (builtins.storePath \"{builder}\") ]; }}"
    );
    let conf = format!(
        "plugin-files = {package}/lib/nix/plugins/libgantry.so\nsubstituters =\nbuild-users-group =\n"
    );
    let script = format!(
        "archive=$(nix-build --no-out-link --expr '{image}'); {package}/bin/gantry inspect --json \"$archive\""
    );
    let mut command = nix.in_store(&script);
    let home = nix.folder().join("home");
    command
        .env("NIX_CONFIG", conf)
        .env("NIX_CONF_DIR", "/nonexistent")
        .env("HOME", home)
        .env_remove("NIX_REMOTE");
    let inspected = support::json(&run(&mut command).ok());
    assert!(inspected.to_string().contains(&builder), "{inspected}");
}
