//! `fakeRootCommands` against a real root: the same script fragments, run by the builder and by this machine's
//! root on a copy of the same tree, leave the same files, owners, modes, devices and extended attributes, and
//! see the same while they run.

mod support;

use serde_json::{Value, json};
use support::{Folder, MadeLayer, Scripts, differences, unpacked_layers};

/// What Python fragments begin with: `show` says what a program sees of files.
const PYTHON: &str = r#"
import ctypes, errno, os, stat, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def line(path, s):
    return f"{path} {s.st_mode:o} {s.st_uid}:{s.st_gid} {os.major(s.st_rdev)},{os.minor(s.st_rdev)} {s.st_nlink if not stat.S_ISDIR(s.st_mode) else 0}\n"
def show(*paths):
    with open("seen", "a") as seen:
        for p in paths:
            if not os.path.lexists(p):
                seen.write(f"{p} is not there\n")
                continue
            seen.write("l " + line(p, os.lstat(p)))
            if os.path.exists(p):
                seen.write("s " + line(p, os.stat(p)))
            if not os.path.islink(p):
                seen.write(f"{p} {[(x, os.getxattr(p, x)) for x in sorted(os.listxattr(p))]}\n")
def write(path, text="x"):
    with open(path, "w") as f: f.write(text)
def fails(number, call, *arguments, **more):
    try:
        call(*arguments, **more)
    except OSError as e:
        assert e.errno == number, e
    else:
        raise SystemExit(f"{call} {arguments} does not fail")
def statx(path, flags=0x100):
    b = ctypes.create_string_buffer(256)
    assert libc.statx(-100, path.encode(), flags, 0x7ff, b) == 0
    uid, gid, mode = struct.unpack_from("IIH", b, 20)
    return (oct(mode), uid, gid, *struct.unpack_from("II", b, 128))
def says(*what):
    with open("seen", "a") as seen: seen.write(repr(what) + "\n")
"#;

