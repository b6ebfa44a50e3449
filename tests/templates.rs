//! What `nix flake init -t` gives: each template evaluates with and without the plugin, and its images are built and
//! run, from packages of Debian's programs in place of nixpkgs (tests/docker-tools).

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use support::stub_nixpkgs::{copy, flake, nix_at_nix_store, project, repository, stub};
use support::{Container, Nix, Ran, json, output, run};

const TEMPLATES: [&str; 3] = ["image", "service", "dockerTools"];

/// A flake that a user has made from a template, and what its inputs are.
struct User {
    nix: Nix,
    flake: PathBuf,
    gantry: PathBuf,
    nixpkgs: PathBuf,
}

impl User {
    fn new(nix: Nix, template: &str) -> User {
        let nixpkgs = stub(&nix);
        let programs =
            output::<&str>(&repository().join("tests/docker-tools/programs").display().to_string(), &[]);
        copy(&repository().join("tests/docker-tools"), &nixpkgs.join("docker-tools"));
        nix.folder().write("stub/machine.nix", format!("{{ packages = {programs}; }}\n"));

        let gantry = project(&nix);
        // `nix flake init` locks the inputs of the flake that it takes the template from.
        let nixpkgs_url = format!("path:{}", nixpkgs.display());
        let locked = ["flake", "lock", "--override-input", "nixpkgs", &nixpkgs_url];
        run(nix_at_nix_store(&nix).args(locked).arg(format!("path:{}", gantry.display()))).ok();
        let flake = nix.folder().join("user");
        fs::create_dir(&flake).expect("a folder");
        let from = format!("path:{}#{template}", gantry.display());
        run(nix_at_nix_store(&nix).args(["flake", "init", "--template", &from]).current_dir(&flake)).ok();
        User { nix, flake, gantry, nixpkgs }
    }

    fn run(&self, command: &[&str], attribute: &str, more: &[&str]) -> Ran {
        let inputs: [(&str, &Path); 2] = [("nixpkgs", &self.nixpkgs), ("gantry", &self.gantry)];
        let attribute = format!("packages.x86_64-linux.{attribute}");
        flake(&self.nix, command, &self.flake, &attribute, &inputs, &[&["--impure"], more].concat())
    }

    fn text(&self, attribute: &str) -> String {
        self.run(&["eval"], attribute, &["--raw"]).ok()
    }

    /// Builds a package of the flake; where the output really is.
    fn built(&self, attribute: &str) -> PathBuf {
        let out = self.text(&format!("{attribute}.outPath"));
        self.run(&["build", "--no-link"], attribute, &[]).ok();
        self.nix.real(&out)
    }
}

#[test]
fn each_evaluates_with_the_plugin_and_without() {
    for template in TEMPLATES {
        for nix in [Nix::new(), Nix::without_plugin()] {
            let user = User::new(nix, template);
            assert_eq!(fs::read_dir(&user.flake).expect("a folder").count(), 1, "{template} is one file");
            let drv = user.text("default.drvPath");
            assert!(user.nix.real(&drv).exists(), "{template}: {drv}");
        }
    }
}

#[test]
fn each_is_listed_and_the_first_is_the_default() {
    let user = User::new(Nix::without_plugin(), "default");
    let flake_nix = fs::read_to_string(user.flake.join("flake.nix")).expect("a file");
    let image = repository().join("nix/templates/image/flake.nix");
    assert_eq!(flake_nix, fs::read_to_string(image).expect("a file"));
    let url = format!("path:{}#templates", user.gantry.display());
    let names =
        run(user.nix.command("nix").args(["eval", "--json", &url, "--apply", "builtins.attrNames"])).ok();
    assert_eq!(json(&names), serde_json::json!(["default", "dockerTools", "image", "service"]));
}

#[test]
fn the_image_runs() {
    let user = User::new(Nix::new(), "image");
    let container = Container::load(&user.built("default"));
    assert_eq!(container.config()["User"], "65534:65534");
    assert_eq!(container.run(&[]).ok(), "Hello, world!");
}

#[test]
fn the_service_has_a_user_a_port_and_a_health_check_and_starts() {
    let user = User::new(Nix::new(), "service");
    let archive = user.built("default");
    let container = Container::load(&archive);
    let config = container.config();
    assert_eq!(config["User"], "redis");
    assert_eq!(config["ExposedPorts"], serde_json::json!({ "6379/tcp": {} }));
    // In the archive itself: OCI's configuration has no health check, and skopeo leaves it out.
    let member = |name: &str| json(&output("tar", &["-xOf", archive.to_str().expect("UTF-8"), name]));
    let file = member("manifest.json")[0]["Config"].as_str().expect("a name").to_owned();
    assert_eq!(member(&file)["config"]["Healthcheck"]["Test"][1], "/bin/redis-cli");
    assert!(container.text("/etc/passwd").contains("redis:x:999:999:"), "{}", container.text("/etc/passwd"));
    assert_eq!(container.stat("/data"), "750 999:999");
    assert_eq!(container.stat("/tmp"), "1777 0:0");
    let file = config["Entrypoint"][1].as_str().expect("a path");
    assert!(container.text(file).contains("dir /data"));

    // It starts as that user, with its files in /data.
    let mut server = container.command(&[]).stdout(Stdio::piped()).process_group(0).spawn().expect("unshare");
    let lines = BufReader::new(server.stdout.take().expect("a pipe")).lines();
    let mut said = lines.map(|line| line.expect("text"));
    let ready = said.find(|line| line.contains("Ready to accept connections"));
    // All of the group: a server that has changed its user outlives the one that started it.
    output("kill", &["-KILL", "--", &format!("-{}", server.id())]);
    server.wait().expect("a process of this test");
    assert!(ready.is_some());
    assert_eq!(container.stat("/data/appendonlydir"), "755 999:999");
}

#[test]
fn calls_of_docker_tools_stay_as_they_are() {
    let user = User::new(Nix::new(), "dockerTools");
    assert_eq!(user.text("default.imageName"), "hello");
    let container = Container::load(&user.built("layered"));
    assert_eq!(container.run(&[]).ok(), "Hello, world!");
    assert_eq!(container.stat("/srv/app"), "755 1000:1000");

    let stream = user.text("stream.outPath");
    user.built("stream");
    let archive = user.nix.folder().join("stream.tar");
    run(&mut user.nix.in_store(&format!("{stream} > {}", archive.display()))).ok();
    assert_eq!(Container::load(&archive).run(&["/bin/hello"]).ok(), "Hello, world!");
}
