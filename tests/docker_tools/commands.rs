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

#[test]
fn scripts_may_make_and_use_tmp() {
    let nix = Nix::without_plugin();
    for (function, arguments) in [
        ("buildImage", r#"runAsRoot = "mkdir -p /tmp; echo x > /tmp/x; chmod 1777 /tmp";"#),
        (
            "buildLayeredImage",
            r#"enableFakechroot = true; fakeRootCommands = "mkdir /tmp; echo x > /tmp/x; chmod 1777 /tmp";"#,
        ),
        ("buildLayeredImage", r#"fakeRootCommands = "mkdir tmp; echo x > tmp/x; chmod 1777 tmp";"#),
        ("buildLayeredImage", r#"extraCommands = "mkdir -m 1777 tmp; echo x > tmp/x";"#),
    ] {
        let image = format!(r#"dockerTools.{function} {{ name = "x"; {arguments} }}"#);
        let container = Container::load(&built(&nix, &image));
        assert_eq!(container.stat("tmp"), "1777 0:0", "{arguments}");
        assert_eq!(names(&container.root.join("tmp")), ["x"], "{arguments}");
    }
}

#[test]
fn there_is_an_empty_tmp_after_commands_as_root() {
    let nix = Nix::without_plugin();
    let container =
        Container::load(&built(&nix, r#"dockerTools.buildImage { name = "x"; runAsRoot = "touch /a"; }"#));
    assert_eq!(container.stat("tmp"), "755 0:0");
    assert_eq!(names(&container.root.join("tmp")), [""; 0]);
    let image =
        r#"dockerTools.buildImage { name = "x"; runAsRoot = "touch /a"; extraCommands = "chmod 0777 tmp"; }"#;
    assert_eq!(Container::load(&built(&nix, image)).stat("tmp"), "777 0:0");
}

#[test]
fn scripts_beside_a_nix_database_find_the_store() {
    let nix = Nix::without_plugin();
    for function in ["buildImageWithNixDb", "buildLayeredImageWithNixDb"] {
        let argument = if function == "buildImageWithNixDb" { "copyToRoot" } else { "contents" };
        let image = format!(
            r#"dockerTools.{function} {{
              name = "x"; {argument} = pkgs.hello; extraCommands = "test -d ./nix/store; touch found";
            }}"#
        );
        assert!(Container::load(&built(&nix, &image)).root.join("found").exists(), "{function}");
    }
}