/// Shell fragments. busybox is what runs them.
const SHELL: [(&str, &str); 26] = [
    ("nothing", "true"),
    ("chown", "chown 5:6 etc/file; stat -c '%u:%g %a' etc/file > seen"),
    ("chown-group-alone", "chown :6 etc/file; chgrp 7 bin; stat -c '%u:%g' etc/file bin > seen"),
    (
        "chown-recursive",
        "mkdir -p a/b/c; touch a/b/c/d; ln -s /x a/l; chown -R 1000:100 a; ls -lnR a | awk '{print $1,$3,$4,$9}' > seen",
    ),
    (
        "chown-of-a-link",
        "chown 5:6 link; chown -h 7:8 link; stat -c '%u:%g' link etc/file > seen; stat -Lc '%u:%g' link >> seen",
    ),
    ("chown-back", "chown 5:6 etc/file; chown 0:0 etc/file; stat -c '%u:%g' etc/file > seen"),
    (
        "large-numbers",
        "touch a b; chown 4294967294:2147483648 a; chown 65534:65535 b; stat -c '%u:%g' a b > seen",
    ),
    (
        "set-user-id",
        "chmod 6755 bin/prog; chmod u+s,g+s dir; stat -c %a bin/prog dir > seen; chmod u-s bin/prog",
    ),
    (
        "sticky",
        "chmod 1777 dir; chmod +t etc; chmod 7755 bin; chmod 0 etc/file; stat -c %a dir etc bin etc/file > seen",
    ),
    (
        "chown-clears-set-user-id",
        "chmod 6755 bin/prog dir; chown 5 bin/prog dir; stat -c %a bin/prog dir > seen",
    ),
    ("umask", "umask > seen; touch a; mkdir b; (umask 077; touch c; mkdir d; mkdir -m 1750 e; mknod f p)"),
    (
        "devices",
        "mknod null c 1 3; mknod -m 660 disk b 8 1; mknod fifo p; chown 0:6 disk; stat -c '%F %t %T %u:%g %a' null disk fifo > seen; [ -c null ]; [ -b disk ]; [ -p fifo ]",
    ),
    ("device-removed", "mknod n c 1 3; rm n; touch n; stat -c '%F %s' n > seen"),
    (
        "device-renamed",
        "mknod n c 1 3; mkdir dev; mv n dev/null; ln dev/null dev/other; stat -c '%F %h' dev/null > seen",
    ),
    (
        "rename-over",
        "touch a b; chown 5 a; chown 6 b; mv a b; stat -c %u b > seen; touch a; stat -c %u a >> seen",
    ),
    (
        "removed-and-made-again",
        "for i in 1 2 3 4 5 6 7 8; do touch f; chown 5:6 f; rm f; done; touch f; mkdir d; chown 7 d; rmdir d; mkdir d; ln -s x l; chown -h 8 l; rm l; ln -s x l; stat -c '%u:%g' f d l > seen",
    ),
    (
        "tree-removed-and-made-again",
        "mkdir -p t/u; touch t/u/v; chown -R 9:9 t; chmod 4755 t/u/v; rm -r t; mkdir -p t/u; touch t/u/v; stat -c '%u:%g %a' t t/u t/u/v > seen",
    ),
    ("hard-links", "touch a; ln a b; chown 5:6 b; chmod 4755 a; rm a; stat -c '%u:%g %a' b > seen; ln b c"),
    (
        "unreadable-hard-links",
        "echo x > a; ln a b; ln a z; chmod 0 a; mkdir d; touch d/e; ln d/e f; chmod 200 f; chmod 0 d",
    ),
    (
        "copy",
        "touch a; chown 5:6 a; chmod 4755 a; cp -p a b; cp a c; cp -a dir/. copy; stat -c '%u:%g %a' b c > seen",
    ),
    (
        "install",
        "install -d -o 5 -g 6 -m 2750 d; install -o 7 -g 8 -m 4711 bin/prog d/prog; stat -c '%u:%g %a' d d/prog > seen",
    ),
    (
        "tar",
        "mkdir s; touch s/a; chown 5:6 s/a; chmod 4755 s/a; mknod s/n c 1 3; ln -s a s/l; chown -h 9:9 s/l; tar -cf t s; tar -tvf t | sed 's/ 20.*:.. / /' > seen; mkdir x; tar -C x -xpf t; rm t",
    ),
    (
        "append-and-truncate",
        "chown 5:6 etc/file; chmod 4644 etc/file; echo x >> etc/file; : > etc/file; stat -c '%u:%g %a' etc/file > seen",
    ),
    (
        "types",
        "rm etc/file; mkdir etc/file; rm -r dir; ln -s etc dir; rm link; touch link; chown 5 etc/file dir",
    ),
    (
        "names",
        "mkdir 'a b'; touch 'a b/\n' ./-x \"$(printf '\\377')\"; chown 5 'a b' ./-x \"$(printf '\\377')\"",
    ),
    (
        "many-processes",
        "i=0; while [ $i -lt 300 ]; do (touch p$i; /usr/bin/env chown $i:$i p$i) & i=$((i+1)); done; wait; stat -c '%n %u:%g' p* | sort > seen",
    ),
];

