//! Images of a real closure (Debian's python3 and nginx), read and run by real tools: what is in them is
//! what Nix has, and every tool sees the same.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::{
    Image, Nix, Registry, docker_less_run, functions, gantry, look, output, packages, quoted, run, tree,
    unpack,
};

/// An image called `app:1` of `arguments`, an expression's text.
fn image(arguments: &str) -> String {
    image_of("", arguments)
}

/// The same, with definitions that the arguments use.
fn image_of(definitions: &str, arguments: &str) -> String {
    let app = format!("builtins.ociImage ({{ name = \"app\"; tag = \"1\"; }} // {{ {arguments} }})");
    format!("{} let {definitions} in {app}", packages())
}

/// python3 and nginx, runnable: their closure, linked into `/`.
const EVERYTHING: &str = r#"contents = debian.all;
    config = { Env = [ "PATH=/usr/bin:/usr/sbin:/bin" ]; Cmd = [ "python3" ]; };"#;

/// `skopeo copy`, with layers as they are.
#[track_caller]
fn copy(from: &str, to: &str) {
    skopeo_copy(&["--dest-oci-accept-uncompressed-layers", from, to]);
}

#[track_caller]
fn skopeo_copy(arguments: &[&str]) {
    let options =
        ["--insecure-policy", "copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"];
    run(Command::new("skopeo").args(options).args(arguments)).ok();
}

/// `gantry inspect --json`.
#[track_caller]
fn inspect(image: &Path) -> Value {
    support::json(&run(Command::new(gantry()).args(["inspect", "--json"]).arg(image)).ok())
}

/// Builds and reads an image.
#[track_caller]
fn built(nix: &Nix, arguments: &str) -> (PathBuf, Image) {
    let path = nix.built(&image(arguments));
    let image = look(&path);
    assert_eq!(image.unnamed, Vec::<String>::new(), "{}", path.display());
    (path, image)
}

/// What `nix-store --query` says about the output of a derivation.
#[track_caller]
fn query(nix: &Nix, what: &str, expression: &str) -> BTreeSet<String> {
    let path = run(nix.command("nix-build").args(["--no-out-link", "--expr", expression])).ok();
    run(nix.command("nix-store").args(["--query", what, &path])).ok().lines().map(str::to_string).collect()
}

/// python3 and nginx of an unpacked image do their work.
#[track_caller]
fn assert_runs(root: &Path) {
    let python = "import json, sqlite3, ssl, sys, zlib; print(json.dumps([sys.version_info[0], 6 * 7]))";
    assert_eq!(docker_less_run(root, &["/usr/bin/python3", "-c", python]).ok(), "[3, 42]");
    let nginx = docker_less_run(root, &["/usr/sbin/nginx", "-v"]);
    assert!(nginx.stderr.starts_with("nginx version: nginx/"), "{nginx:?}");
    assert_eq!(nginx.code, Some(0));
}

#[test]
fn an_image_runs_as_unpacked_by_umoci_from_layout_and_archive() {
    let nix = Nix::new();
    let layout = nix.built(&image(&format!("{EVERYTHING} format = \"layout\";")));
    let of_layout = unpack(&format!("{}:1", layout.display()), &nix.folder().join("of-layout"));
    let archive = nix.built(&image(EVERYTHING));
    let copied = nix.folder().join("copied");
    copy(&format!("oci-archive:{}", archive.display()), &format!("oci:{}:1", copied.display()));
    let of_archive = unpack(&format!("{}:1", copied.display()), &nix.folder().join("of-archive"));
    let (layout_tree, archive_tree) = (tree(&of_layout), tree(&of_archive));
    assert!(layout_tree.len() > 1000, "{} files", layout_tree.len());
    assert_eq!(layout_tree, archive_tree);
    assert_runs(&of_layout);
    assert_runs(&of_archive);
}

#[test]
fn podman_loads_an_archive_and_its_mount_runs() {
    let nix = Nix::new();
    // podman's vfs driver copies the whole tree for every layer.
    let (archive, image) = built(&nix, &format!("{EVERYTHING} maxLayers = 4;"));
    // In namespaces of its own, so that mounts go away; `podman run` would need cgroups.
    let script = r#"podman() { command podman --root "$0/root" --runroot "$0/run" --storage-driver vfs \
            --cgroup-manager cgroupfs --runtime crun "$@"; }
        loaded=$(podman load --quiet --input "$1")
        name=${loaded#"Loaded image: "}
        podman image inspect "$name" > "$0/inspected"
        root=$(podman image mount "$name")
        mkdir "$0/mounted"; mount --bind "$root" "$0/mounted"
        chroot "$0/mounted" /usr/bin/python3 -c 'print(6 * 7)'
        umount "$0/mounted"; podman image unmount "$name" >&2"#;
    let podman = nix.folder().join("podman");
    std::fs::create_dir(&podman).expect("a directory");
    let printed =
        run(Command::new("unshare").args(["--mount", "sh", "-euc", script]).arg(&podman).arg(&archive));
    assert_eq!(printed.ok(), "42");

    let inspected = std::fs::read_to_string(podman.join("inspected")).expect("a file");
    let inspected = &support::json(&inspected)[0];
    let config_digest = image.manifest["config"]["digest"].as_str().expect("a digest");
    assert_eq!(format!("sha256:{}", inspected["Id"].as_str().expect("an ID")), config_digest);
    assert_eq!(inspected["RepoTags"], json!(["docker.io/library/app:1"]));
    assert_eq!(inspected["Config"]["Cmd"], json!(["python3"]));
    assert_eq!(inspected["RootFS"]["Layers"], image.config["rootfs"]["diff_ids"]);
}

