//! Through a real nix-daemon, as a normal user: the plugin adds the builder to a store that it may not
//! write to, and root's daemon builds the image.

mod support;

use support::{Machine, look, packages_there};

#[test]
fn a_normal_user_builds_images_through_the_daemon() {
    let machine = Machine::new();
    let images = format!(
        "{} [ (builtins.ociImage {{ name = \"first\"; tag = \"1\"; contents = [ debian.pkgs.zlib1g ]; }}) \
              (builtins.ociImage {{ name = \"second\"; tag = \"2\"; contents = [ debian.pkgs.libc6 ]; compression = \"zstd\"; format = \"layout\"; }}) ]",
        packages_there()
    );
    let script = format!(
        r#"test "$(id -un)" = nobody
        if touch /nix/store/x 2>/dev/null; then exit 1; fi
        nix store ping 2>&1 | grep -qi 'store url: daemon'
        built=$(nix-build --no-out-link --expr '{images}')
        for path in $built; do test "$(stat -c %U "$path")" = root; done
        echo "$built""#
    );
    let printed = machine.as_nobody(&script).ok();
    let paths: Vec<&str> = printed.lines().collect();
    assert_eq!(paths.len(), 2, "{printed}");
    let [first, second] = [0, 1].map(|i| look(&machine.path().join(paths[i].trim_start_matches('/'))));
    assert!(first.paths().iter().any(|path| path.contains("-zlib1g-")), "{:?}", first.paths());
    assert!(second.paths().iter().any(|path| path.contains("-libc6-")), "{:?}", second.paths());
    assert_eq!(first.docker.expect("an archive")[0]["RepoTags"][0], "first:1");
    assert!(second.layers.iter().all(|layer| layer.media_type.ends_with("+zstd")));
}

#[test]
fn the_builder_that_the_plugin_adds_is_a_valid_store_path_of_the_daemon() {
    let machine = Machine::new();
    let script = r#"
        drv=$(nix-instantiate --expr 'builtins.ociImage { name = "app"; }')
        builder=$({ nix derivation show "$drv" 2> /dev/null || nix show-derivation "$drv"; } | jq -r '(.derivations // .)[].builder')
        store_path=$(echo "$builder" | cut -d/ -f1-4)
        nix-store --check-validity "$store_path"
        nix-store --verify-path "$store_path"
        nix-store --query --references "$store_path"
        cmp "$builder" "$DIST/bin/gantry""#;
    assert_eq!(machine.as_nobody(script).ok(), "", "the builder refers to nothing");
}

#[test]
fn the_same_image_comes_from_a_daemon_and_from_a_store_elsewhere() {
    let machine = Machine::new();
    let expression = format!(
        "{} builtins.ociImage {{ name = \"app\"; contents = [ debian.pkgs.zlib1g ]; }}",
        packages_there()
    );
    // Without the daemon, in a chroot store of the user's own.
    let script = format!(
        r#"daemon=$(nix-build --no-out-link --expr '{expression}')
        elsewhere=$(nix-build --no-out-link --store "$HOME/store" --option substituters "" --expr '{expression}')
        test "$daemon" = "$elsewhere"
        cmp "$daemon" "$HOME/store$elsewhere"
        chmod -R u+w "$HOME/store"
        echo "$daemon""#
    );
    let path = machine.as_nobody(&script).ok();
    assert!(path.ends_with("-app.tar"), "{path}");
}
