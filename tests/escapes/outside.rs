//! What attacks on scripts are given to reach: files, sockets, a process outside, and a store with the attacks in it.

use std::fs::{self, Permissions};
use std::io::Read;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::support::{self, Folder, MadeImages, MadeLayer, Scripts, output, run, tar_of};

/// What attacks look for in files, and what no script's own file may have: its text and environment neither.
pub const TOKEN: &str = "GANTRY-CANARY";

/// The attacks, compiled: static, so that they run in every root.
pub fn attack() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("attack");
        let new = program.with_extension(std::process::id().to_string());
        let sources =
            fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/escapes")).expect("the attacks");
        let sources = sources.map(|entry| entry.expect("an entry").path());
        let sources: Vec<PathBuf> =
            sources.filter(|path| path.extension().is_some_and(|e| e == "c")).collect();
        run(Command::new("cc")
            .args(["-std=gnu11", "-O1", "-static", "-Wall", "-Werror", "-o"])
            .arg(&new)
            .args(sources))
        .ok();
        fs::rename(&new, &program).expect("a program");
        program
    })
}

/// A directory outside of every script with what attacks want to reach, all of it for everybody.
pub struct Outside {
    pub directory: PathBuf,
    abstract_name: String,
    shared_memory: String,
    tcp: TcpListener,
    /// Nothing answers there: that a connection is made is enough.
    _sockets: [UnixListener; 2],
    /// Open, so that the pipe has a reader.
    _pipe: fs::File,
    /// A process in the group in which builders are run, and what it makes when it gets SIGURG.
    pub member: Child,
    signalled: PathBuf,
}

impl Outside {
    pub fn new(folder: &Folder) -> Outside {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = folder.join("outside");
        fs::create_dir(&directory).expect("a directory");
        fs::write(directory.join("secret"), TOKEN).expect("a file");
        let nodes = "mknod device c 1 3; mkfifo pipe; chmod 777 .; chmod 666 *";
        run(Command::new("sh").args(["-euc", nodes]).current_dir(&directory)).ok();
        let pipe =
            fs::OpenOptions::new().read(true).write(true).open(directory.join("pipe")).expect("a pipe");
        let abstract_name = format!("gantry-escape-{}-{number}", std::process::id());
        let address = SocketAddr::from_abstract_name(&abstract_name).expect("a name");
        let sockets = [UnixListener::bind_addr(&address), UnixListener::bind(directory.join("socket"))];
        let sockets = sockets.map(|socket| socket.expect("a socket"));
        everybodys(&directory.join("socket"));
        let shared_memory = (std::process::id() as usize * 64 + number).to_string();
        output(attack().to_str().expect("UTF-8"), &["shm", "make", &shared_memory]);
        let signalled = folder.join("signalled");
        let mut member = Command::new(attack());
        member.arg("member").arg(&signalled).process_group(0).stdout(Stdio::piped());
        let mut member = member.spawn().expect("a process");
        answer(&mut member);
        Outside {
            directory,
            abstract_name,
            shared_memory,
            tcp: TcpListener::bind("127.0.0.1:0").expect("a port"),
            _sockets: sockets,
            _pipe: pipe,
            member,
            signalled,
        }
    }

    /// What attacks are told of it.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let secret = self.directory.join("secret");
        let handle = run(Command::new(attack()).arg("handle").arg(&secret)).ok();
        let disk = output("stat", &["-c", "%Hd:%Ld", secret.to_str().expect("UTF-8")]);
        let folder = self.directory.parent().expect("a folder").display().to_string();
        vec![
            ("OUTSIDE", self.directory.display().to_string()),
            ("SECRET", secret.display().to_string()),
            ("WRITABLE", format!("/root:/etc:{folder}:{}", env!("CARGO_TARGET_TMPDIR"))),
            ("PLANTED", self.planted().join(":")),
            ("HANDLE", handle),
            ("DISK", disk),
            ("PORT", self.tcp.local_addr().expect("an address").port().to_string()),
            ("ABSTRACT", self.abstract_name.clone()),
            ("SHM", self.shared_memory.clone()),
        ]
    }

    /// Files that must not be outside, in directories that everybody may write to.
    fn planted(&self) -> Vec<String> {
        let directories = ["/tmp", "/var/tmp", "/dev/shm", "/run"];
        directories.map(|directory| format!("{directory}/{}", self.abstract_name)).into()
    }

    /// What was changed there, and puts it back.
    pub fn changes(&mut self) -> Vec<String> {
        let mut changes = Vec::new();
        for entry in fs::read_dir(&self.directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if !["secret", "device", "pipe", "socket"].contains(&&*name) {
                fs::remove_file(&path).expect("a file");
                changes.push(format!("there is {}", path.display()));
            }
        }
        for path in self.planted().iter().filter(|path| fs::remove_file(path).is_ok()) {
            changes.push(format!("there is {path}"));
        }
        let secret = self.directory.join("secret");
        if fs::read_to_string(&secret).ok().as_deref() != Some(TOKEN) {
            fs::write(&secret, TOKEN).expect("a file");
            changes.push(format!("{} is another file", secret.display()));
        }
        // What it got before is done when it answers.
        output("kill", &["-WINCH", &self.member.id().to_string()]);
        answer(&mut self.member);
        if fs::remove_file(&self.signalled).is_ok() {
            changes.push("a process outside got a signal".to_string());
        }
        changes
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = self.member.kill();
        let _ = self.member.wait();
        let _ = Command::new(attack()).args(["shm", "remove", &self.shared_memory]).output();
    }
}

/// Waits until the process outside says that it has seen a signal.
#[track_caller]
fn answer(member: &mut Child) {
    member.stdout.as_mut().expect("a pipe").read_exact(&mut [0]).expect("an answer");
}

pub fn everybodys(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o777)).expect("a mode");
}

/// An image with a device.
pub fn base() -> MadeImages {
    let folder = Folder::new();
    run(Command::new("sh")
        .args(["-euc", "mkdir srv; mknod -m 666 srv/zero c 1 5"])
        .current_dir(folder.path()))
    .ok();
    let images = MadeImages::new();
    let layer = MadeLayer::plain(tar_of(folder.path(), &["srv"]));
    images.tag("1", images.image("linux/amd64", &[layer], json!({})));
    everybodys(images.folder.path());
    images
}

/// A store with the attacks and with a file that everybody may write to.
pub struct Attacked {
    pub scripts: Scripts,
    pub attack: String,
    pub canary: String,
    /// The canary as it is called outside.
    canary_there: PathBuf,
}

impl Attacked {
    pub fn new() -> Attacked {
        let scripts = Scripts::new();
        let there = |path: &str| scripts.folder().join("store").join(path.trim_start_matches("/nix/store/"));
        let package = scripts.add("attack", &[("bin/", "")]);
        fs::copy(attack(), there(&package).join("bin/attack")).expect("a program");
        let canary = scripts.add("canary", &[("file", TOKEN)]);
        let canary_there = there(&canary);
        for path in [scripts.folder().path(), &scripts.temporary(), &canary_there, &canary_there.join("file")]
        {
            everybodys(path);
        }
        Attacked { attack: package, canary, canary_there, scripts }
    }

    /// What was changed in the store.
    pub fn changes(&self) -> Vec<String> {
        let file = self.canary_there.join("file");
        let listed = support::listing(&self.canary_there);
        let same = fs::read_to_string(&file).is_ok_and(|text| text == TOKEN) && listed.len() == 1;
        if same { Vec::new() } else { vec![format!("the store has {listed:?}")] }
    }
}
