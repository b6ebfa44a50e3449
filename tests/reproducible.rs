//! An image is a function of its arguments: nothing of the machine, its user or its mood gets into a byte.

mod support;

use std::path::Path;
use std::process::Command;

use support::{Nix, gantry, look, output, packages, run};

fn image(arguments: &str) -> String {
    let app = format!("builtins.ociImage ({{ name = \"app\"; tag = \"1\"; }} // {{ {arguments} }})");
    format!("{} {app}", packages())
}

/// nginx's closure linked, another one copied, and a configuration.
const CONTENTS: &str = "contents = [ debian.pkgs.nginx-light ]; copyToRoot = [ debian.pkgs.libssl3 ]; \
                        config.Env = [ \"A=b\" \"LANG=C\" ]; config.Labels = { b = \"1\"; a = \"2\"; };";

/// A private place for builds by hand: everybody may read what is in it and write to it, and it is gone
/// with the namespace.
const PLACE: &str = "mount -t tmpfs -o mode=1777 tmpfs /mnt; cp \"$GANTRY\" /mnt/gantry; chmod 755 /mnt/gantry; \
                     cp attrs.json /mnt/; chmod 644 /mnt/attrs.json; cd /mnt";

/// Runs `gantry build` by hand on the attributes of an image's derivation, in all the ways that `ways`
/// lists (the command comes after each of them); the digests of the archives.
#[track_caller]
fn by_hand(nix: &Nix, ways: &[&str]) -> Vec<String> {
    let mut script = PLACE.to_string();
    for way in ways {
        script += &format!("\n( {way} /mnt/gantry build --attrs /mnt/attrs.json --out /mnt/out >&2 )");
        // A directory (the root layer) counts by its files.
        script += "\n( cd /mnt; find out -type f | LC_ALL=C sort | xargs sha256sum | sha256sum; rm -rf out )";
    }
    let printed = run(nix.in_store(&script).env("GANTRY", gantry())).ok();
    printed.lines().map(|line| line.split(' ').next().unwrap_or_default().to_string()).collect()
}

#[track_caller]
fn assert_all_equal(digests: &[String], ways: &[&str]) {
    assert_eq!(digests.len(), ways.len());
    for (digest, way) in digests.iter().zip(ways) {
        assert_eq!(*digest, digests[0], "with: {way}");
    }
}

#[test]
fn user_umask_locale_time_zone_folder_and_threads_change_no_byte() {
    let nix = Nix::new();
    let ways = [
        "",
        "umask 077;",
        "umask 000;",
        "env -i",
        "env LANG=tr_TR.UTF-8 LC_ALL=tr_TR.UTF-8",
        "env LC_ALL=C TZ=Asia/Kathmandu",
        "env SOURCE_DATE_EPOCH=1700000000 TMPDIR=/nonexistent HOME=/nonexistent",
        "cd /;",
        "setpriv --reuid=nobody --regid=nogroup --clear-groups",
        "ulimit -n 64;",
        "env NIX_BUILD_CORES=1",
        "env NIX_BUILD_CORES=2",
        "env NIX_BUILD_CORES=7",
        "env NIX_BUILD_CORES=0",
    ];
    for (compression, ways) in [("none", &ways[..]), ("gzip", &ways[8..]), ("zstd", &ways[8..])] {
        let expression = image(&format!("{CONTENTS} compression = \"{compression}\";"));
        let attributes = nix.attributes(&expression);
        nix.folder().write("attrs.json", attributes.to_string());
        let digests = by_hand(&nix, ways);
        assert_all_equal(&digests, ways);

        // What Nix's own build made is the same, too.
        let built = output("sha256sum", &[nix.built(&expression)]);
        let built = built.split(' ').next().expect("a digest");
        let listed =
            Command::new("sh").args(["-c", "printf '%s  out\\n' \"$0\" | sha256sum", built]).output();
        let listed = String::from_utf8(listed.expect("sh").stdout).expect("UTF-8");
        assert!(listed.starts_with(&digests[0]), "{compression}: {listed} is not {}", digests[0]);
    }
}

#[test]
fn the_root_layer_does_not_depend_on_its_surroundings_either() {
    let nix = Nix::new();
    let attributes = nix.attributes(&format!("({}).root", image(CONTENTS)));
    run(nix.command("nix-build").args(["--no-out-link", "--expr", &image(CONTENTS)])).ok();
    nix.folder().write("attrs.json", attributes.to_string());
    let ways = [
        "",
        "umask 077;",
        "umask 000;",
        "env -i",
        "env LC_ALL=tr_TR.UTF-8 TZ=Asia/Kathmandu",
        "cd /;",
        "setpriv --reuid=nobody --regid=nogroup --clear-groups",
        "env NIX_BUILD_CORES=7",
    ];
    assert_all_equal(&by_hand(&nix, &ways), &ways);
}

#[test]
fn directory_order_hard_links_and_an_optimised_store_change_no_byte() {
    let nix = Nix::new();
    let attributes = nix.attributes(&image(CONTENTS));
    nix.folder().write("attrs.json", attributes.to_string());
    let original = by_hand(&nix, &[""]);

    // The same store, made anew on another file system, its entries in the reverse order.
    let copy = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/copy-reversed");
    let copied = format!(
        "mount -t tmpfs -o mode=755 tmpfs /opt; {copy} /nix/store /opt/store; mount --bind /opt/store /nix/store;"
    );
    assert_eq!(by_hand(&nix, &[&copied]), original);

    let count = |store: &Path| {
        let linked = output(
            "find",
            &[
                store.to_str().expect("UTF-8"),
                "-path",
                "*/.links",
                "-prune",
                "-o",
                "-type",
                "f",
                "-links",
                "+1",
                "-print",
            ],
        );
        linked.lines().count()
    };
    let store = nix.store().join("nix/store");
    assert_eq!(count(&store), 0);
    run(nix.command("nix-store").arg("--optimise")).ok();
    assert!(count(&store) > 100, "{} files", count(&store));
    assert_eq!(by_hand(&nix, &[""]), original);
}

#[test]
fn nix_itself_finds_rebuilt_images_equal_with_any_number_of_cores() {
    let nix = Nix::new();
    for compression in ["none", "gzip", "zstd"] {
        let expression = image(&format!(
            "contents = [ debian.pkgs.libssl3 ]; compression = \"{compression}\"; maxLayers = 5;"
        ));
        let build = |arguments: &[&str]| {
            let mut build = nix.command("nix-build");
            run(build.args(["--no-out-link", "--expr", &expression]).args(arguments)).ok()
        };
        build(&["--cores", "1"]);
        for cores in ["1", "2", "7"] {
            build(&["--check", "--cores", cores]);
        }
    }
}

#[test]
fn archive_and_layout_are_the_same_image() {
    let nix = Nix::new();
    for compression in ["none", "gzip", "zstd"] {
        let arguments = format!("{CONTENTS} compression = \"{compression}\";");
        let archive = look(&nix.built(&image(&arguments)));
        let layout = look(&nix.built(&image(&format!("{arguments} format = \"layout\";"))));
        assert_eq!(archive.digest, layout.digest, "{compression}");
        assert_eq!(archive.index, layout.index, "{compression}");
        assert_eq!(archive.oci_layout, layout.oci_layout, "{compression}");
        assert_eq!(archive.diff_ids(), layout.diff_ids(), "{compression}");
    }
}
