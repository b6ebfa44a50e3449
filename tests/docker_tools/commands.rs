//! Scripts.

use super::*;

#[test]
fn commands_as_root_and_without_both_take_effect() {
    let nix = Nix::without_plugin();
    let container = load(&nix, "runAsRootExtraCommands");
    assert_eq!(container.run(&[]).ok(), "(runAsRoot: 2 'quoted')\n(extraCommands: 3 'quoted')");
}

#[test]
fn owners_that_fake_root_gives_last() {
    let nix = Nix::without_plugin();
    let container = load(&nix, "layeredImageWithFakeRootCommands");
    assert_eq!(container.stat("home/alice"), "755 1000:0");
    assert_eq!(container.run(&["/bin/busybox", "stat", "-c", "%u", "/home/alice"]).ok(), "1000");
}

#[test]
fn store_paths_that_only_commands_lead_to_are_in_the_image() {
    let nix = Nix::without_plugin();
    let container = load(&nix, "layeredImageWithFakeRootCommands");
    assert_eq!(container.run(&["/home/alice/hello"]).ok(), "Hello, world!");
}

#[test]
fn absolute_paths_work_in_a_fake_chroot() {
    let nix = Nix::without_plugin();
    assert_eq!(load_stream(&nix, "imageViaFakeChroot").run(&[]).ok(), "Hello, world!");
}

#[test]
fn owners_that_a_fake_chroot_gives_last() {
    let nix = Nix::without_plugin();
    assert_eq!(load_stream(&nix, "chownTestImage").run(&[]).ok(), "12345:12345");
}

#[test]
fn nothing_of_the_machine_is_left_by_a_fake_chroot() {
    let nix = Nix::without_plugin();
    let container = load_stream(&nix, "chownTestImage");
    for directory in ["dev", "proc", "sys", "build"] {
        let path = container.root.join(directory);
        assert!(!path.exists() || names(&path).is_empty(), "{directory}: {:?}", names(&path));
    }
}

#[test]
fn the_activation_of_etc_runs_in_a_fake_chroot() {
    let nix = Nix::without_plugin();
    assert_eq!(load_stream(&nix, "etc").run(&[]).ok(), "127.0.0.1 localhost");
}

#[test]
fn a_command_that_fails_fails_the_build() {
    let nix = Nix::without_plugin();
    for (function, argument) in [
        ("buildImage", "extraCommands"),
        ("buildImage", "runAsRoot"),
        ("buildLayeredImage", "extraCommands"),
        ("buildLayeredImage", "fakeRootCommands"),
    ] {
        let image = format!("dockerTools.{function} {{ name = \"x\"; {argument} = \"false\\ntrue\"; }}");
        let ran: Ran = run(nix.command("nix-build").args(["--no-out-link", "--expr", &with_tools(&image)]));
        assert!(ran.err().contains(argument), "{function} {argument}");
    }
}

#[test]
fn redis_runs_as_the_user_that_shadow_made() {
    let nix = Nix::without_plugin();
    let container = load(&nix, "redis");
    let redis = container.text("etc/passwd");
    let redis = redis.lines().find(|line| line.starts_with("redis:")).expect("a user");
    let ids: Vec<&str> = redis.split(':').skip(2).take(2).collect();
    assert_eq!(container.stat("data"), format!("755 {}", ids.join(":")));
    let script =
        "redis-server --save '' > log & for i in $(seq 50); do redis-cli ping && break; sleep 0.1; done
        id -u; redis-cli shutdown nosave; wait";
    let shell = text(&nix, "pkgs.runtimeShell");
    assert_eq!(container.run(&[&shell, "-c", script]).ok(), format!("PONG\n{}", ids[0]));
}

#[test]
fn nginx_serves() {
    let nix = Nix::without_plugin();
    let container = load(&nix, "nginx");
    assert_eq!(container.config()["ExposedPorts"], json!({ "80/tcp": {} }));
    // The server inside, the client outside, in one network.
    let client = r#"(for i in $(seq 50); do
          busybox wget -qO- http://127.0.0.1/ 2>/dev/null && break; sleep 0.1
        done > "$root/answer"; kill $$) &"#;
    let ran = run(&mut container.command_with(client, &[]));
    let answer = container.text("answer");
    assert!(answer.contains("Hello from NGINX"), "{answer:?} {ran:?}");
}
