//! What functions give: attributes, `override`, `overrideAttrs`.

use super::*;

#[test]
fn results_have_the_attributes_that_nixpkgs_gives_them() {
    let nix = Nix::without_plugin();
    let shown = value(
        &nix,
        r#"with examples; {
          image = [ bash.imageName bash.imageTag bash.buildArgs.name bash.layer.type ];
          layered = [ layered-image.imageName layered-image.imageTag layered-image.stream.isExe ];
          stream = [ helloOnRoot.isExe helloOnRoot.conf.type helloOnRoot.streamScript.type ];
          overridden = [
            (bash.override { tag = "other"; }).imageRef
            (layered-image.override { name = "other"; }).imageRef
            (helloOnRoot.override (old: { name = old.name + "-2"; })).imageRef
          ];
          passed =
            let x = dockerTools.streamLayeredImage { name = "x"; passthru.mine = 1; meta.description = "d"; };
            in [ x.mine x.meta.description ];
        }"#,
    );
    assert_eq!(shown["image"], json!(["bash", "latest", "bash", "derivation"]));
    assert_eq!(shown["layered"], json!(["layered-image", "latest", true]));
    assert_eq!(shown["stream"], json!([true, "derivation", "derivation"]));
    assert_eq!(shown["overridden"], json!(["bash:other", "other:latest", "hello-2:latest"]));
    assert_eq!(shown["passed"], json!([1, "d"]));
}

#[test]
fn passthru_has_name_and_tag() {
    for nix in modes() {
        let shown = value(
            &nix,
            r#"let
              image = dockerTools.buildImage { name = "Cow"; tag = "moo"; };
              layered = dockerTools.buildLayeredImage { name = "cow"; passthru = { imageTag = "mine"; a = 1; }; };
              pair = image: [ image.passthru.imageName image.passthru.imageTag ];
            in [
              (pair image) (pair layered.stream == pair layered) (layered.passthru.imageTag == layered.imageTag)
              (layered.imageTag == "mine") layered.passthru.a (pair examples.nixFromDockerHub)
            ]"#,
        );
        assert_eq!(shown, json!([["cow", "moo"], true, true, false, 1, ["nix", "2.2.1"]]));
    }
}

const RESULTS: &str = r#"{
  image = dockerTools.buildImage { name = "x"; };
  withDatabase = dockerTools.buildImageWithNixDb { name = "x"; };
  layered = dockerTools.buildLayeredImage { name = "x"; };
  layeredWithDatabase = dockerTools.buildLayeredImageWithNixDb { name = "x"; };
  stream = dockerTools.streamLayeredImage { name = "x"; };
  pulled = examples.nixFromDockerHub;
  exported = examples.exportBash;
  merged = examples.mergedBashAndRedis;
  shell = dockerTools.buildNixShellImage { drv = pkgs.hello; };
  shellStream = dockerTools.streamNixShellImage { drv = pkgs.hello; };
}"#;