#[test]
fn skopeo_reads_the_same_image_from_oci_archive_docker_archive_and_layout() {
    let nix = Nix::new();
    let archive = nix.built(&image("contents = debian.roots;"));
    let layout = nix.built(&image("contents = debian.roots; format = \"layout\";"));
    let original = look(&archive);
    for (kind, from) in [
        ("oci-archive", format!("oci-archive:{}", archive.display())),
        ("oci-archive by tag", format!("oci-archive:{}:1", archive.display())),
        ("docker-archive", format!("docker-archive:{}", archive.display())),
        ("docker-archive by tag", format!("docker-archive:{}:docker.io/library/app:1", archive.display())),
        ("layout", format!("oci:{}", layout.display())),
        ("layout by tag", format!("oci:{}:1", layout.display())),
    ] {
        let folder = support::Folder::new();
        let to = format!("oci:{}:copy", folder.join("oci").display());
        match kind.starts_with("docker") {
            // skopeo makes a manifest of its own for what has none, and 1.9 calls its layers gzip: so be it.
            true => skopeo_copy(&[&from, &to]),
            false => copy(&from, &to),
        }
        // `look` has compared the bytes of each layer with its diff ID.
        let copied = look(&folder.join("oci"));
        assert_eq!(copied.config, original.config, "{kind}");
        assert_eq!(copied.manifest["config"]["digest"], original.manifest["config"]["digest"], "{kind}");
        assert_eq!(copied.diff_ids(), original.diff_ids(), "{kind}");
        if !kind.starts_with("docker") {
            assert_eq!(copied.digest, original.digest, "{kind}");
        }
    }
}

#[test]
fn archives_with_compressed_layers_are_docker_archives_too() {
    let nix = Nix::new();
    for compression in ["gzip", "zstd"] {
        let arguments = format!("contents = [ debian.pkgs.zlib1g ]; compression = \"{compression}\";");
        let (archive, original) = built(&nix, &arguments);
        let folder = support::Folder::new();
        let to = format!("oci:{}:copy", folder.join("oci").display());
        skopeo_copy(&[&format!("docker-archive:{}", archive.display()), &to]);
        let copied = look(&folder.join("oci"));
        assert_eq!(
            copied.manifest["config"]["digest"], original.manifest["config"]["digest"],
            "{compression}"
        );
        assert_eq!(copied.diff_ids(), original.diff_ids(), "{compression}");
    }
}