/// Python fragments.
const PROGRAMS: [(&str, &str); 26] = [
    (
        "chown",
        "os.chown('etc/file', 5, 6); os.chown('dir', -1, 7); os.chown('dir', 8, -1); show('etc/file', 'dir')",
    ),
    (
        "fchown",
        "fd = os.open('etc/file', os.O_RDONLY); os.fchown(fd, 5, 6); says(os.fstat(fd).st_uid, os.stat(fd).st_gid); os.fchmod(fd, 0o6711); show('etc/file')",
    ),
    ("lchown", "os.lchown('link', 5, 6); show('link'); os.chown('link', 7, 8); show('link', 'etc/file')"),
    (
        "chown-relative-to-a-directory",
        "d = os.open('etc', os.O_RDONLY); os.chown('file', 5, 6, dir_fd=d); os.symlink('file', 'l', dir_fd=d); os.chown('l', 7, 8, dir_fd=d, follow_symlinks=False); says(os.stat('l', dir_fd=d, follow_symlinks=False).st_uid); show('etc/file', 'etc/l')",
    ),
    (
        "chown-of-an-open-directory",
        "d = os.open('dir', os.O_PATH); assert libc.fchownat(d, b'', 5, 6, 0x1000) == 0; show('dir')",
    ),
    (
        "chown-errors",
        "fails(errno.ENOENT, os.chown, 'nowhere', 1, 1); fails(errno.EBADF, os.fchown, 99, 1, 1); fails(errno.ENOTDIR, os.chown, 'etc/file/x', 1, 1); fails(errno.ENOENT, os.chmod, 'nowhere', 0o4755); fails(errno.EEXIST, os.mknod, 'etc', 0o20600, os.makedev(1, 3)); fails(errno.ENOENT, os.mknod, 'a/b', 0o20600, os.makedev(1, 3)); fails(errno.ENOENT, os.unlink, 'nowhere'); fails(errno.ENOTEMPTY, os.rmdir, 'etc')",
    ),
    (
        "mknod",
        "os.mknod('a', 0o20666 , os.makedev(1, 3)); os.mknod('b', 0o60600, os.makedev(259, 70000)); os.mkfifo('c', 0o644); os.mknod('d', 0o100640); os.mknod('e'); show(*'abcde')",
    ),
    (
        "mode-and-umask",
        "os.umask(0o077); write('a'); os.mkdir('b', 0o7777); os.chmod('a', 0o7777); os.umask(0); os.mknod('c', 0o20666, os.makedev(5, 0)); os.close(os.open('d', os.O_CREAT | os.O_WRONLY, 0o4755)); show(*'abcd')",
    ),
    (
        "chown-and-special-bits",
        "write('a'); write('b'); os.chmod('a', 0o6755); os.chmod('b', 0o6755); os.chown('a', -1, -1); os.chown('b', 5, -1); show('a', 'b'); os.chmod('dir', 0o6755); os.chown('dir', 5, 6); show('dir')",
    ),
    (
        "user-attributes",
        "os.setxattr('etc/file', 'user.a', b'1'); os.setxattr('etc/file', 'user.b', b'\\0\\xff=\\n'); os.setxattr('dir', 'user.c', b'0'); fails(errno.EEXIST, os.setxattr, 'dir', 'user.c', b'', os.XATTR_CREATE); fails(errno.ENODATA, os.setxattr, 'dir', 'user.d', b'', os.XATTR_REPLACE); show('etc/file', 'dir'); os.removexattr('etc/file', 'user.a'); fails(errno.ENODATA, os.removexattr, 'etc/file', 'user.a'); fails(errno.ENODATA, os.getxattr, 'etc/file', 'user.a'); show('etc/file')",
    ),
    (
        "attributes-of-links",
        "os.setxattr('link', 'trusted.a', b'1', follow_symlinks=False); os.setxattr('link', 'trusted.b', b'2'); says(os.listxattr('link', follow_symlinks=False), os.listxattr('link')); show('etc/file')",
    ),
    (
        "attributes-of-open-files",
        "f = open('new', 'w'); os.setxattr(f.fileno(), 'user.x', b'long' * 500); says(os.getxattr(f.fileno(), 'user.x'), os.listxattr(f.fileno())); os.removexattr(f.fileno(), 'user.x'); os.setxattr(f.fileno(), 'user.y', b'2')",
    ),
    (
        "attribute-sizes",
        "os.setxattr('dir', 'user.x', b'12345'); b = ctypes.create_string_buffer(4); says(libc.getxattr(b'dir', b'user.x', b, 4), ctypes.get_errno(), libc.getxattr(b'dir', b'user.x', None, 0), libc.listxattr(b'dir', None, 0), libc.listxattr(b'dir', b, 3), ctypes.get_errno())",
    ),
    (
        "attributes-that-no-file-has",
        "fails(errno.EOPNOTSUPP, os.setxattr, 'dir', 'x', b''); fails(errno.EOPNOTSUPP, os.setxattr, 'dir', 'other.x', b''); fails(errno.EINVAL, os.setxattr, 'dir', 'user.', b''); fails(errno.EPERM, os.setxattr, 'link', 'user.x', b'', follow_symlinks=False); fails(errno.ENOENT, os.setxattr, 'nowhere', 'user.x', b''); fails(errno.ENODATA, os.getxattr, 'dir', 'user.x'); fails(errno.E2BIG, os.setxattr, 'dir', 'user.x', bytes(65537)); fails(errno.ERANGE, os.setxattr, 'dir', 'user.' + 251 * 'x', b''); show('dir')",
    ),
    (
        "copies-by-coreutils",
        "import subprocess\nfor c in ['/usr/bin/cp -p bin/prog a', '/usr/bin/cp -a bin/prog b', '/usr/bin/install -m 4711 -o 5 bin/prog c', '/usr/bin/mv etc/file d', '/usr/bin/cp --preserve=mode etc e -r']: subprocess.check_call(c.split())\nshow(*'abcde')",
    ),
    (
        "capabilities",
        "cap = struct.pack('<5I', 0x2000001, 1 << 13, 0, 0, 0); os.setxattr('bin/prog', 'security.capability', cap); show('bin/prog'); write('a'); os.setxattr('a', 'security.capability', cap); os.chown('a', 5, 5); show('a')",
    ),
    (
        "attributes-go-with-the-file",
        "write('a'); os.setxattr('a', 'user.x', b'1'); os.rename('a', 'b'); os.link('b', 'c'); os.unlink('b'); show('c'); os.unlink('c'); write('c'); write('d'); show('c', 'd')",
    ),
    (
        "exchange",
        "write('a'); write('b'); os.chown('a', 5, 5); os.chown('b', 6, 6); assert libc.renameat2(-100, b'a', -100, b'b', 2) == 0; show('a', 'b'); assert libc.renameat2(-100, b'a', -100, b'b', 1) == -1; show('a', 'b'); os.mkdir('m'); os.chown('m', 7, 7); assert libc.renameat2(-100, b'm', -100, b'a', 2) == 0; show('m', 'a')",
    ),
    (
        "rename-to-itself",
        "write('a'); os.link('a', 'b'); os.chown('a', 5, 5); os.rename('a', 'b'); show('a', 'b'); os.rename('a', 'a'); show('a'); os.mkdir('d'); os.mkdir('e'); os.chown('e', 6, 6); os.chown('d', 7, 7); os.rename('d', 'e'); show('e')",
    ),
    (
        "removed-while-open",
        "f = open('a', 'w'); os.unlink('a'); os.fchown(f.fileno(), 5, 6); os.fchmod(f.fileno(), 0o4755); says(os.fstat(f.fileno()).st_uid); f.close(); [write(f'n{i}') for i in range(20)]; show(*[f'n{i}' for i in range(20)])",
    ),
    (
        "new-files-of-another-user",
        "os.chmod('.', 0o777); os.setresgid(100, 100, 100); os.setresuid(1000, 1000, 1000); write('a'); os.mkdir('b'); os.symlink('x', 'c'); os.mkfifo('d'); os.link('a', 'e'); says(os.getuid(), os.geteuid(), os.getresuid(), os.getresgid(), os.getgid(), os.getegid()); show(*'abcde')",
    ),
    (
        "another-effective-user-and-back",
        "os.chmod('.', 0o777); os.setegid(100); os.seteuid(1000); write('a'); says(os.getresuid(), os.getresgid()); os.seteuid(0); os.setegid(0); write('b'); says(os.getresuid(), os.getresgid()); show('a', 'b')",
    ),
    (
        "children-of-another-user",
        "os.chmod('.', 0o777)\npid = os.fork()\nif pid == 0:\n  os.setgid(100); os.setuid(1000)\n  import subprocess\n  for i in range(40): assert subprocess.call(['/bin/busybox', 'touch', f't{i}']) == 0\n  for i in range(40):\n    if os.fork() == 0: write(f'f{i}'); os._exit(0)\n  for i in range(40): os.wait()\n  os._exit(0)\nassert os.waitpid(pid, 0)[1] == 0\nwrite('root'); show('root')",
    ),
    (
        "privileges-are-gone-for-good",
        "os.setresgid(100, 100, 100); os.setresuid(1000, 1000, 1000); fails(errno.EPERM, os.setuid, 0); fails(errno.EPERM, os.seteuid, 0); fails(errno.EPERM, os.setgid, 0); os.setuid(1000); fails(errno.EPERM, os.setresuid, -1, 5, -1)",
    ),
    (
        "threads",
        "import threading\ndef work(i):\n  for j in range(30):\n    p = f'{i}-{j}'\n    write(p); os.chown(p, i + 1, j + 1); s = os.stat(p); assert (s.st_uid, s.st_gid) == (i + 1, j + 1), s\n    if j % 3 == 0: os.unlink(p)\nt = [threading.Thread(target=work, args=(i,)) for i in range(8)]\n[x.start() for x in t]; [x.join() for x in t]\nshow('1-1', '7-29')",
    ),
    (
        "statx",
        "os.chown('etc/file', 5, 6); os.mknod('n', 0o20600, os.makedev(1, 3)); os.chmod('bin/prog', 0o4755); says(statx('etc/file'), statx('n'), statx('bin/prog'), statx('link'), statx('link', 0), statx('dir'))",
    ),
];