#[test]
fn override_attrs_changes_what_needs_no_builder() {
    for nix in modes() {
        let shown = value(
            &nix,
            &format!(
                r#"builtins.mapAttrs (_: drv: [
                  (drv.overrideAttrs {{ name = "a b/c"; }}).name
                  ((drv.overrideAttrs (old: {{ name = old.name + "-2"; }})).name == drv.name + "-2")
                  ((drv.overrideAttrs {{ name = "other"; }}).drvPath != drv.drvPath)
                  (drv.overrideAttrs {{ passthru.mine = 1; }}).mine
                  ((drv.overrideAttrs {{ passthru.mine = 1; }}).drvPath == drv.drvPath)
                  (drv.overrideAttrs (old: {{ meta = old.meta // {{ description = "d"; }}; }})).meta.description
                  (drv.overrideAttrs (final: old: {{ meta.x = 1; passthru.y = final.meta.x; }})).y
                  (drv.overrideAttrs {{ preferLocalBuild = false; FOO = "x"; }}).drvAttrs.FOO
                  ((drv.overrideAttrs {{ meta.x = 1; }}).overrideAttrs {{ meta.y = 2; }}).meta
                  ((drv.overrideAttrs (old: old // {{ name = "other"; }})).drvPath
                    == (drv.overrideAttrs {{ name = "other"; }}).drvPath)
                  (drv.override or null != null && drv.outputs == [ "out" ])
                ]) {RESULTS}"#
            ),
        );
        for (name, shown) in shown.as_object().expect("a set") {
            let expected = json!(["a-b-c", true, true, 1, true, "d", 1, "x", { "y": 2 }, true, true]);
            assert_eq!(shown, &expected, "{name}");
        }
        // Other arguments keep the change, as with nixpkgs' makeOverridable.
        let both = r#"((dockerTools.buildImage { name = "x"; }).overrideAttrs { meta.a = 1; }).override { name = "y"; }"#;
        let shown = value(&nix, &format!("let image = {both}; in [ image.imageName image.meta.a ]"));
        assert_eq!(shown, json!(["y", 1]));
    }
}

#[test]
fn override_attrs_of_the_build_is_an_error_that_says_what_to_write() {
    for nix in modes() {
        for (change, words) in [
            (r#"{ buildCommand = "x"; }"#, "extraCommands, fakeRootCommands and runAsRoot"),
            (r#"(old: { buildCommand = old.buildCommand + "x"; })"#, "extraCommands"),
            (r#"{ imageTag = "x"; }"#, "the argument tag"),
            (r#"{ postInstall = "x"; }"#, "an argument of dockerTools.buildLayeredImage"),
        ] {
            let error = error(
                &nix,
                &format!(
                    r#"((dockerTools.buildLayeredImage {{ name = "x"; }}).overrideAttrs {change}).drvPath"#
                ),
            );
            assert!(error.contains("dockerTools.buildLayeredImage: overrideAttrs: "), "{error}");
            assert!(error.contains(words), "{error}");
        }
    }
}

#[test]
fn an_image_with_another_name_is_built() {
    let nix = Nix::without_plugin();
    let archive = built(&nix, r#"examples.bash.overrideAttrs { name = "other.tar.gz"; FOO = [ "x" ]; }"#);
    assert!(archive.display().to_string().ends_with("-other.tar.gz"), "{}", archive.display());
    assert_eq!(repo_tags(&archive), ["bash:latest"]);
}

#[test]
fn the_set_takes_other_packages() {
    for nix in modes() {
        let same = r#"
          let
            drv = tools: (tools.buildImage { name = "x"; copyToRoot = tools.usrBinEnv; }).drvPath;
            other = pkgs.coreutils // { outPath = "${pkgs.hello}"; };
          in [
            (drv (dockerTools.override { jq = 1; rsync = 2; writePython3 = 3; }) == drv dockerTools)
            (drv (dockerTools.override { coreutils = other; }) == drv dockerTools)
            (drv (dockerTools.override (old: { coreutils = old.coreutils; })) == drv dockerTools)
            (((dockerTools.override { go.GOARCH = "arm64"; }).buildImage { name = "x"; }).drvPath
              == (dockerTools.buildImage { name = "x"; architecture = "arm64"; }).drvPath)
            ((dockerTools.override { skopeo = 1; }) ? override)
          ]"#;
        let ran = nix.eval(&with_tools(same));
        for (package, words) in [
            ("jq", "without it"),
            ("rsync", "without it"),
            ("writePython3", "without it"),
            ("skopeo", "REGISTRY_AUTH_FILE"),
        ] {
            let start = format!("dockerTools.override: {package}: has no effect: ");
            let lines: Vec<&str> = ran.stderr.lines().filter(|line| line.contains(&start)).collect();
            assert_eq!(lines.len(), 1, "{package}: {}", ran.stderr);
            assert!(lines[0].contains(words), "{package}: {}", lines[0]);
        }
        assert!(!ran.stderr.contains("coreutils:"), "{}", ran.stderr);
        assert_eq!(support::json(&ran.ok()), json!([true, false, true, true, true]));
    }
}

#[test]
fn names_of_derivations_are_made_as_stdenv_makes_them() {
    for nix in modes() {
        let names = value(
            &nix,
            &r#"let export = name: (dockerTools.exportImage { fromImage = examples.bash; inherit name; }).name; in [
              (export "a/b") (export "..x y") (export "${pkgs.hello}" == baseNameOf "${pkgs.hello}") (export "///")
              (builtins.stringLength (export (toString (builtins.genList (_: "word") 100))))
              (builtins.hasContext (export "x${pkgs.hello}"))
              (dockerTools.pullImage { imageName = "x"; imageDigest = "sha256:ZEROS"; hash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="; name = "a/b:c"; }).name
            ]"#
                .replace("ZEROS", &"0".repeat(64)),
        );
        assert_eq!(names[0], "a-b");
        assert_eq!(names[1], "x-y");
        // Slashes are no part of a name; a store path's is too long to have another in front.
        assert_eq!(names[3], "-");
        assert_eq!(names[4], 207);
        assert_eq!(names[5], false);
        assert_eq!(names[6], "a-b-c");
    }
}

#[test]
fn functions_tell_their_arguments() {
    let nix = Nix::without_plugin();
    let shown = value(
        &nix,
        r#"builtins.mapAttrs (_: f: builtins.attrNames (builtins.functionArgs f)) {
          inherit (dockerTools) buildImage buildLayeredImage streamLayeredImage pullImage exportImage
            buildNixShellImage streamNixShellImage;
        }"#,
    );
    let layered = json!([
        "architecture",
        "config",
        "contents",
        "created",
        "debug",
        "enableFakechroot",
        "extraCommands",
        "fakeRootCommands",
        "fromImage",
        "gid",
        "gname",
        "includeNixDB",
        "includeStorePaths",
        "layeringPipeline",
        "maxLayers",
        "meta",
        "mtime",
        "name",
        "passthru",
        "tag",
        "uid",
        "uname"
    ]);
    assert_eq!(shown["streamLayeredImage"], layered);
    let mut with_compressor: Vec<Value> = layered.as_array().expect("a list").clone();
    with_compressor.insert(1, json!("compressor"));
    assert_eq!(shown["buildLayeredImage"], json!(with_compressor));
    assert_eq!(
        shown["exportImage"],
        json!(["diskSize", "fromImage", "fromImageName", "fromImageTag", "name"])
    );
    for (function, argument) in
        [("buildImage", "copyToRoot"), ("pullImage", "imageDigest"), ("buildNixShellImage", "compressor")]
    {
        assert!(shown[function].as_array().expect("a list").contains(&json!(argument)), "{function}");
    }
}

#[test]
fn gantry_may_be_a_package_a_path_or_a_string() {
    for nix in modes() {
        let same = r#"
          let
            of = gantry:
              (import TOOLS { inherit pkgs gantry; }).buildImage { name = "x"; copyToRoot = pkgs.hello; };
            text = builtins.unsafeDiscardStringContext "${gantry}";
            package = { outPath = "${gantry}"; name = "gantry-0.1.0"; type = "derivation"; };
          in builtins.seq "${gantry}" (map (gantry: (of gantry).drvPath) [
            "${gantry}" text (/. + text) package
          ])"#
        .replace("TOOLS", &quoted(&manifest().join("nix/docker-tools.nix")));
        let paths = value(&nix, &same);
        for path in paths.as_array().expect("a list") {
            assert_eq!(path, &paths[0]);
        }
    }
    // What has no context would be missing in the build.
    let nix = Nix::without_plugin();
    let image = format!(
        r#"(import {} {{ inherit pkgs; gantry = builtins.unsafeDiscardStringContext "${{gantry}}"; }}).buildImage {{
          name = "x"; tag = "y"; }}"#,
        quoted(&manifest().join("nix/docker-tools.nix"))
    );
    assert_eq!(repo_tags(&built(&nix, &image)), ["x:y"]);
}
