//! Store paths in images.

use super::*;

#[test]
fn without_store_paths_nothing_runs_and_no_entry_is_exported() {
    let nix = Nix::without_plugin();
    for example in ["helloOnRootNoStore", "helloOnRootNoStoreFakechroot"] {
        let container = load_stream(&nix, example);
        assert_ne!(container.run(&[]).code, Some(0), "{example}");
        assert!(!names(&container.root).contains(&"nix".to_string()), "{example}");
    }
}

#[test]
fn without_store_paths_it_runs_on_the_hosts_store() {
    let nix = Nix::without_plugin();
    for example in ["helloOnRootNoStore", "helloOnRootNoStoreFakechroot"] {
        let container = load_stream(&nix, example);
        let hello = built(&nix, "pkgs.hello");
        assert!(hello.exists());
        let mount = format!(
            r#"mkdir -p "$root/nix/store"; mount --bind {} "$root/nix/store"
                mount -o remount,bind,ro "$root/nix/store""#,
            nix.real("/nix/store").display()
        );
        assert_eq!(run(&mut container.command_with(&mount, &[])).ok(), "Hello, world!", "{example}");
    }
}

#[test]
fn users_who_are_not_root_run_programs_of_the_store() {
    let nix = Nix::without_plugin();
    let container = load(&nix, "bashLayeredWithUser");
    assert_eq!(container.stat("nix"), "755 0:0");
    assert_eq!(container.stat("nix/store"), "755 0:0");
    assert_eq!(container.sh("id -u; id -g; whoami").ok(), "1000\n1000\nsomebody");
}

#[test]
fn a_user_by_number_runs_on_an_overlay() {
    let nix = Nix::without_plugin();
    let container = load(&nix, "bash.override { config.User = \"1000:1000\"; }");
    let overlay = r#"over=$(dirname "$root")/over; mkdir "$over"; mount -t tmpfs tmpfs "$over"; cd "$over"
        mkdir upper work merged
        mount -t overlay overlay -o lowerdir="$root",upperdir=upper,workdir=work merged
        mount --bind merged "$root""#;
    let ran = run(&mut container.command_with(overlay, &["/bin/bash", "-c", "id -u; ls / | grep nix"]));
    assert_eq!(ran.ok(), "1000\nnix");
}

#[test]
fn two_layered_images_share_layers() {
    let nix = Nix::without_plugin();
    let (one, another) = (load(&nix, "layered-image"), load(&nix, "another-layered-image"));
    assert!(one.diff_ids().iter().any(|id| another.diff_ids().contains(id)));
}

#[test]
fn two_layers_are_enough() {
    let nix = Nix::without_plugin();
    let container = load(&nix, "two-layered-image");
    assert_eq!(container.diff_ids().len(), 2);
    assert_eq!(container.run(&["/bin/hello"]).ok(), "Hello, world!");
}

#[test]
fn a_closure_of_more_paths_than_layers_loses_nothing() {
    let nix = Nix::without_plugin();
    let container = load(&nix, "bulk-layer");
    assert_eq!(container.diff_ids().len(), 2);
    assert_eq!(container.sh("hello && env true").ok(), "Hello, world!");
    let nginx = container.run(&["/bin/nginx", "-v"]);
    assert!(nginx.stderr.contains("nginx version"), "{nginx:?}");
}

#[test]
fn layers_of_the_base_count() {
    let nix = Nix::without_plugin();
    let container = load(&nix, "layered-bulk-layer");
    assert_eq!(container.diff_ids().len(), 4);
    assert_eq!(container.run(&["/bin/hello"]).ok(), "Hello, world!");
}

#[test]
fn an_image_has_the_store_paths_that_it_needs_and_no_others() {
    let nix = Nix::without_plugin();
    let container = load(&nix, "no-store-paths");
    assert_eq!(store_names(&container), ["busybox"]);
    assert_eq!(container.run(&["/bin/busybox", "cat", "/text"]).ok(), "no path in here");
}

#[test]
fn what_only_a_script_in_the_contents_names_is_there_and_intact() {
    let nix = Nix::without_plugin();
    let container = load(&nix, "filesInStore");
    assert_eq!(container.run(&[]).ok(), "some data");
    container.run(&["/bin/nix-store", "--verify", "--check-contents"]).ok();
}

#[test]
fn a_store_path_that_is_a_link_stays_one() {
    let nix = Nix::without_plugin();
    let link = text(&nix, "\"${examples.layeredStoreSymlink.passthru.link}\"");
    let target = text(&nix, "\"${examples.layeredStoreSymlink.passthru.target}\"");
    let container = load(&nix, "layeredStoreSymlink");
    let found = fs::read_link(container.root.join(&link[1..])).expect("a link");
    assert_eq!(found, Path::new(&target));
    assert_eq!(container.sh("echo $(< /dir/target)").ok(), "Content doesn't matter.");
}

#[test]
fn links_in_the_store_stay_as_they_are() {
    let nix = Nix::without_plugin();
    for example in ["nix", "nixLayered"] {
        let container = load(&nix, example);
        let package = text(&nix, "\"${pkgs.nix}\"");
        let link = container.root.join(&package[1..]).join("bin/nix-daemon");
        assert_eq!(fs::read_link(link).expect("a link"), Path::new("nix"), "{example}");
    }
}

#[test]
fn store_paths_may_belong_to_somebody_else() {
    let nix = Nix::without_plugin();
    let archive = streamed(&nix, "examples.nonRootTestImage", "");
    assert_eq!(Container::load(&archive).run(&[]).ok(), "1000:1000");
    let image = look(&archive);
    let store: Vec<_> = image.layers.iter().flat_map(|layer| &layer.members).collect();
    for member in store.iter().filter(|member| member.name.starts_with("nix")) {
        let owner = (member.uid, member.gid, &member.uname[..], &member.gname[..]);
        assert_eq!(owner, (1000, 1000, "user", "user"), "{}", member.name);
    }
}