/// What every fragment starts from.
fn start(scripts: &Scripts) -> Value {
    let source = scripts.add(
        "source",
        &[("bin/prog", "#!/bin/sh\n"), ("etc/file", "text"), ("link", "-> etc/file"), ("dir/", "")],
    );
    json!([{ "path": source }])
}

/// The script of a Python fragment.
fn python(fragment: &str) -> String {
    format!("/usr/bin/python3 -I - <<'END'\n{PYTHON}\n{fragment}\nEND\n")
}

/// Runs scripts by gantry and by a real root; what differs.
fn compare(fragments: &[(String, String)]) {
    let scripts = Scripts::new();
    let source = start(&scripts);
    scripts.run(json!({ "copyToRoot": source }), "start").ok();
    let mut wrong = Vec::new();
    for (i, (name, script)) in fragments.iter().enumerate() {
        let out = format!("out{i}");
        let ran = scripts.run(json!({ "copyToRoot": source, "fakeRootCommands": script }), &out);
        if ran.code != Some(0) {
            wrong.push(format!("{name}: {}", ran.stderr));
            continue;
        }
        let ours = scripts.unpacked(&[], &out);
        let folder = Folder::new();
        let root = unpacked_layers(&[MadeLayer::plain(scripts.layer("start"))], &folder);
        let theirs = scripts.by_real_root(&root, script, false);
        let seen = |root: &std::path::Path| std::fs::read_to_string(root.join("seen")).unwrap_or_default();
        let differences = differences(&ours, &theirs);
        if !differences.is_empty() {
            let own = unpacked_layers(&[MadeLayer::plain(scripts.layer(&out))], &Folder::new());
            wrong.push(format!(
                "{name}: {}\n{}instead of\n{}",
                differences.join("\n"),
                seen(&own),
                seen(&root)
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), fragments.len(), wrong.join("\n\n"));
}

#[test]
fn shell_scripts_do_what_a_real_root_does() {
    compare(&SHELL.map(|(name, script)| (name.to_string(), script.to_string())));
}

#[test]
fn programs_do_what_a_real_root_does() {
    compare(&PROGRAMS.map(|(name, script)| (name.to_string(), python(script))));
}

#[test]
fn fragments_do_the_same_one_after_the_other_in_one_script() {
    // Each where others have left records and freed inodes.
    let each = |(name, script): (&str, String)| {
        format!("mkdir {name}; cp -a bin etc link dir {name}; cd {name}\n{script}\ncd \"$top\"\n")
    };
    let shell = SHELL.iter().map(|(name, script)| (format!("shell-{name}"), format!("(\n{script}\n)")));
    let programs = PROGRAMS.iter().map(|(name, script)| (format!("python-{name}"), python(script)));
    let all: String = shell.chain(programs).map(|(name, script)| each((&name, script))).collect();
    compare(&[("all".to_string(), format!("top=$PWD\n{all}"))]);
}