#[test]
fn containerd_imports_archives_under_their_full_names_and_runs_them() {
    let nix = Nix::new();
    let images: Vec<(&str, PathBuf)> = [
        ("none", "app", "docker.io/library/app:1"),
        ("gzip", "me/app", "docker.io/me/app:1"),
        ("zstd", "localhost:5000/app", "localhost:5000/app:1"),
    ]
    .into_iter()
    .map(|(compression, name, full_name)| {
        let contents =
            "contents = [ (package \"tools\" \"mkdir -p $out/bin; cp ${busybox}/bin/busybox $out/bin/\") ];";
        let arguments = format!("{contents} name = \"{name}\"; compression = \"{compression}\";");
        (full_name, nix.built(&image(&arguments)))
    })
    .collect();
    // A daemon of its own, that ends with its namespace. The snapshotter `native` needs no overlayfs.
    let script = r#"dir=$0
        cat > "$dir/config.toml" <<END
version = 2
root = "$dir/root"
state = "$dir/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "$dir/socket"
END
        containerd --config "$dir/config.toml" 2> "$dir/log" &
        for i in $(seq 100); do ctr --address "$dir/socket" version > /dev/null 2>&1 && break; sleep 0.1; done
        ctr() { command ctr --address "$dir/socket" "$@"; }
        mkdir "$dir/mounted"
        # containerd 2 unpacks in the daemon, for the snapshotters that its configuration has, unless told otherwise.
        local=$(ctr images import --help | grep -o -m 1 -e --local || true)
        while [ $# -gt 0 ]; do
            # Compares every layer with its diff ID.
            ctr images import $local --snapshotter native "$2" >&2
            ctr images list | awk -v name="$1" '$1 == name { print $1, $3 }'
            ctr images mount --snapshotter native "$1" "$dir/mounted" >&2
            chroot "$dir/mounted" /bin/busybox expr 6 '*' 7
            umount "$dir/mounted"
            shift 2
        done"#;
    let dir = nix.folder().join("containerd");
    std::fs::create_dir(&dir).expect("a directory");
    let mut machine = Command::new("unshare");
    machine
        .args(["--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-euc", script])
        .arg(&dir);
    for (name, path) in &images {
        machine.arg(name).arg(path);
    }
    let printed = run(&mut machine).ok();
    let expected: Vec<String> =
        images.iter().map(|(name, path)| format!("{name} {}\n42", look(path).digest)).collect();
    assert_eq!(printed, expected.join("\n"));
}

#[test]
fn a_registry_gives_back_what_was_pushed_whatever_the_compression() {
    let nix = Nix::new();
    let registry = Registry::start();
    for compression in ["none", "gzip", "zstd"] {
        let arguments = format!("contents = debian.roots; compression = \"{compression}\";");
        let (archive, original) = built(&nix, &arguments);
        let remote = format!("docker://{}/me/app:{compression}", registry.host());
        skopeo_copy(&["--preserve-digests", &format!("oci-archive:{}", archive.display()), &remote]);

        let remote_inspect =
            run(Command::new("skopeo").args(["inspect", "--tls-verify=false", &remote])).ok();
        let remote_inspect = support::json(&remote_inspect);
        assert_eq!(remote_inspect["Digest"], inspect(&archive)["digest"], "{compression}");
        assert_eq!(remote_inspect["Digest"], original.digest, "{compression}");

        let back = nix.folder().join(format!("back-{compression}"));
        copy(&remote, &format!("oci:{}:1", back.display()));
        let back = look(&back);
        assert_eq!(back.digest, original.digest, "{compression}");
        assert_eq!(back.manifest, original.manifest, "{compression}");
    }
}

#[test]
fn compressed_images_hold_the_layers_of_the_uncompressed_one() {
    let nix = Nix::new();
    let arguments = |compression: &str| {
        format!(
            "contents = debian.roots; maxLayers = 12; format = \"layout\"; compression = \"{compression}\";"
        )
    };
    let (plain_layout, plain) = built(&nix, &arguments("none"));
    let plain_tree = tree(&unpack(&format!("{}:1", plain_layout.display()), &nix.folder().join("plain")));
    let plain_size: u64 = plain.layers.iter().map(|layer| layer.size).sum();
    for (compression, test) in [("gzip", ["gzip", "-t"]), ("zstd", ["zstd", "-tq"])] {
        let (layout, image) = built(&nix, &arguments(compression));
        // `look` has decompressed each blob and compared it with its diff ID.
        assert_eq!(image.diff_ids(), plain.diff_ids(), "{compression}");
        let size: u64 = image.layers.iter().map(|layer| layer.size).sum();
        assert!(size * 2 < plain_size, "{compression}: {size} of {plain_size} bytes");
        for layer in &image.layers {
            assert_eq!(layer.media_type, format!("application/vnd.oci.image.layer.v1.tar+{compression}"));
            let blob = layout.join("blobs/sha256").join(layer.digest.trim_start_matches("sha256:"));
            let blob = std::fs::File::open(blob).expect("a blob");
            run(Command::new(test[0]).arg(test[1]).stdin(blob)).ok();
        }
        // umoci 0.4.7 reads no zstd; skopeo does.
        let from = match compression {
            "gzip" => layout,
            _ => {
                let (dir, decompressed) = (nix.folder().join("dir"), nix.folder().join("decompressed"));
                let dir = format!("dir:{}", dir.display());
                skopeo_copy(&["--dest-decompress", &format!("oci:{}:1", layout.display()), &dir]);
                copy(&dir, &format!("oci:{}:1", decompressed.display()));
                decompressed
            }
        };
        let unpacked = unpack(&format!("{}:1", from.display()), &nix.folder().join(compression));
        assert_eq!(tree(&unpacked), plain_tree, "{compression}");
    }
}

#[test]
fn the_store_in_an_image_is_the_real_store_byte_for_byte() {
    let nix = Nix::new();
    // Besides Debian's packages what is rare in them: paths that are a link, a file, an executable file;
    // names that need PAX headers, are not UTF-8, or mean something to a shell; empty directory and file.
    let arguments = r#"
      contents = debian.roots ++ [ odd ];
      config.Env = [ "LINK=${link}" "FILE=${file}" "PROGRAM=${program}" ];
      format = "layout";"#;
    let odd = r#"
      link = package "a-link" "busybox ln -s ${odd} $out";
      file = builtins.toFile "a-file" "text";
      program = package "a+program" "cp ${busybox}/bin/busybox $out; chmod 555 $out";
      odd = package "odd+names_1.0" ''
        long=$(busybox printf '%0250d' 7)
        mkdir -p "$out/empty" "$out/$long/$long" "$out/a b/ü/日本" "$out/-dash" "$out/a=b"
        : > "$out/nothing"
        echo 1 > "$out/$long/$long/file"
        echo 2 > "$out/a b/ü/日本/c++"
        echo 3 > "$out/$(busybox printf 'latin-1 \351')"
        echo 4 > "$out/$(busybox printf 'a\nb\tc')"
        echo 5 > "$out/ space "
        echo 6 > "$out/back\\slash"
        busybox ln -s "$out/$long/$long/file" "$out/far"
        busybox ln -s nowhere "$out/dangling"
        busybox ln -s "$(busybox printf 'latin-1 \351')" "$out/encoded"
        busybox ln -s "ü/é" "$out/unicode"
        echo '#!/bin/sh' > $out/script; chmod +x $out/script
      '';
    "#;
    let expression = image_of(odd, arguments);
    let layout = nix.built(&expression);
    let root = unpack(&format!("{}:1", layout.display()), &nix.folder().join("unpacked"));

    let closure = query(&nix, "--requisites", &format!("({expression}).root"));
    let root_path =
        run(nix.command("nix-build").args(["--no-out-link", "--expr"]).arg(format!("({expression}).root")))
            .ok();
    let paths: Vec<&String> = closure.iter().filter(|path| **path != root_path).collect();
    for name in ["-a-link", "-a-file", "-a+program", "-odd+names_1.0"] {
        assert!(paths.iter().any(|path| path.ends_with(name)), "{name} is not in {paths:?}");
    }
    let unpacked: BTreeSet<String> = std::fs::read_dir(root.join("nix/store"))
        .expect("a store")
        .map(|entry| format!("/nix/store/{}", entry.expect("an entry").file_name().to_str().expect("UTF-8")))
        .collect();
    assert_eq!(unpacked.iter().collect::<Vec<_>>(), paths);
    // The NAR hash is over names, contents, targets and executable bits.
    let expected = run(nix.command("nix-store").args(["--query", "--hash"]).args(&paths)).ok();
    let mut nix_hash = nix.command("nix-hash");
    let found = run(nix_hash
        .args(["--type", "sha256", "--base32"])
        .args(paths.iter().map(|path| root.join(&path[1..]))))
    .ok();
    let found: Vec<String> = found.lines().map(|hash| format!("sha256:{hash}")).collect();
    assert_eq!(found.len(), paths.len());
    for ((path, found), expected) in paths.iter().zip(found).zip(expected.lines()) {
        assert_eq!(found, expected, "{path}");
    }
    let files = tree(&root);
    for directory in ["nix", "nix/store"] {
        assert!(files[directory].starts_with("drwxr-xr-x 0:0 1 "), "{directory}: {}", files[directory]);
    }
    // Modes are those of the store, where nothing can be written.
    for (name, what) in files.iter().filter(|(name, _)| name.starts_with("nix/store/")) {
        let (mode, rest) = what.split_once(' ').expect("mode first");
        assert!(["-r--r--r--", "-r-xr-xr-x", "dr-xr-xr-x", "lrwxrwxrwx"].contains(&mode), "{name}: {what}");
        assert!(rest.starts_with("0:0 1 "), "{name}: {what}");
    }
}

#[test]
fn the_closure_is_what_nix_finds_by_its_reference_scan() {
    let nix = Nix::new();
    for arguments in [
        "contents = debian.roots;",
        "contents = [ debian.pkgs.zlib1g ]; layering = \"single\";",
        "copyToRoot = [ (package \"copied\" \"mkdir $out; echo ${debian.pkgs.zlib1g} > $out/note\") ];",
        "",
    ] {
        let (_, found) = built(&nix, arguments);
        let root = format!("({}).root", image(arguments));
        let mut expected = query(&nix, "--requisites", &root);
        expected.retain(|path| !path.ends_with("-app-root"));
        assert_eq!(found.paths(), expected.iter().map(String::as_str).collect(), "{arguments}");
        // What is said in the history is what is in the layers.
        for layer in &found.layers {
            let in_store: BTreeSet<&str> = layer
                .members
                .iter()
                .filter_map(|m| m.name.strip_prefix("nix/store/")?.split('/').next())
                .collect();
            let said: BTreeSet<&str> = layer.paths.iter().map(|path| &path["/nix/store/".len()..]).collect();
            assert_eq!(in_store, said);
        }
    }
}

#[test]
fn a_path_that_only_the_configuration_names_comes_with_its_closure() {
    let nix = Nix::new();
    for config in [
        "Env = [ \"DATA=${top}/x\" ];",
        "Labels.data = \"see ${top}\";",
        "Entrypoint = [ \"${top}/bin/x\" ];",
        "Healthcheck.Test = [ \"CMD\" \"${top}/bin/x\" ];",
        "WorkingDir = \"${top}\";",
    ] {
        let definitions = r#"below = builtins.toFile "below" "text";
            top = package "top" "mkdir $out; echo ${below} > $out/x";"#;
        let image = look(&nix.built(&image_of(definitions, &format!("config = {{ {config} }};"))));
        let names: Vec<&str> = image.paths().iter().map(|path| &path["/nix/store/".len() + 33..]).collect();
        assert_eq!(
            names.iter().copied().collect::<BTreeSet<_>>(),
            BTreeSet::from(["below", "top"]),
            "{config}"
        );
    }
}

#[test]
fn without_store_paths_nothing_is_below_nix() {
    let nix = Nix::new();
    let (_, with) = built(&nix, "contents = [ debian.pkgs.zlib1g ];");
    let (_, without) = built(&nix, "contents = [ debian.pkgs.zlib1g ]; includeStorePaths = false;");
    assert!(with.members().keys().any(|name| name.starts_with("nix/store/")));
    assert!(!without.members().keys().any(|name| *name == "nix" || name.starts_with("nix/")));
    assert_eq!(without.paths().len(), 0);
    // The links into the store stay, for an image that finds the store mounted.
    assert_eq!(without.diff_ids(), &with.diff_ids()[with.layers.len() - 1..]);
}

#[test]
fn max_layers_is_kept_and_no_file_is_lost() {
    let nix = Nix::new();
    let (_, all) = built(&nix, "contents = debian.roots; maxLayers = 127;");
    assert!(all.layers.len() > 50 && all.layers.len() <= 127, "{} layers", all.layers.len());
    for max in [1, 2, 5] {
        let (_, image) = built(&nix, &format!("contents = debian.roots; maxLayers = {max};"));
        let least = max.min(3); // by size, paths that the same large ones need share a layer
        assert!((least..=max).contains(&image.layers.len()), "{} layers", image.layers.len());
        assert_eq!(image.paths(), all.paths());
        assert!(image.members() == all.members(), "maxLayers = {max} has other files");
    }
}

/// Store paths by name, without hashes, layer by layer; the layer without any at last.
fn layer_names(image: &Image) -> Vec<Vec<&str>> {
    image
        .layers
        .iter()
        .map(|layer| layer.paths.iter().map(|path| &path["/nix/store/".len() + 33..]).collect())
        .collect()
}

#[test]
fn layering_divides_the_store_as_asked() {
    let nix = Nix::new();
    // `base` is what both need, `large` is by far the largest.
    let definitions = r#"
      base = package "base" "mkdir $out; echo base > $out/base";
      large = package "large" "mkdir $out; busybox dd if=/dev/zero of=$out/zeros bs=1k count=1k 2>/dev/null; echo ${base} > $out/x";
      small = package "small" "mkdir $out; echo ${base} > $out/y";
      other = package "other" "mkdir $out; echo other > $out/z";
    "#;
    let names = |layering: &str| {
        let arguments = format!("contents = [ large small other ]; {layering}");
        let image = look(&nix.built(&image_of(definitions, &arguments)));
        assert_eq!(layer_names(&image).pop(), Some(vec![]), "the root layer is the last");
        let mut layers: Vec<BTreeSet<String>> = layer_names(&image)
            .into_iter()
            .map(|layer| layer.into_iter().map(str::to_string).collect())
            .collect();
        layers.pop();
        layers
    };
    let sets = |layers: &[&[&str]]| -> Vec<BTreeSet<String>> {
        layers.iter().map(|layer| layer.iter().map(|name| name.to_string()).collect()).collect()
    };
    let everything: &[&str] = &["base", "large", "other", "small"];
    assert_eq!(names("layering = \"single\";"), sets(&[everything]));
    // The popular path gets a layer of its own, the rest has to share one.
    let popular = sets(&[&["base"], &["large", "other", "small"]]);
    assert_eq!(names("layering = \"popularity\"; maxLayers = 3;"), popular);
    let pipeline = "layering = [ [ \"popularity_contest\" ] [ \"limit_layers\" 2 ] ];";
    assert_eq!(names(pipeline), popular);
    // [main, common, rest]: what only `large` needs, what it shares with others, and the others.
    let split = names("layering = [ [ \"split_paths\" [ large ] ] [ \"flatten\" ] ];");
    let split: BTreeSet<_> = split.into_iter().collect();
    assert_eq!(split, sets(&[&["base"], &["large"], &["other", "small"]]).into_iter().collect());
    let removed = names("layering = [ [ \"remove_paths\" large ] ];");
    assert_eq!(removed, sets(&[&["base", "other", "small"]]));
    // By size: with room for all, each has its own layer; with room for two, the largest does.
    assert_eq!(names("layering = \"size\";").len(), 4);
    let two = names("layering = \"size\"; maxLayers = 3;");
    assert!(
        two.len() == 2 && two.iter().any(|layer| layer.contains("large") && !layer.contains("small")),
        "{two:?}"
    );
    // Everything but `large` is smaller than this, so it joins others.
    for layer in names("layering = \"size\"; minLayerSize = 100000;") {
        assert!(layer.contains("large"), "{layer:?} is smaller than minLayerSize");
    }
}

#[test]
fn a_pipeline_in_a_file_is_read_by_the_build() {
    let nix = Nix::new();
    let definitions = r#"
      base = package "base" "mkdir $out; echo base > $out/base";
      top = package "top" "mkdir $out; echo ${base} > $out/x";
      made = package "made.json" ''echo '[["subcomponent_out",["'${base}'"]],["reorder",["rest","main"]],["flatten"]]' > $out'';
      folder = package "folder" "mkdir -p $out/of; cp ${made} $out/of/it.json";
      bad = package "bad.json" ''echo '[["flatten"],["over","main",["split_evry",1]]]' > $out'';
      misfit = package "misfit.json" ''echo '[["flatten"],["popularity_contest"]]' > $out'';
    "#;
    let written = nix.folder().write("written.json", r#"[["popularity_contest"], ["limit_layers", 1]]"#);
    let written = quoted(&written);
    let image =
        |layering: &str| image_of(definitions, &format!("contents = [ top ]; layering = {layering};"));
    let names = |layering: &str| {
        let image = look(&nix.built(&image(layering)));
        let layers = layer_names(&image).into_iter();
        layers.map(|layer| layer.into_iter().map(str::to_string).collect()).collect::<Vec<Vec<String>>>()
    };
    for layering in ["made", "\"${made}\"", "\"${folder}/of/it.json\""] {
        let layers = names(layering);
        assert_eq!(layers, [vec!["top"], vec!["base"], vec![]], "{layering}");
    }
    // A path literal, which Nix copies into the store.
    assert_eq!(names(&format!("/. + {written}")).len(), 2);
    for (layering, message) in [
        ("bad", r#"-bad.json: [1][2][0]: unknown operation "split_evry", did you mean "split_every"?"#),
        ("misfit", r#"-misfit.json: [0]: "flatten" takes a list or a set"#),
        ("folder", "-folder: Is a directory"),
        ("base", "-base: Is a directory"),
    ] {
        let error = run(nix.command("nix-build").args(["--no-out-link", "--expr", &image(layering)])).err();
        assert!(error.contains("layering: /nix/store/") && error.contains(message), "{error}");
    }
}

#[test]
fn images_that_share_packages_share_layers() {
    let nix = Nix::new();
    let (_, python) = built(&nix, "contents = [ debian.pkgs.python3 ]; maxLayers = 127;");
    let (_, nginx) =
        built(&nix, "contents = [ debian.pkgs.nginx-light ]; maxLayers = 127; config.Cmd = [ \"nginx\" ];");
    let by_paths = |image: &Image| -> BTreeMap<Vec<String>, String> {
        image.layers.iter().map(|layer| (layer.paths.clone(), layer.diff_id.clone())).collect()
    };
    let (python_layers, nginx_layers) = (by_paths(&python), by_paths(&nginx));
    let common: Vec<&str> = python.paths().intersection(&nginx.paths()).copied().collect();
    assert!(common.iter().any(|path| path.contains("-libc6-")), "{common:?}");
    for path in common {
        let alone = vec![path.to_string()];
        assert!(python_layers.contains_key(&alone), "{path} shares a layer");
        assert_eq!(python_layers[&alone], nginx_layers[&alone], "{path}");
    }
}

#[test]
fn owner_and_times_are_those_asked_for() {
    let nix = Nix::new();
    let (archive, image) = built(
        &nix,
        r#"contents = [ debian.pkgs.zlib1g ]; copyToRoot = [ (package "c" "mkdir -p $out/d; echo x > $out/d/f") ];
           uid = 1000; gid = 2000; uname = "ann"; gname = "staff";
           mtime = "2001-W05-6T04:05:06"; created = "20111213141516";"#,
    );
    // date --date=2001-02-03T04:05:06Z +%s
    let mtime = output("date", &["--date=2001-02-03T04:05:06Z", "+%s"]).parse::<f64>().expect("seconds");
    for member in image.members().values() {
        assert_eq!((member.uid, member.gid), (1000, 2000), "{member:?}");
        assert_eq!((member.uname.as_str(), member.gname.as_str()), ("ann", "staff"), "{member:?}");
        assert_eq!(member.mtime, mtime, "{member:?}");
    }
    let config = output("skopeo", &["inspect", "--config", &format!("oci-archive:{}", archive.display())]);
    let config = support::json(&config);
    assert_eq!(config["created"], "2011-12-13T14:15:16Z");
    for entry in config["history"].as_array().expect("a history") {
        assert_eq!(entry["created"], "2011-12-13T14:15:16Z");
    }
}

#[test]
fn unless_asked_for_the_time_is_one_second_after_1970_and_the_owner_is_root() {
    let nix = Nix::new();
    let (_, image) = built(&nix, "contents = [ debian.pkgs.zlib1g ];");
    assert_eq!(image.config["created"], "1970-01-01T00:00:01Z");
    for member in image.members().values() {
        let owner = (member.uid, member.gid, member.uname.as_str(), member.gname.as_str());
        assert_eq!((owner, member.mtime), ((0, 0, "root", "root"), 1.0), "{member:?}");
    }
}

#[test]
fn created_now_is_now_and_touches_no_file() {
    let nix = Nix::new();
    let seconds = |arguments: &[&str]| output("date", arguments).parse::<i64>().expect("seconds");
    let before = seconds(&["+%s"]);
    let (_, now) = built(&nix, "contents = [ debian.pkgs.zlib1g ]; created = \"now\";");
    let after = seconds(&["+%s"]);
    let created = now.config["created"].as_str().expect("a time");
    let created = seconds(&["--utc", &format!("--date={created}"), "+%s"]);
    assert!((before..=after).contains(&created), "{before} <= {created} <= {after}");
    let (_, usual) = built(&nix, "contents = [ debian.pkgs.zlib1g ];");
    assert_eq!(now.diff_ids(), usual.diff_ids());
}

#[test]
fn platform_annotations_and_names_are_where_tools_look_for_them() {
    let nix = Nix::new();
    let expression = format!(
        "{}{}",
        functions(),
        r#"builtins.ociImage { name = "Registry.Example:5000/Me/App"; tag = "V1.0"; architecture = "arm"; variant = "v7";
           annotations = { "org.opencontainers.image.source" = "https://example.org"; x = "ü \" \\"; }; }"#
    );
    let path = nix.built(&expression);
    let image = look(&path);
    let platform = json!({ "architecture": "arm", "os": "linux", "variant": "v7" });
    for key in ["architecture", "os", "variant"] {
        assert_eq!(image.config[key], platform[key]);
    }
    assert_eq!(image.index["manifests"][0]["platform"], platform);
    let annotations = json!({ "org.opencontainers.image.source": "https://example.org", "x": "ü \" \\" });
    assert_eq!(image.manifest["annotations"], annotations);
    // image-spec, annotations.md: the tag; Docker's manifest.json: name and tag.
    let reference = &image.index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"];
    assert_eq!(reference, "V1.0");
    let docker = image.docker.expect("a docker-archive");
    assert_eq!(docker[0]["RepoTags"], json!(["registry.example:5000/me/app:V1.0"]));
    // skopeo finds it by that name.
    let of_name = format!("docker-archive:{}:registry.example:5000/me/app:V1.0", path.display());
    let found = support::json(&output("skopeo", &["inspect", "--config", &of_name]));
    assert_eq!(found, image.config);

    let usual = format!("{}builtins.ociImage {{ name = \"app\"; system = \"x86_64-linux\"; }}", functions());
    let usual = look(&nix.built(&usual));
    assert_eq!(usual.index["manifests"][0]["platform"], json!({ "architecture": "amd64", "os": "linux" }));
    assert_eq!(usual.config["variant"], Value::Null);
    assert_eq!(usual.manifest.get("annotations"), None);
}

#[test]
fn an_images_own_tag_is_the_same_in_every_format_and_new_with_every_change() {
    let nix = Nix::new();
    let tag = |arguments: &str| {
        let expression = format!(
            "{} let image = builtins.ociImage ({{ name = \"app\"; contents = [ debian.pkgs.zlib1g ]; }} // {{ {arguments} }}); in \
             {{ inherit (image) imageName imageTag imageRef; layout = image.layout.imageTag; archive = image.archive.imageTag; }}",
            packages()
        );
        let value = support::json(&nix.eval(&expression).ok());
        let tag = value["imageTag"].as_str().expect("a tag").to_string();
        assert_eq!(value["layout"], tag);
        assert_eq!(value["archive"], tag);
        assert_eq!(value["imageRef"], format!("app:{tag}"));
        tag
    };
    let first = tag("");
    assert!(
        first.len() == 32 && first.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c)),
        "{first}"
    );
    assert_eq!(tag(""), first);
    assert_eq!(tag("format = \"layout\";"), first);
    let mut tags = BTreeSet::from([first.clone()]);
    for change in [
        "contents = [ ];",
        "contents = [ debian.pkgs.libc6 ];",
        "copyToRoot = [ debian.pkgs.libc6 ];",
        "config.Cmd = [ \"a\" ];",
        "config.Cmd = [ \"b\" ];",
        "config.Env = [ \"P=${debian.pkgs.libc6}\" ];",
        "created = 5;",
        "mtime = 5;",
        "architecture = \"s390x\";",
        "uid = 1;",
        "gname = \"g\";",
        "maxLayers = 3;",
        "layering = \"single\";",
        "minLayerSize = 100;",
        "includeStorePaths = false;",
        "compression = \"gzip\";",
        "compression = \"zstd\";",
        "compression = \"zstd\"; compressionLevel = 19;",
        "annotations.a = \"b\";",
    ] {
        assert!(tags.insert(tag(change)), "{change} leaves the tag as it was, or makes it another's");
    }
    let built = look(&nix.built(&format!(
        "{} builtins.ociImage {{ name = \"app\"; contents = [ debian.pkgs.zlib1g ]; }}",
        packages()
    )));
    assert_eq!(built.docker.expect("a docker-archive")[0]["RepoTags"], json!([format!("app:{first}")]));
}

#[test]
fn every_layer_has_a_history_entry_in_dockertools_form() {
    let nix = Nix::new();
    let (_, image) = built(&nix, "contents = debian.roots; maxLayers = 9;");
    // That the comments are Python's lists, `look` knows: it reads them with ast.literal_eval.
    let history = image.config["history"].as_array().expect("a history");
    assert_eq!(history.len(), image.layers.len());
    for (entry, layer) in history.iter().zip(&image.layers) {
        assert_eq!(entry.get("empty_layer"), None);
        assert!(entry["comment"].as_str().is_some_and(|c| c.starts_with("store paths: [")), "{entry}");
        for path in &layer.paths {
            assert!(nix.real(path).symlink_metadata().is_ok(), "{path}");
        }
    }
}

#[test]
fn two_images_in_one_evaluation_and_in_two_stores_are_what_each_is_alone() {
    let (nix, other) = (Nix::new(), Nix::new());
    let both = format!(
        "{} [ (builtins.ociImage {{ name = \"app\"; tag = \"1\"; contents = [ debian.pkgs.zlib1g ]; }}) \
           (builtins.ociImage {{ name = \"b\"; tag = \"2\"; contents = [ debian.pkgs.libc6 ]; format = \"layout\"; }}) ]",
        packages()
    );
    let paths = run(nix.command("nix-build").args(["--no-out-link", "--expr", &both])).ok();
    let paths: Vec<&str> = paths.lines().collect();
    assert_eq!(paths.len(), 2);
    let (first, second) = (look(&nix.real(paths[0])), look(&nix.real(paths[1])));
    assert_eq!(first.docker.as_ref().expect("an archive")[0]["RepoTags"], json!(["app:1"]));
    assert_eq!(second.docker, None);
    assert_eq!(second.index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], "2");
    assert_ne!(first.paths(), second.paths());

    let alone = run(other
        .command("nix-build")
        .args(["--no-out-link", "--expr"])
        .arg(image("contents = [ debian.pkgs.zlib1g ];")))
    .ok();
    assert_eq!(alone, paths[0], "the same derivation in another store");
    assert_eq!(
        std::fs::read(other.real(&alone)).expect("a file"),
        std::fs::read(nix.real(paths[0])).expect("a file")
    );
    nix.verify();
}

