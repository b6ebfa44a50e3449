//! Ways out of scripts, by mechanism: the programs in tests/escapes try each of them in every kind of script, by hand
//! as root, as an ordinary user, in a container whose only user is root, and in Nix's sandbox. Each prints whether it
//! got out, and what is outside is looked at, too. tests/escapes/README.md lists the ways, and says what blocks them.
//!
//! That the attacks work at all is shown by the same programs where nothing stands in their way.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use support::{Folder, MadeImages, MadeLayer, Nix, Scripts, gantry, output, packages, quoted, run, tar_of};

/// What attacks look for in files, and what no script's own file may have: its text and environment neither.
const TOKEN: &str = "GANTRY-CANARY";

/// Longer than any run takes; a script that waits for its own tracer would wait for good.
const LIMIT: &str = "8";

/// The attacks, compiled: static, so that they run in every root.
fn attack() -> &'static Path {
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

/// The names of all attacks, in their order.
fn names() -> BTreeSet<String> {
    output(attack().to_str().expect("UTF-8"), &["list"]).lines().map(str::to_string).collect()
}

/// What attacks said: `ESCAPED how`, `blocked errno` or `HUNG signal` for each.
type Said = BTreeMap<String, String>;

fn said(printed: &str) -> Said {
    let lines = printed.lines().filter_map(|line| line.strip_prefix("attack "));
    lines
        .filter_map(|line| line.split_once(' '))
        .map(|(name, said)| (name.to_string(), said.to_string()))
        .collect()
}

/// A directory outside of every script with what attacks want to reach, all of it for everybody.
struct Outside {
    directory: PathBuf,
    abstract_name: String,
    shared_memory: String,
    tcp: TcpListener,
    /// Nothing answers there: that a connection is made is enough.
    _sockets: [UnixListener; 2],
    /// Open, so that the pipe has a reader.
    _pipe: fs::File,
    /// A process in the group in which builders are run, and what it makes when it gets SIGURG.
    member: Child,
    signalled: PathBuf,
}

