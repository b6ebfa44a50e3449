//! Small images that are made without gantry: tars by GNU tar, documents by hand, in an OCI layout that
//! skopeo copies and pushes.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{Folder, run};

const OCI: &str = "application/vnd.oci.image";

/// `sha256:...` of bytes, by sha256sum.
pub fn sha256(bytes: &[u8]) -> String {
    let line = piped(Command::new("sha256sum"), bytes);
    format!("sha256:{}", String::from_utf8(line).expect("UTF-8").split(' ').next().expect("a digest"))
}

/// What a program makes of its standard input.
#[track_caller]
pub fn piped(mut program: Command, input: &[u8]) -> Vec<u8> {
    let mut child = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{program:?}: {e}; tests/setup installs what tests need"));
    let mut stdin = child.stdin.take().expect("a pipe");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let _ = stdin.write_all(input);
        });
        let output = child.wait_with_output().expect("an end");
        assert!(output.status.success(), "{program:?}");
        output.stdout
    })
}

/// A program's output for this input: `gzip -9n`, for example.
#[track_caller]
pub fn through(command: &str, input: &[u8]) -> Vec<u8> {
    let mut words = command.split(' ');
    let mut program = Command::new(words.next().expect("a program"));
    program.args(words);
    piped(program, input)
}

/// A tar of files, made by GNU tar; names as given, with the directories above them.
#[track_caller]
pub fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let folder = Folder::new();
    std::fs::create_dir(folder.join("root")).expect("a directory");
    for (name, content) in files {
        folder.write(&format!("root/{name}"), content);
    }
    tar_of(&folder.join("root"), &["."])
}

