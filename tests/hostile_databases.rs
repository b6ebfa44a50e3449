//! `includeNixDB` on a base whose Nix database was made to harm: one line that names the image, and no file left.

mod support;

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use support::{MadeImages, MadeLayer, Store, output, run, tar_of};

/// A layout with a database that these statements make.
fn base(sql: &str) -> MadeImages {
    let made = MadeImages::new();
    let database = made.folder.write("root/nix/var/nix/db/db.sqlite", "");
    let script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])";
    output("python3", &["-c", script, database.to_str().expect("UTF-8"), sql]);
    let layer = MadeLayer::gzip(&tar_of(&made.folder.join("root"), &["nix"]));
    made.tag("base", made.image("linux/amd64", &[layer], json!({})));
    made
}

/// The error of `gantry build` for the database of an image on that base, and what it left in its TMPDIR.
fn refused(made: &MadeImages) -> (String, Vec<PathBuf>) {
    let store = Store::new();
    let arguments = json!({ "fromImage": made.folder.path(), "architecture": "amd64" });
    let root = store.empty_root();
    let attributes =
        json!({ "gantry": { "kind": "database", "arguments": arguments, "root": root }, "closure": [] });
    let out = store.folder().join("out");
    let temporary = store.folder().join("temporary");
    fs::create_dir(&temporary).expect("a directory");
    let error = run(store.build(&attributes, &out).env("TMPDIR", &temporary)).err();
    assert!(!out.exists());
    let left = fs::read_dir(temporary).expect("a directory").map(|entry| entry.expect("an entry").path());
    (error, left.collect())
}

#[test]
fn a_view_in_place_of_a_table_is_refused_and_leaves_nothing() {
    let made = base(
        "create view ValidPaths as
           with recursive n(x) as (select 1 union all select x + 1 from n)
           select x id, 'p' || x path, 'h' hash, 1 registrationTime, '' deriver, 1 narSize, 1 ultimate, '' sigs, '' ca
           from n;
         create table Refs (referrer integer, reference integer);",
    );
    let (error, left) = refused(&made);
    let layer = made.folder.join("blobs").display().to_string();
    assert!(error.starts_with(&format!("error: {layer}")), "{error}");
    assert!(error.contains("/nix/var/nix/db/db.sqlite: ValidPaths is a view, expected a table"), "{error}");
    assert_eq!(left, Vec::<PathBuf>::new());
}

#[test]
fn a_file_that_is_not_a_database_is_refused() {
    let made = base("create table ValidPaths (id integer primary key, path text);");
    let (error, left) = refused(&made);
    assert!(error.contains("ValidPaths has no column hash") && left.is_empty(), "{error}");
}
