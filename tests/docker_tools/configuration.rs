//! Names, tags, dates, platforms, compression.

use super::*;

#[test]
fn the_image_is_of_1970_unless_it_is_of_now() {
    let nix = Nix::without_plugin();
    assert_eq!(load(&nix, "bash").document["created"], "1970-01-01T00:00:01Z");
    for example in ["unstableDate", "unstableDateLayered"] {
        let created = load(&nix, example).document["created"].as_str().expect("a time").to_owned();
        assert!(&created[..4] >= "2024", "{example}: {created}");
    }
}

#[test]
fn image_tag_is_the_tag_of_the_archive() {
    let nix = Nix::without_plugin();
    for (example, name) in [
        ("bash", "bash"),
        ("bashNoTag", "bash-no-tag"),
        ("bashNoTagLayered", "bash-no-tag-layered"),
        ("nixLayered", "nix-layered"),
    ] {
        let tag = text(&nix, &format!("examples.{example}.imageTag"));
        let archive = built(&nix, &format!("examples.{example}"));
        assert_eq!(repo_tags(&archive), [format!("{name}:{tag}")], "{example}");
        if example.contains("NoTag") {
            assert!(tag.len() == 32 && tag.bytes().all(|b| b.is_ascii_alphanumeric()), "{tag}");
        }
    }
    let tag = text(&nix, "examples.bashNoTagStreamLayered.imageTag");
    let archive = streamed(&nix, "examples.bashNoTagStreamLayered", "");
    assert_eq!(repo_tags(&archive), [format!("bash-no-tag-stream-layered:{tag}")]);
}

#[test]
fn a_stream_takes_another_name_and_tag() {
    let nix = Nix::without_plugin();
    for option in ["--repo_tag other:2", "-t other:2"] {
        let archive = streamed(&nix, "examples.helloOnRoot", option);
        assert_eq!(repo_tags(&archive), ["other:2"], "{option}");
    }
}

#[test]
fn shells_start_a_stream() {
    let nix = Nix::without_plugin();
    let path =
        run(nix.command("nix-build").args(["--no-out-link", "--expr", &with_tools("examples.helloOnRoot")]))
            .ok();
    let written = |start: &str| {
        let archive = nix.folder().join("archive.tar");
        run(&mut nix.in_store(&format!("{start} {path} --repo_tag a:b > {}", archive.display()))).ok();
        fs::read(archive).expect("an archive")
    };
    let archive = written("");
    assert!(archive.len() > 10_000);
    for shell in ["bash", "sh", "busybox sh"] {
        assert!(written(shell) == archive, "{shell}");
    }
}

#[test]
fn the_stream_script_writes_what_the_stream_writes() {
    let nix = Nix::without_plugin();
    let plain = fs::read(streamed(&nix, "examples.helloOnRoot", "")).expect("an archive");
    let conf = run(nix
        .command("nix-build")
        .args(["--no-out-link", "--expr"])
        .arg(with_tools("examples.helloOnRoot.conf")))
    .ok();
    let by_script = fs::read(streamed(&nix, "examples.helloOnRoot.streamScript", &conf)).expect("an archive");
    assert!(plain == by_script);
}

#[test]
fn a_registry_in_the_name_stays() {
    let nix = Nix::without_plugin();
    for (example, name) in [
        ("prefixedImage", "registry-1.docker.io/image:latest"),
        ("prefixedLayeredImage", "registry-1.docker.io/layered-image:latest"),
    ] {
        assert_eq!(repo_tags(&built(&nix, &format!("examples.{example}"))), [name]);
        assert_eq!(load(&nix, example).run(&[]).ok(), "Hello, world!");
    }
}

#[test]
fn names_are_in_lower_case() {
    let nix = Nix::without_plugin();
    let archive = built(&nix, "examples.runAsRootExtraCommands");
    assert_eq!(repo_tags(&archive), ["runasrootextracommands:latest"]);
}

#[test]
fn the_architecture_is_what_was_asked_for() {
    let nix = Nix::without_plugin();
    assert_eq!(load(&nix, "build-image-with-architecture").document["architecture"], "arm64");
    assert_eq!(load_stream(&nix, "layered-image-with-architecture").document["architecture"], "arm64");
}

#[test]
fn the_architecture_is_the_targets() {
    let nix = Nix::without_plugin();
    let expected = if cfg!(target_arch = "aarch64") { "amd64" } else { "arm64" };
    assert_eq!(load(&nix, "cross").document["architecture"], expected);
    let layered = r#"let target = pkgs.pkgsCross.aarch64-multiplatform; in
        (import NIX/docker-tools.nix { pkgs = target; inherit gantry; }).buildLayeredImage {
          name = "x"; contents = target.hello; }"#
        .replace("NIX", &manifest().join("nix").display().to_string());
    assert_eq!(Container::load(&built(&nix, &layered)).document["architecture"], "arm64");
}

#[test]
fn an_overlay_reaches_packages_of_other_platforms() {
    for nix in modes() {
        let shown = value(
            &nix,
            &r#"let
              overlaid = pkgs.extend (final: prev: { dockerTools = import TOOLS { pkgs = final; inherit gantry; }; });
              image = set: set.dockerTools.buildImage { name = "x"; copyToRoot = set.hello; };
              cross = overlaid.pkgsCross.aarch64-multiplatform;
              arm = dockerTools.buildImage { name = "x"; copyToRoot = cross.hello; architecture = "arm64"; };
            in [
              ((image cross).drvPath == arm.drvPath)
              ((image overlaid).drvPath == (image (pkgs // { inherit dockerTools; })).drvPath)
            ]"#
            .replace("TOOLS", &quoted(&manifest().join("nix/docker-tools.nix"))),
        );
        assert_eq!(shown, json!([true, true]));
    }
}

#[test]
fn archives_are_compressed_as_asked_for() {
    let nix = Nix::without_plugin();
    for (example, magic, suffix) in [
        ("bash", &[0x1f, 0x8b][..], ".tar.gz"),
        ("bashUncompressed", b"blobs", ".tar"),
        ("bashZstdCompressed", &[0x28, 0xb5, 0x2f, 0xfd], ".tar.zst"),
        ("layered-image", &[0x1f, 0x8b], ".tar.gz"),
        ("bashLayeredUncompressed", b"blobs", ".tar"),
        ("bashLayeredZstdCompressed", &[0x28, 0xb5, 0x2f, 0xfd], ".tar.zst"),
    ] {
        let archive = built(&nix, &format!("examples.{example}"));
        assert!(archive.to_str().expect("UTF-8").ends_with(suffix), "{}", archive.display());
        let bytes = fs::read(&archive).expect("an archive");
        assert!(bytes.starts_with(magic) || suffix == ".tar", "{example}: {:?}", &bytes[..8]);
        assert_eq!(
            Container::load(&archive).run(&["/bin/bash", "-c", "echo runs"]).ok(),
            "runs",
            "{example}"
        );
    }
}
