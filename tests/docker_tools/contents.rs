//! `contents` and `copyToRoot`, and the packages that people put there.

use super::*;

#[test]
fn programs_are_found_on_dockers_usual_path() {
    let nix = Nix::without_plugin();
    assert_eq!(load_stream(&nix, "helloOnRoot").run(&[]).ok(), "Hello, world!");
    assert_eq!(load(&nix, "bash").run(&["bash", "-c", "echo $((6 * 7))"]).ok(), "42");
}

#[test]
fn the_command_may_be_a_store_path_beside_files_of_extra_commands() {
    let nix = Nix::without_plugin();
    let container = load(&nix, "layered-image");
    assert_eq!(container.run(&[]).ok(), "Hello, world!");
    assert_eq!(container.run(&["cat", "/extraCommands"]).ok(), "from extraCommands");
}

#[test]
fn source_directories_are_copied_and_linked() {
    let nix = Nix::without_plugin();
    assert_eq!(load(&nix, "build-image-with-path").run(&[]).ok(), "Hello from a file");
    assert_eq!(load_stream(&nix, "layered-image-with-path").run(&[]).ok(), "Hello from a file");
    fs::create_dir(nix.folder().join("source")).expect("a directory");
    let source = nix.folder().write("source/hello.txt", "from a source");
    let source = source.parent().expect("a directory").display();
    for arguments in [format!("copyToRoot = {source};"), format!("copyToRoot = [ {source} ];")] {
        let image = built(&nix, &format!("dockerTools.buildImage {{ name = \"x\"; {arguments} }}"));
        assert_eq!(Container::load(&image).text("hello.txt"), "from a source");
    }
}

#[test]
fn later_items_of_copy_to_root_win_and_earlier_ones_of_contents() {
    let nix = Nix::without_plugin();
    let items = r#"(map (text: pkgs.writeTextDir "etc/which" text) [ "first" "second" "third" ])"#;
    let copied = built(&nix, &format!("dockerTools.buildImage {{ name = \"x\"; copyToRoot = {items}; }}"));
    assert_eq!(Container::load(&copied).text("etc/which"), "third");
    let linked =
        built(&nix, &format!("dockerTools.buildLayeredImage {{ name = \"x\"; contents = {items}; }}"));
    assert_eq!(Container::load(&linked).text("etc/which"), "first");
}

#[test]
fn copies_are_files_and_links_to_directories_are_followed_unless_kept() {
    let nix = Nix::without_plugin();
    let image = |more: &str| {
        let expression = format!(
            r#"dockerTools.buildImage {{ name = "x"; {more}
              copyToRoot = pkgs.runCommand "tree" {{ }} "mkdir -p $out/real; echo 1 > $out/real/a; ln -s real $out/linked"; }}"#
        );
        Container::load(&built(&nix, &expression))
    };
    let followed = image("");
    assert!(followed.root.join("linked").symlink_metadata().expect("there").is_dir());
    assert_eq!(followed.text("linked/a"), "1\n");
    let kept = image("keepContentsDirlinks = true;");
    assert!(kept.root.join("linked").symlink_metadata().expect("there").is_symlink());
}

#[test]
fn uid_and_gid_of_build_image_are_the_owners_of_its_contents_alone() {
    let nix = Nix::without_plugin();
    let container = load(
        &nix,
        "bash.override { uid = 1000; gid = 100; extraCommands = \"mkdir made\"; config.Cmd = [ \"${pkgs.hello}/bin/hello\" ]; }",
    );
    assert_eq!(container.stat("bin/bash"), "555 1000:100");
    assert_eq!(container.stat("made"), "755 1000:100");
    let hello = text(&nix, "\"${pkgs.hello}\"");
    assert_eq!(container.stat(&hello), "555 0:0");
}

#[test]
fn certificates_are_in_all_three_places() {
    let nix = Nix::without_plugin();
    let container = load(&nix, "image-with-certs");
    for file in [
        "etc/ssl/certs/ca-bundle.crt",
        "etc/ssl/certs/ca-certificates.crt",
        "etc/pki/tls/certs/ca-bundle.crt",
    ] {
        let read = container.run(&["/bin/cat", &format!("/{file}")]).ok();
        assert!(read.starts_with("-----BEGIN CERTIFICATE-----"), "{file}: {read}");
    }
}

#[test]
fn users_shells_and_env_are_packages() {
    let nix = Nix::without_plugin();
    let container = Container::load(&built(
        &nix,
        r#"dockerTools.buildLayeredImage { name = "x"; config.User = "app"; contents = [
             dockerTools.binSh dockerTools.usrBinEnv pkgs.coreutils
             (dockerTools.fakeNss.override {
               extraPasswdLines = [ "app:x:7:8::/:/bin/sh" ]; extraGroupLines = [ "app:x:8:" ];
             }) ]; }"#,
    ));
    let script = "/usr/bin/env true && id -un && id -gn && cat /etc/nsswitch.conf";
    assert_eq!(container.run(&["/bin/sh", "-c", script]).ok(), "app\napp\nhosts: files dns");
    let passwd = container.text("etc/passwd");
    assert!(passwd.starts_with("root:x:0:0:") && passwd.contains("\nnobody:x:65534:65534:"), "{passwd}");
    assert!(container.root.join("var/empty").exists());
}

#[test]
fn merged_derivations_are_one_tree() {
    let nix = Nix::without_plugin();
    let merged = built(
        &nix,
        r#"dockerTools.mergeDrvs { derivations = [
             (pkgs.writeTextDir "a/one" "1") (pkgs.writeTextDir "a/two" "2") ]; }"#,
    );
    assert_eq!(names(&merged.join("a")), ["one", "two"]);
}
