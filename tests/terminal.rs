//! What people see of text from outside: no name in an image reaches the terminal as a command to it.

mod support;

use std::process::Command;

use serde_json::{Value, json};
use support::{MadeImages, MadeLayer, Ran, Registry, gantry, run};

/// Clears the screen, sets a colour, forges a line of the table, turns the direction of text.
const HOSTILE: &str = "x\u{1b}[2J\u{1b}[31m\r\nmanifest  sha256:forged\u{9b}1m\u{202e}\u{200b}\u{7}";

fn image(images: &MadeImages, created: &str) -> Value {
    let history = format!("store paths: ['/nix/store/a-{}']", HOSTILE.replace('\n', "\\n"));
    let more = json!({ "os": HOSTILE, "architecture": HOSTILE, "variant": HOSTILE, "created": created,
        "history": [{ "comment": history }] });
    images.image("linux/amd64", &[MadeLayer::file("a", "a")], more)
}

#[track_caller]
fn assert_shows_no_commands(ran: &Ran) {
    let printed = format!("{}{}", ran.stdout, ran.stderr);
    let unsafe_ = |c: &char| c.is_control() && *c != '\n' || ['\u{202e}', '\u{200b}'].contains(c);
    assert_eq!(printed.chars().find(unsafe_), None, "{printed:?}");
    let forged: Vec<&str> =
        printed.lines().filter(|line| line.trim_start().starts_with("manifest  sha256:f")).collect();
    assert_eq!(forged, Vec::<&str>::new(), "{printed:?}");
}

#[test]
fn inspect_escapes_what_an_image_says_of_itself() {
    let images = MadeImages::new();
    images.tag(HOSTILE, image(&images, "2020-01-01T00:00:00Z"));
    let inspect =
        |more: &[&str]| run(Command::new(gantry()).arg("inspect").arg(images.folder.path()).args(more));
    let table = inspect(&[]);
    assert_shows_no_commands(&table);
    assert!(table.stdout.contains("x\\u{1b}[2J\\u{1b}[31m\\r\\nmanifest"), "{}", table.stdout);
    // Programs read JSON, which has escapes of its own: nothing is changed there.
    let report = support::json(&inspect(&["--json"]).ok());
    assert_eq!(report["os"], HOSTILE);

    // A date that is none is an error, which shows it.
    let images = MadeImages::new();
    images.tag("1", image(&images, HOSTILE));
    let refused = run(Command::new(gantry()).arg("inspect").arg(images.folder.path()));
    assert_shows_no_commands(&refused);
    assert!(refused.stderr.contains("x\\u001b[2J"), "{}", refused.stderr);
    assert_eq!(refused.code, Some(1));
}

#[test]
fn inspect_escapes_what_a_registry_says() {
    let (registry, images) = (Registry::start(), MadeImages::new());
    let reference = format!("docker://{}/team/app:1", registry.host());
    images.push(&registry.host(), "1", image(&images, "2020-01-01T00:00:00Z"), &[]);
    assert_shows_no_commands(&run(Command::new(gantry()).args(["inspect", &reference])));
}

#[test]
fn errors_escape_names_of_members_and_files() {
    let images = MadeImages::new();
    images.tag("1", images.image("linux/amd64", &[MadeLayer::file("a/\u{1b}[31m\u{202e}", "a")], json!({})));
    for arguments in
        [vec!["inspect", "/missing\u{1b}[2J\nmanifest  sha256:forged"], vec!["pull", "h/\u{1b}[2J", "/x"]]
    {
        let ran = run(Command::new(gantry()).args(arguments));
        assert!(ran.code == Some(1) || ran.code == Some(2), "{ran:?}");
        assert_shows_no_commands(&ran);
    }
}

#[test]
fn a_warning_that_cannot_be_written_does_not_end_the_command() {
    let (registry, images) = (Registry::start(), MadeImages::new());
    images.push(
        &registry.host(),
        "1",
        images.image("linux/amd64", &[MadeLayer::file("a", "a")], json!({})),
        &[],
    );
    let reference = format!("docker://{}/team/app:1", registry.host());
    let helper = json!({ "credHelpers": { registry.host(): "missing" } });
    images.folder.write("docker/config.json", helper.to_string());
    let inspect = |redirection: &str| {
        let script = format!("\"$0\" inspect \"$1\" {redirection}");
        let mut command = Command::new("sh");
        command.args(["-c", &script]).arg(gantry()).arg(&reference);
        run(command.env("DOCKER_CONFIG", images.folder.join("docker")).env("HOME", images.folder.path()))
    };
    let heard = inspect("");
    assert!(heard.stderr.starts_with("warning: "), "{heard:?}");
    for redirection in ["2> /dev/full", "2>&-"] {
        assert_eq!(inspect(redirection).ok(), heard.stdout.trim_end(), "{redirection}");
    }
}