#[test]
fn an_image_keeps_its_closure_alive_only_where_nix_cannot_be_told_otherwise() {
    let nix = Nix::new();
    let expression = image("contents = [ debian.pkgs.zlib1g ];");
    let references = query(&nix, "--references", &expression);
    // unsafeDiscardReferences: stable since Nix 2.18, an experimental feature since 2.14, unknown before.
    let version: Vec<u32> = Nix::version().split('.').map_while(|number| number.parse().ok()).collect();
    let expected: BTreeSet<String> = match version >= vec![2, 18] {
        true => BTreeSet::new(),
        false => look(&nix.built(&expression)).paths().into_iter().map(str::to_string).collect(),
    };
    assert_eq!(references, expected);
}

#[test]
fn gantry_inspect_tells_what_python_finds() {
    let nix = Nix::new();
    for (compression, format) in [("none", "archive"), ("gzip", "layout"), ("zstd", "archive")] {
        let arguments = format!(
            "contents = [ debian.pkgs.zlib1g ]; config.Cmd = [ \"x\" ]; annotations.a = \"b\"; \
             compression = \"{compression}\"; format = \"{format}\";"
        );
        let (path, image) = built(&nix, &arguments);
        let said = inspect(&path);
        assert_eq!(said["format"], format);
        assert_eq!(said["digest"], image.digest);
        assert_eq!(said["configDigest"], image.manifest["config"]["digest"]);
        assert_eq!(said["config"], image.config["config"]);
        assert_eq!(said["annotations"], image.manifest["annotations"]);
        for key in ["created", "os", "architecture", "variant"] {
            assert_eq!(said[key], image.config[key], "{key}");
        }
        let layers: Vec<Value> = image
            .layers
            .iter()
            .map(|layer| {
                json!({ "mediaType": layer.media_type, "digest": layer.digest, "diffId": layer.diff_id,
                        "size": layer.size, "paths": layer.paths })
            })
            .collect();
        assert_eq!(said["layers"], json!(layers));
        assert_eq!(said["size"], image.layers.iter().map(|layer| layer.size).sum::<u64>());
    }
}
