//! `mergeImages` and `exportImage`.

use super::*;

#[test]
fn merged_archives_have_all_images_and_tags() {
    let nix = Nix::without_plugin();
    let archive = built(&nix, "examples.mergedBashAndRedis");
    assert_eq!(repo_tags(&archive), ["bash:latest", "redis:latest"]);
    let bash = Container::load_named(&archive, "docker.io/library/bash:latest");
    assert_eq!(bash.sh("echo $((6 * 7))").ok(), "42");
    let redis = Container::load_named(&archive, "docker.io/library/redis:latest");
    assert!(redis.run(&["/bin/redis-server", "--version"]).ok().starts_with("Redis server v="));
}

#[test]
fn merged_archives_have_automatic_tags() {
    let nix = Nix::without_plugin();
    let tag = text(&nix, "examples.bashNoTag.imageTag");
    let archive = built(&nix, "examples.mergedBashNoTagAndRedis");
    assert_eq!(repo_tags(&archive), [format!("bash-no-tag:{tag}"), "redis:latest".into()]);
    let bash = Container::load_named(&archive, &format!("docker.io/library/bash-no-tag:{tag}"));
    assert_eq!(bash.sh("echo $((6 * 7))").ok(), "42");
}

#[test]
fn merged_archives_keep_owners() {
    let nix = Nix::without_plugin();
    let archive = built(&nix, "examples.mergedBashFakeRoot");
    let name = "docker.io/library/layered-image-with-fake-root-commands:latest";
    assert_eq!(Container::load_named(&archive, name).stat("home/alice"), "755 1000:0");
}

#[test]
fn archives_of_any_compression_are_merged() {
    let nix = Nix::without_plugin();
    let archive = built(&nix, "examples.mergeVaryingCompressor");
    assert_eq!(repo_tags(&archive), ["bash:latest", "bash-uncompressed:latest", "bash-zstd:latest"]);
    for name in ["bash", "bash-uncompressed", "bash-zstd"] {
        let container = Container::load_named(&archive, &format!("docker.io/library/{name}:latest"));
        assert_eq!(container.sh("echo runs").ok(), "runs", "{name}");
    }
}

#[test]
fn an_export_is_the_tar_of_the_file_system() {
    let nix = Nix::without_plugin();
    let tar = built(&nix, "examples.exportBash");
    let members = output("tar", &["-tf", tar.to_str().expect("UTF-8")]);
    assert!(members.lines().any(|member| member == "./bin/bash"), "{members}");
}