impl Outside {
    fn new(folder: &Folder) -> Outside {
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
        let script = r#"trap ': > "$0"' URG; echo ready; while :; do sleep 0.1; done"#;
        let mut member = Command::new("sh");
        member.args(["-c", script]).arg(&signalled).process_group(0).stdout(Stdio::piped());
        let mut member = member.spawn().expect("sh");
        let mut ready = [0; 6];
        use std::io::Read;
        member.stdout.as_mut().expect("a pipe").read_exact(&mut ready).expect("a process that is ready");
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
    fn variables(&self) -> Vec<(&'static str, String)> {
        let secret = self.directory.join("secret");
        let handle = run(Command::new(attack()).arg("handle").arg(&secret)).ok();
        let disk = output("stat", &["-c", "%Hd:%Ld", secret.to_str().expect("UTF-8")]);
        let folder = self.directory.parent().expect("a folder").display().to_string();
        vec![
            ("OUTSIDE", self.directory.display().to_string()),
            ("SECRET", secret.display().to_string()),
            (
                "WRITABLE",
                format!("/tmp:/var/tmp:/dev/shm:/run:/root:{folder}:{}", env!("CARGO_TARGET_TMPDIR")),
            ),
            ("HANDLE", handle),
            ("DISK", if disk.starts_with("0:") { "7:0".to_string() } else { disk }),
            ("PORT", self.tcp.local_addr().expect("an address").port().to_string()),
            ("ABSTRACT", self.abstract_name.clone()),
            ("SHM", self.shared_memory.clone()),
        ]
    }

    /// What was changed there, and puts it back.
    fn changes(&self) -> Vec<String> {
        let mut changes = Vec::new();
        for entry in fs::read_dir(&self.directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if !["secret", "device", "pipe", "socket"].contains(&&*name) {
                fs::remove_file(&path).expect("a file");
                changes.push(format!("there is {}", path.display()));
            }
        }
        let secret = self.directory.join("secret");
        if fs::read_to_string(&secret).ok().as_deref() != Some(TOKEN) {
            fs::write(&secret, TOKEN).expect("a file");
            changes.push(format!("{} is another file", secret.display()));
        }
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

fn everybodys(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o777)).expect("a mode");
}

/// The four ways in which a script is run, whether it is chrooted, and whether it is traced from the beginning.
const WAYS: [(&str, bool); 4] =
    [("extraCommands", false), ("fakeRootCommands", false), ("enableFakechroot", true), ("runAsRoot", true)];

/// The script of all attacks, with what they are told.
fn script(variables: &[(&'static str, String)], chrooted: bool, more: &[(&'static str, &str)]) -> String {
    let mut text = format!("export SCRIPT=$$ CHROOTED={}", u8::from(chrooted));
    let variables = variables.iter().map(|(name, value)| (*name, &**value)).chain(more.iter().copied());
    for (name, value) in variables.filter(|(name, _)| !(chrooted && *name == "WRITABLE")) {
        text += &format!(" {name}='{value}'");
    }
    // Those with ptrace come last: a script that traces its tracer would say nothing any more.
    text + "\nattack all\necho attack ptrace-began blocked -\nattack ptrace\n"
}

/// The arguments of a script.
fn arguments(way: &str, script: &str) -> Value {
    match way {
        "enableFakechroot" => json!({ "fakeRootCommands": script, "enableFakechroot": true }),
        way => json!({ way: script }),
    }
}

/// Attacks that a filter of system calls refuses, so that no privilege and no kernel's settings matter.
const FILTERED: [(&str, &str); 15] = [
    ("kexec", "EPERM"),
    ("kexec_file", "EPERM"),
    ("bpf", "EPERM"),
    ("userfaultfd", "EPERM"),
    ("perf", "EPERM"),
    ("add_key", "EPERM"),
    ("request_key", "EPERM"),
    ("keyctl", "EPERM"),
    ("modules", "EPERM"),
    ("module-removal", "EPERM"),
    ("file-handle", "EPERM"),
    ("io_uring", "ENOSYS"),
    ("io_uring-other", "ENOSYS"),
    ("ptrace-attach", "EPERM"),
    ("ptrace-seize", "EPERM"),
];

/// What is wrong with what the attacks of one script said.
fn escapes(found: &Said) -> Vec<String> {
    let mut all = names();
    all.extend(["ptrace-attach", "ptrace-seize"].map(str::to_string));
    let mut wrong = Vec::new();
    for name in all {
        let expected = FILTERED.iter().find(|(filtered, _)| *filtered == name);
        match (found.get(&name), expected) {
            (None, _) => wrong.push(format!("{name}: did not end")),
            (Some(said), None) if said.starts_with("blocked ") => {}
            (Some(said), Some((_, errno))) if *said == format!("blocked {errno}") => {}
            (Some(said), None) => wrong.push(format!("{name}: {said}")),
            (Some(said), Some((_, errno))) => wrong.push(format!("{name}: {said}, not blocked {errno}")),
        }
    }
    wrong
}

/// Who runs the builder by hand.
#[derive(Clone, Copy, PartialEq)]
enum Caller {
    Root,
    Ordinary,
    /// Root of a user namespace that has no other user.
    Container,
}

/// A builder's command as it is run by somebody, with a descriptor of a directory left open.
fn called_by(caller: Caller, build: &Command, outside: &Path) -> Command {
    let mut command = Command::new("timeout");
    command
        .args(["--foreground", "--signal=KILL", LIMIT, "sh", "-c", r#"exec 7< "$0"; exec "$@""#])
        .arg(outside);
    command.arg(build.get_program());
    if caller == Caller::Container {
        command.args(["--user", "--map-root-user"]);
    }
    for argument in build.get_args() {
        if caller == Caller::Ordinary && argument == gantry() {
            command.args(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
        }
        command.arg(argument);
    }
    for (name, value) in build.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// An image with a device.
fn base() -> MadeImages {
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
struct Attacked {
    scripts: Scripts,
    attack: String,
    canary: String,
    /// The canary as it is called outside.
    canary_there: PathBuf,
}

impl Attacked {
    fn new() -> Attacked {
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
    fn changes(&self) -> Vec<String> {
        let file = self.canary_there.join("file");
        let listed = support::listing(&self.canary_there);
        let same = fs::read_to_string(&file).is_ok_and(|text| text == TOKEN) && listed.len() == 1;
        if same { Vec::new() } else { vec![format!("the store has {listed:?}")] }
    }
}

fn no_way_out(caller: Caller) {
    let mut wrong = Vec::new();
    for (way, chrooted) in WAYS {
        let attacked = Attacked::new();
        let (scripts, base) = (&attacked.scripts, base());
        let outside = Outside::new(scripts.folder());
        let file = format!("{}/file", attacked.canary);
        let mut more = vec![("STORE_FILE", &*file)];
        if way == "extraCommands" {
            more.push(("INT80", "1"));
        }
        let mut arguments = arguments(way, &script(&outside.variables(), chrooted, &more));
        arguments["path"] = json!([attacked.attack, scripts.busybox()]);
        if way == "runAsRoot" {
            arguments["fromImage"] = json!(base.folder.path());
        }
        let log = scripts.folder().write("log", format!("{TOKEN}\n"));
        everybodys(&log);
        let mut command = called_by(caller, &scripts.build(&arguments, "out"), &outside.directory);
        command.stderr(fs::OpenOptions::new().append(true).open(&log).expect("a log"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).env("SECRET_VARIABLE", TOKEN);
        let status = command.process_group(outside.member.id() as i32).status().expect("timeout");
        let log = fs::read_to_string(&log).expect("a log");
        let mut found = escapes(&said(&log));
        if status.code() == Some(0) {
            let layer = scripts.names("out");
            let expected = |name: &&String| ["mounted", "srv", "nix", "tmp"].contains(&name.as_str());
            found.extend(
                layer.iter().filter(|name| !expected(name)).map(|name| format!("the layer has {name}")),
            );
            let left = support::listing(&scripts.temporary());
            found.extend(left.iter().map(|name| format!("left: {name}")));
        } else {
            let last = log.lines().last().unwrap_or_default();
            found.push(format!("the build ended with {status}: {last}"));
        }
        found.extend(outside.changes());
        found.extend(attacked.changes());
        wrong.extend(found.into_iter().map(|line| format!("{way}: {line}")));
    }
    assert!(wrong.is_empty(), "{} ways out:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn no_script_gets_out_of_a_build_by_root() {
    no_way_out(Caller::Root);
}

#[test]
fn no_script_gets_out_of_a_build_by_an_ordinary_user() {
    no_way_out(Caller::Ordinary);
}

#[test]
fn no_script_gets_out_of_a_build_in_a_container_whose_only_user_is_root() {
    no_way_out(Caller::Container);
}

/// In the sandbox the outside is its own root: the directory of the build, and its store.
#[test]
fn no_script_gets_out_of_a_build_in_the_sandbox() {
    let nix = Nix::new();
    let folder = Folder::new();
    let outside = Outside::new(&folder);
    for name in ["attack/bin", "canary"] {
        fs::create_dir_all(folder.join(name)).expect("a directory");
    }
    fs::copy(attack(), folder.join("attack/bin/attack")).expect("a program");
    folder.write("canary/file", TOKEN);
    let base = base();
    let path = |path: &Path, name: &str| {
        format!("(builtins.path {{ path = {}; name = \"{name}\"; }})", quoted(path))
    };
    let canary = format!("{} builtins.toString {}", packages(), path(&folder.join("canary"), "canary"));
    let canary =
        run(nix.command("nix-instantiate").args(["--eval", "--read-write-mode", "--expr", &canary])).ok();
    let canary = nix.real(canary.trim_matches('"'));
    let mut wrong = Vec::new();
    for (way, chrooted) in WAYS {
        let (argument, more) = match way {
            "enableFakechroot" => ("fakeRootCommands", "enableFakechroot = true;".to_string()),
            "runAsRoot" => (way, format!("fromImage = {};", path(base.folder.path(), "base"))),
            way => (way, String::new()),
        };
        let mut variables = outside.variables();
        // The last one counts.
        variables.extend([
            ("OUTSIDE", "/build".to_string()),
            ("SECRET", "/build/.attrs.json".to_string()),
            ("WRITABLE", "/:/build:/tmp:/dev:/dev/shm:/etc:/nix/store".to_string()),
        ]);
        let text = script(&variables, chrooted, &[]);
        let image = format!(
            "{}(builtins.ociImage {{ name = \"app\"; shell = busybox; path = [ {} busybox ]; {more} \
             {argument} = \"export STORE_FILE=${{{}}}/file\\n\" + {}; }}).root",
            packages(),
            path(&folder.join("attack"), "attack"),
            path(&folder.join("canary"), "canary"),
            nix_string(&format!("# {TOKEN}\n{text}")),
        );
        let ran = run(nix.command("nix-build").args(["--no-out-link", "--timeout", LIMIT, "--expr", &image]));
        let mut found = escapes(&said(&ran.stderr));
        if ran.code != Some(0) {
            found.push(format!("the build failed: {}", ran.stderr.lines().last().unwrap_or_default()));
        }
        let listed = support::listing(&canary);
        if listed.len() != 1 || fs::read_to_string(canary.join("file")).ok().as_deref() != Some(TOKEN) {
            found.push(format!("the store has {listed:?}"));
        }
        found.extend(outside.changes());
        wrong.extend(found.into_iter().map(|line| format!("{way}: {line}")));
    }
    assert!(wrong.is_empty(), "{} ways out:\n{}", wrong.len(), wrong.join("\n"));
}

/// A text as a Nix string.
fn nix_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "\\${"))
}
