//! Images on images.

use super::*;

/// A registry with a made image, and the call that pulls it as `nix:2.2.1`.
fn pulled(registry: &Registry, images: &MadeImages) -> String {
    let layer = MadeLayer::file("etc/pulled", "from a registry");
    let image = images.image("linux/amd64", &[layer], json!({ "config": { "Env": ["PULLED=1"] } }));
    let digest = images.push(&registry.host(), "one", image, &[]);
    let archive = images.folder.join("archive.tar");
    output(
        "skopeo",
        &[
            "--insecure-policy",
            "copy",
            "-q",
            "--src-tls-verify=false",
            &format!("docker://{}/team/app@{digest}", registry.host()),
            &format!("docker-archive:{}:nix:2.2.1", archive.display()),
        ],
    );
    let hash = output("sha256sum", &[&archive]);
    format!(
        r#"(dockerTools.pullImage {{ imageName = "{}/team/app"; imageDigest = "{digest}"; sha256 = "{}";
            arch = "amd64"; tlsVerify = false; finalImageName = "nix"; finalImageTag = "2.2.1"; }})"#,
        registry.host(),
        &hash[..64]
    )
}

#[test]
fn a_pulled_image_has_its_final_name_and_tag() {
    let (nix, registry, images) = (Nix::without_plugin(), Registry::start(), MadeImages::new());
    let archive = built(&nix, &pulled(&registry, &images));
    // skopeo's way to write it.
    assert_eq!(repo_tags(&archive), ["docker.io/library/nix:2.2.1"]);
    assert_eq!(Container::load(&archive).text("etc/pulled"), "from a registry");
}

#[test]
fn a_pulled_image_is_a_base() {
    let (nix, registry, images) = (Nix::without_plugin(), Registry::start(), MadeImages::new());
    let archive = built(
        &nix,
        &format!("examples.onTopOfPulledImage.override {{ fromImage = {}; }}", pulled(&registry, &images)),
    );
    assert_eq!(repo_tags(&archive), ["ontopofpulledimage:latest"]);
    let container = Container::load(&archive);
    assert_eq!(container.text("etc/pulled"), "from a registry");
    assert_eq!(container.run(&["/bin/hello"]).ok(), "Hello, world!");
    assert_eq!(container.config()["Env"], json!(["PULLED=1"]));
}

#[test]
fn one_image_and_a_layered_one_on_top_of_a_layered_one() {
    let nix = Nix::without_plugin();
    for example in ["layered-on-top", "layered-on-top-layered"] {
        let container = load(&nix, example);
        assert_eq!(container.config()["WorkingDir"], "/example-output", "{example}");
        assert_eq!(container.stat("example-output"), "777 0:0", "{example}");
        assert_eq!(container.run(&[]).ok(), "hello", "{example}");
        assert_eq!(container.run(&["cat", "/extraCommands"]).ok(), "from extraCommands", "{example}");
    }
}

#[test]
fn layers_of_bases_are_below_in_their_order() {
    let nix = Nix::without_plugin();
    let container = load(&nix, "layersOrder");
    let read = container.run(&["cat", "/tmp/layer1", "/tmp/layer2", "/tmp/layer3", "/tmp/last"]);
    assert_eq!(read.ok(), "layer1\nlayer2\nlayer3\nlayer3");
}

#[test]
fn commands_as_root_find_the_bases_layers_in_their_order() {
    let nix = Nix::without_plugin();
    assert_eq!(load(&nix, "layersUnpackOrder").text("layer-order"), "abc");
}

#[test]
fn a_base_may_have_a_layer_twice() {
    let nix = Nix::without_plugin();
    let images = MadeImages::new();
    let layers = [MadeLayer::file("a", "1"), MadeLayer::file("b", "2"), MadeLayer::file("a", "1")];
    images.tag("one", images.image("linux/amd64", &layers, json!({})));
    let base = nix.folder().join("base.tar");
    fs::write(&base, images.archive()).expect("an archive");
    let image = format!(
        "dockerTools.buildImage {{ name = \"x\"; fromImage = {}; copyToRoot = pkgs.hello; }}",
        base.display()
    );
    let container = Container::load(&built(&nix, &image));
    assert_eq!(container.diff_ids().len(), 5);
    assert_eq!((container.text("a"), container.text("b")), ("1".into(), "2".into()));
    assert_eq!(container.run(&["/bin/hello"]).ok(), "Hello, world!");
}

#[test]
fn variables_are_inherited_and_the_last_value_wins() {
    let nix = Nix::without_plugin();
    let container = load(&nix, "environmentVariables");
    let env = container.run(&["/bin/env"]).ok();
    for line in ["FROM_PARENT=true", "FROM_CHILD=true", "LAST_LAYER=child"] {
        assert!(env.lines().any(|found| found == line), "{line}: {env}");
    }
}

#[test]
fn a_variable_is_once_in_the_configuration_that_the_manifest_names() {
    let nix = Nix::without_plugin();
    let archive = built(&nix, "examples.environmentVariablesLayered");
    let documents = support::json(&member(&archive, "manifest.json"));
    let config = documents[0]["Config"].as_str().expect("a name");
    let config = support::json(&member(&archive, config));
    let mut env: Vec<&str> = config["config"]["Env"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|v| v.as_str().expect("text"))
        .collect();
    env.sort_unstable();
    assert_eq!(env, ["FROM_CHILD=true", "FROM_PARENT=true", "LAST_LAYER=child"]);
    let env = Container::load(&archive).run(&["/bin/env"]).ok();
    assert!(env.contains("LAST_LAYER=child") && env.contains("FROM_PARENT=true"), "{env}");
}

#[test]
fn merged_images_are_a_base_by_their_first_with_a_warning() {
    for nix in modes() {
        let ran = nix.eval(&with_tools(
            r#"let on = fromImage: (dockerTools.buildImage { name = "x"; inherit fromImage; }).drvPath; in
            [ (on examples.mergedBashAndRedis) (on examples.bash) ]"#,
        ));
        let warning = "dockerTools.buildImage: fromImage: found an archive of several images (bash:latest, redis:latest)";
        assert_eq!(ran.stderr.matches(warning).count(), 1, "{}", ran.stderr);
        let paths = support::json(&ran.ok());
        assert_eq!(paths[0], paths[1]);
    }
}
