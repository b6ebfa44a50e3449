//! Archives and layers that become far more than they are: found before they fill the disk, with one line that names
//! the image. What may be written is limited by prlimit(1), so that what is written for nothing fails the test.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use support::{Folder, MadeImages, MadeLayer, Store, gantry, output, run, tar_of};

/// Runs `gantry`, which may write files of 16 MiB; its error.
fn refused(arguments: &[&Path], variables: &[(&str, &str)]) -> String {
    let mut command = Command::new("prlimit");
    command.arg("--fsize=16777216").arg(gantry()).args(arguments).envs(variables.iter().copied());
    run(&mut command).err()
}

fn path(name: &str) -> &Path {
    Path::new(name)
}

/// What `script` writes, `$0` being the file.
fn made(folder: &Folder, name: &str, script: &str) -> PathBuf {
    let file = folder.join(name);
    output("sh", &["-euc", script, file.to_str().expect("UTF-8")]);
    file
}

#[test]
fn what_does_not_begin_as_a_tar_is_not_unpacked() {
    let folder = Folder::new();
    for program in ["gzip -1", "zstd -q", "xz -0", "bzip2 -1"] {
        let bomb = made(&folder, "bomb", &format!("head -c 100000000 /dev/zero | {program} > \"$0\""));
        let error = refused(&[path("inspect"), &bomb], &[]);
        let wanted = format!("error: {} is no tar; accepted: ", bomb.display());
        assert!(error.starts_with(&wanted) && error.lines().count() == 1, "{program}: {error}");
    }
}

#[test]
fn an_archive_that_grows_without_measure_is_refused() {
    let folder = Folder::new();
    folder.write("a", "a");
    let bomb = made(
        &folder,
        "bomb.tar.zst",
        r#"{ tar -C "$(dirname "$0")" -cf - a; head -c 100000000 /dev/zero; } | zstd -q > "$0""#,
    );
    for (name, value) in [("GANTRY_UNPACK_BYTES", "1000000"), ("GANTRY_UNPACK_BYTES", "16000000")] {
        let error = refused(&[path("inspect"), &bomb], &[(name, value)]);
        let wanted = format!("error: {}: zstd: its ", bomb.display());
        assert!(error.starts_with(&wanted), "{error}");
        assert!(
            error
                .contains(&format!("become more than {value}; if that is right, set GANTRY_UNPACK_RATIO or")),
            "{error}"
        );
    }
    let error = refused(&[path("inspect"), &bomb], &[("GANTRY_UNPACK_BYTES", "many")]);
    assert!(error.contains("GANTRY_UNPACK_BYTES is \"many\", expected a number from 1 up"), "{error}");
}

#[test]
fn a_layer_that_grows_without_measure_is_refused_by_number() {
    let folder = Folder::new();
    made(&folder, "zeros", "truncate -s 100000000 \"$0\"");
    let made = MadeImages::new();
    let layers = [MadeLayer::file("a", "a"), MadeLayer::zstd(&tar_of(folder.path(), &["zeros"]))];
    made.tag("bomb", made.image("linux/amd64", &layers, json!({})));
    let out = folder.join("out");
    let error = refused(
        &[path("export"), made.folder.path(), path("-o"), &out],
        &[("GANTRY_UNPACK_BYTES", "10000000")],
    );
    assert!(error.contains("layer 2 (sha256:") && error.contains("become more than 10000000;"), "{error}");
    assert!(!out.exists());
}

#[test]
fn users_are_not_added_to_a_file_that_is_no_list_of_users() {
    let store = Store::new();
    let root = store.folder().join("base");
    std::fs::create_dir_all(root.join("etc")).expect("a directory");
    output("truncate", &["-s", "9000000", root.join("etc/passwd").to_str().expect("UTF-8")]);
    let made = MadeImages::new();
    let layer = MadeLayer::zstd(&tar_of(&root, &["etc"]));
    made.tag("base", made.image("linux/amd64", &[layer], json!({})));
    let arguments = json!({
        "fromImage": made.folder.path(), "architecture": "amd64",
        "users": { "app": { "uid": 1000 } },
    });
    let error = store.root(arguments, "root").err();
    assert!(error.contains("/etc/passwd has 9000000 bytes, and the most is 8388608"), "{error}");
}