/// A tar of `members` of a directory, made by GNU tar.
#[track_caller]
pub fn tar_of(directory: &Path, members: &[&str]) -> Vec<u8> {
    let mut program = Command::new("tar");
    program.args(["--sort=name", "--mtime=@1", "--owner=0", "--group=0", "--numeric-owner", "-C"]);
    program.arg(directory).args(["-cf", "-"]).args(members);
    let output = program.output().expect("tar");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A layer's blob.
#[derive(Clone)]
pub struct MadeLayer {
    pub media_type: String,
    pub bytes: Vec<u8>,
    pub diff_id: String,
}

impl MadeLayer {
    pub fn plain(tar: Vec<u8>) -> MadeLayer {
        let diff_id = sha256(&tar);
        MadeLayer { media_type: format!("{OCI}.layer.v1.tar"), bytes: tar, diff_id }
    }

    pub fn gzip(tar: &[u8]) -> MadeLayer {
        MadeLayer::by("gzip -9nc", "gzip", tar)
    }

    pub fn zstd(tar: &[u8]) -> MadeLayer {
        MadeLayer::by("zstd -qc", "zstd", tar)
    }

    fn by(program: &str, suffix: &str, tar: &[u8]) -> MadeLayer {
        let media_type = format!("{OCI}.layer.v1.tar+{suffix}");
        MadeLayer { media_type, bytes: through(program, tar), diff_id: sha256(tar) }
    }

    /// One file.
    pub fn file(name: &str, content: &str) -> MadeLayer {
        MadeLayer::gzip(&tar(&[(name, content.as_bytes())]))
    }

    pub fn digest(&self) -> String {
        sha256(&self.bytes)
    }
}

/// An OCI layout.
pub struct MadeImages {
    pub folder: Folder,
    tagged: std::cell::RefCell<Vec<Value>>,
}

impl MadeImages {
    pub fn new() -> MadeImages {
        let folder = Folder::new();
        folder.write("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
        MadeImages { folder, tagged: Default::default() }
    }

    /// Adds a blob; its descriptor.
    pub fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = sha256(bytes);
        self.folder.write(&format!("blobs/sha256/{}", &digest[7..]), bytes);
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    /// Adds an image for `os/architecture[/variant]`, whose configuration document has these keys, too;
    /// its descriptor.
    pub fn image(&self, platform: &str, layers: &[MadeLayer], more: Value) -> Value {
        let parts: Vec<&str> = platform.split('/').collect();
        let mut platform = json!({ "os": parts[0], "architecture": parts[1] });
        if let Some(variant) = parts.get(2) {
            platform["variant"] = json!(variant);
        }
        let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
        let mut config = platform.clone();
        config["config"] = json!({});
        config["rootfs"] = json!({ "type": "layers", "diff_ids": diff_ids });
        config.as_object_mut().expect("a set").extend(more.as_object().expect("a set").clone());
        let layers: Vec<Value> =
            layers.iter().map(|layer| self.blob(&layer.media_type, &layer.bytes)).collect();
        let config = self.blob(&format!("{OCI}.config.v1+json"), config.to_string().as_bytes());
        let mut descriptor = self.document(
            &format!("{OCI}.manifest.v1+json"),
            json!({ "schemaVersion": 2, "mediaType": format!("{OCI}.manifest.v1+json"), "config": config, "layers": layers }),
        );
        descriptor["platform"] = platform;
        descriptor
    }

    /// Adds an index; its descriptor.
    pub fn index(&self, entries: &[Value]) -> Value {
        let media_type = format!("{OCI}.index.v1+json");
        let document = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": entries });
        self.document(&media_type, document)
    }

    /// Adds an image for linux/amd64 with a gzip layer and one with a zstd layer; the digest of the first, and an
    /// index of both.
    pub fn both_compressions(&self) -> (String, Value) {
        let tar = tar(&[("file", b"layer")]);
        let gzip = self.image("linux/amd64", &[MadeLayer::gzip(&tar)], json!({ "author": "gzip" }));
        let mut zstd = self.image("linux/amd64", &[MadeLayer::zstd(&tar)], json!({ "author": "zstd" }));
        zstd["annotations"] = json!({ "io.github.containers.compression.zstd": "true" });
        (digest_of(&gzip), self.index(&[gzip, zstd]))
    }

    fn document(&self, media_type: &str, document: Value) -> Value {
        self.blob(media_type, document.to_string().as_bytes())
    }

    /// Gives an image or index a name in the layout; its digest.
    pub fn tag(&self, name: &str, mut descriptor: Value) -> String {
        let digest = digest_of(&descriptor);
        descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
        self.tagged.borrow_mut().push(descriptor);
        let index = json!({ "schemaVersion": 2, "manifests": *self.tagged.borrow() });
        self.folder.write("index.json", index.to_string());
        digest
    }

    /// Tags and pushes it to a registry as `team/app:NAME`, byte for byte, with skopeo; its digest.
    #[track_caller]
    pub fn push(&self, host: &str, name: &str, descriptor: Value, arguments: &[&str]) -> String {
        let digest = self.tag(name, descriptor);
        let from = format!("oci:{}:{name}", self.folder.path().display());
        run(Command::new("skopeo")
            .args(["copy", "-q", "--insecure-policy", "--all", "--preserve-digests"])
            .arg("--dest-tls-verify=false")
            .args(arguments)
            .args([from, format!("docker://{host}/team/app:{name}")]))
        .ok();
        digest
    }

    /// Puts an index whose images are there already into a registry as `team/app:NAME`, without skopeo, which
    /// copies no indexes in indexes; its digest.
    #[track_caller]
    pub fn put(&self, host: &str, name: &str, descriptor: &Value) -> String {
        let request = "import sys, urllib.request as r; r.urlopen(r.Request(sys.argv[1], sys.stdin.buffer.read(), \
                       {'Content-Type': sys.argv[2]}, method='PUT'))";
        let digest = digest_of(descriptor);
        let mut python = Command::new("python3");
        python.args(["-c", request, &format!("http://{host}/v2/team/app/manifests/{name}")]);
        python.arg(descriptor["mediaType"].as_str().expect("a media type"));
        piped(python, &self.read(&digest));
        digest
    }

    /// The bytes of a blob.
    pub fn read(&self, digest: &str) -> Vec<u8> {
        std::fs::read(self.folder.join(format!("blobs/sha256/{}", &digest[7..]))).expect("a blob")
    }

    /// The layout as an archive, made by GNU tar.
    pub fn archive(&self) -> Vec<u8> {
        tar_of(self.folder.path(), &["oci-layout", "index.json", "blobs"])
    }
}

/// The digest in a descriptor.
pub fn digest_of(descriptor: &Value) -> String {
    descriptor["digest"].as_str().expect("a digest").to_string()
}
