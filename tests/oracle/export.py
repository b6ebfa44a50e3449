#!/usr/bin/python3
"""Root file systems as others see them, and images with layers that try to get out of them.

    export.py walk DIR       the files of a directory, as umoci unpacked them: JSON, name -> what it is
    export.py tar FILE       the same of a flat tar, as CPython reads it; its form is checked
    export.py images DIR     makes OCI layouts DIR/NAME, tag 1: JSON, name -> what an error says, "" for none

What something is: kind, mode, owner, time, content or target or device, extended attributes, other names.
"""
import gzip, hashlib, json, os, stat, struct, subprocess, sys, tarfile


def sha(data):
    return hashlib.sha256(data).hexdigest()


# ---- what others see


def described(kind, mode, uid, gid, mtime, what, xattrs, same):
    """A link's mode means nothing; `same` is the first of the names of one file."""
    return {"kind": kind, "mode": None if kind == "link" else mode, "uid": uid, "gid": gid, "mtime": mtime,
            "what": what, "xattrs": xattrs, "same": same}


def walk(top):
    top, found, first = os.fsencode(top), {}, {}
    names = [b"."]
    while names:
        name = names.pop(0)
        path = os.path.join(top, name)
        s = os.lstat(path)
        kind, what = {
            stat.S_IFREG: lambda: ("file", sha(open(path, "rb").read())),
            stat.S_IFDIR: lambda: ("directory", ""),
            stat.S_IFLNK: lambda: ("link", os.readlink(path).hex()),
            stat.S_IFIFO: lambda: ("fifo", ""),
            stat.S_IFCHR: lambda: ("character", "%d:%d" % (os.major(s.st_rdev), os.minor(s.st_rdev))),
            stat.S_IFBLK: lambda: ("block", "%d:%d" % (os.major(s.st_rdev), os.minor(s.st_rdev))),
        }[stat.S_IFMT(s.st_mode)]()
        if kind == "directory":
            names += [name + b"/" + child for child in os.listdir(path)]
        xattrs = {x: os.getxattr(path, x, follow_symlinks=False).hex() for x in os.listxattr(path, follow_symlinks=False)}
        found[name] = (kind, stat.S_IMODE(s.st_mode), s.st_uid, s.st_gid, s.st_mtime_ns // 10**9, what, xattrs, s.st_ino)
    out = {}
    for name in sorted(found, key=lambda name: name.split(b"/")):
        *rest, inode = found[name]
        first.setdefault(inode, name)
        out[name.hex()] = described(*rest, first[inode].hex())
    return out


KINDS = {tarfile.REGTYPE: "file", tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "link", tarfile.FIFOTYPE: "fifo",
         tarfile.CHRTYPE: "character", tarfile.BLKTYPE: "block", tarfile.LNKTYPE: "hard link"}


def tar(path):
    out, names = {}, []
    with tarfile.open(path, "r:", encoding="utf-8", errors="surrogateescape") as flat:
        for m in flat:
            name = os.fsencode(m.name)
            kind = KINDS[m.type]
            parts = name.split(b"/")
            assert parts[0] == b"." and not {b"", b".", b".."} & set(parts[1:]), name
            assert not any(part.startswith(b".wh.") for part in parts), name
            if kind == "hard link":
                first = out[os.fsencode(m.linkname).hex()]
                assert first["kind"] != "directory", name
                out[name.hex()] = dict(first)
            else:
                what = {"file": lambda: sha(flat.extractfile(m).read()), "link": lambda: os.fsencode(m.linkname).hex()}
                device = "%d:%d" % (m.devmajor, m.devminor) if kind in ("character", "block") else ""
                xattrs = {k[13:]: os.fsencode(v).hex() for k, v in m.pax_headers.items() if k.startswith("SCHILY.xattr.")}
                out[name.hex()] = described(kind, m.mode, m.uid, m.gid, int(m.mtime // 1), what.get(kind, lambda: device)(),
                                            xattrs, name.hex())
            assert len(parts) == 1 or out[b"/".join(parts[:-1]).hex()]["kind"] == "directory", name
            names.append(parts)
        assert flat.fileobj.read().strip(b"\0") == b"", "bytes after the end"
    assert names[0] == [b"."] and names == sorted(names), "the order"
    assert len(out) == len(names), "a name that is there twice"
    return out


# ---- members, header by header


def header(name, size=0, kind=b"0", link=b"", mode=0o644, uid=b"0000000\0", mtime=b"00000000005\0", device=(0, 0),
           size_field=None, magic=b"ustar\x0000", owner=b""):
    size_field = size_field or b"%011o\0" % size
    fields = [name.encode(), b"%07o\0" % mode, uid, b"0000000\0", size_field, mtime, b" " * 8, kind, link, magic, owner,
              owner, b"%07o\0" % device[0], b"%07o\0" % device[1]]
    form = "100s8s8s8s12s12s8sc100s8s32s32s8s8s167x"
    fields[6] = b"%06o\0 " % sum(struct.pack(form, *fields))
    return struct.pack(form, *fields)


def padded(data):
    return data + bytes(-len(data) % 512)


def record(key, value):
    body = b" " + key + b"=" + value + b"\n"
    return next(b"%d" % n + body for n in range(len(body), len(body) + 9) if len(b"%d" % n) + len(body) == n)


def extension(body, kind=b"x"):
    return header("PaxHeaders/x", len(body), kind) + padded(body)


def pax(kind=b"x", **records):
    return extension(b"".join(record(k.replace("__", ".").encode(), v) for k, v in records.items()), kind)


def file(name, data=b"", **more):
    return header(name, len(data), **more) + padded(data)


def directory(name, mode=0o755, **more):
    return header(name, kind=b"5", mode=mode, **more)


def symlink(target, name):
    return header(name, kind=b"2", link=target.encode(), mode=0o777)


def link(target, name):
    return header(name, kind=b"1", link=target.encode())


def deep(count):
    return pax(path=b"/".join([b"d"] * count)) + file("x", b"deep")


END = bytes(1024)


def layer(*members):
    return b"".join(members) + END


ETC = layer(directory("etc/"), file("etc/passwd", b"inside"))
OUT = "../../../../../../../../../../../../tmp/escaped"
UNBROKEN = file("/localetc/unbroken", b"unbroken")
PASSWD = [directory("etc", 0o770), file("/etc/passwd", b"inside")]

# The names are those of containerd's TestBreakouts (pkg/archive/tar_test.go) as far as it has such a case.
ACCEPTED = {
    "SymlinkAbsolute": [layer(directory("etc"), symlink("/etc", "localetc"), UNBROKEN)],
    "SymlinkUpAndOut": [layer(directory("etc"), directory("dummy"), symlink("/dummy/../etc", "localetc"), UNBROKEN)],
    "SymlinkMultipleAbsolute": [layer(directory("etc"), directory("dummy"), symlink("/etc", "/dummy/etc"),
                                      symlink("/dummy/etc", "localetc"), file("/dummy/etc/unbroken", b"unbroken"))],
    "SymlinkMultipleRelative": [layer(directory("etc"), directory("dummy"), symlink("/etc", "/dummy/etc"),
                                      symlink("./dummy/etc", "localetc"), file("/dummy/etc/unbroken", b"unbroken"))],
    "SymlinkEmptyFile": [layer(directory("etc"), file("etc/emptied", b"notempty"), symlink("/etc", "localetc"),
                               file("/localetc/emptied"))],
    "HardlinkRelative": [layer(*PASSWD, directory("breakouts"), symlink("../../etc", "breakouts/d1"),
                               link("/breakouts/d1/passwd", "breakouts/mypasswd"))],
    "HardlinkDownAndOut": [layer(*PASSWD, directory("breakouts"), directory("downandout"),
                                 symlink("../downandout/../../etc", "breakouts/d1"),
                                 link("/breakouts/d1/passwd", "breakouts/mypasswd"))],
    "HardlinkAbsolute": [layer(*PASSWD, symlink("/etc", "localetc"), link("/localetc/passwd", "localpasswd"))],
    "HardlinkRelativeLong": [layer(*PASSWD, symlink("../../../../../../../etc", "localetc"),
                                   link("/localetc/passwd", "localpasswd"))],
    "HardlinkRelativeUpAndOut": [layer(*PASSWD, symlink("upandout/../../../etc", "localetc"),
                                       link("/localetc/passwd", "localpasswd"))],
    "HardlinkDirectRelative": [layer(*PASSWD, link("../../../../../etc/passwd", "localpasswd"))],
    "HardlinkDirectAbsolute": [layer(*PASSWD, link("/etc/passwd", "localpasswd"))],
    "SymlinkParentRelative": [layer(*PASSWD, symlink("/etc/", "localetc/sub/.."),
                                    link("/etc/passwd", "/localetc/localpasswd"))],
    "SymlinkSlashEnded": [layer(*PASSWD, directory("localetc/", 0o770), link("/etc/passwd", "/localetc/localpasswd"))],
    "SymlinkOverrideDirectory": [layer(*PASSWD, directory("localetc")),
                                 layer(symlink("/etc", "localetc"), link("/etc/passwd", "/localetc/localpasswd"))],
    "SymlinkOverrideDirectoryRelative": [layer(*PASSWD, directory("localetc")),
                                         layer(symlink("../../etc", "localetc"), link("/etc/passwd", "/localetc/localpasswd"))],
    "DirectoryOverrideSymlink": [layer(*PASSWD, symlink("/etc", "localetc")),
                                 layer(directory("/localetc/"), link("/etc/passwd", "/localetc/localpasswd"))],
    "DirectoryOverrideSymlinkAndHardlink": [
        layer(*PASSWD, symlink("etc", "localetc"), link("/etc/passwd", "/localetc/localpasswd")),
        layer(directory("/localetc/"), file("/localetc/localpasswd", b"different"))],
    "HardlinkSymlinkBeforeCreateTarget": [layer(directory("etc", 0o770), symlink("/etc/passwd", "localpasswd"),
                                                link("localpasswd", "localpasswd-dup"), file("/etc/passwd", b"after"))],
    "HardlinkSymlinkRelative": [layer(*PASSWD, symlink("../../../../../etc/passwd", "passwdlink"),
                                      link("/passwdlink", "localpasswd"))],
    "HardlinkSymlinkAbsolute": [layer(*PASSWD, symlink("/etc/passwd", "passwdlink"), link("/passwdlink", "localpasswd"))],
    "HardlinkSymlinkChmod": [layer(symlink("/tmp/perm400", "/tmp/also"), link("/tmp/also", "sketchylink"))],
    "WhiteoutSymlink": [layer(*PASSWD, symlink("/etc", "localetc")), layer(file(".wh.localetc"))],
    "WhiteoutSymlinkPath": [layer(*PASSWD, file("/etc/whitedout", b"whiteout"), symlink("/etc", "localetc")),
                            layer(file("localetc/.wh.whitedout"))],
    "WhiteoutDeadSymlinkParent": [layer(*PASSWD, symlink("/dne", "localetc")), layer(file("localetc/.wh.etc"))],
    "WhiteoutRelativePath": [layer(*PASSWD, symlink("/dne", "localetc")), layer(file("dne/../.wh.etc"))],
    # containers/storage, TestUntarInvalid*; umoci, TestUnpackEntry*
    "UntarFilenames": [layer(file("../victim/dotdot", b"x"), file("/../victim/slash-dotdot", b"x"), file("//abs", b"x"))],
    "UntarSymlink": [layer(symlink(OUT, "loophole"), file("loophole/x", b"x"))],
    "UntarSymlinkTwice": [layer(symlink(OUT, "loophole")), layer(file("loophole/x/y", b"x"))],
    "UntarSymlinkDot": [layer(symlink("/tmp", "l"), symlink("..", "l/."), file("l/x", b"x"))],
    "ParentDirectory": [layer(directory("a/b/c/.."), file("a/b/../../../../x", b"x"))],
    "FileThroughReplacedDirectory": [layer(directory("d"), file("d/x", b"1")), layer(symlink("/e", "d"), file("d/x", b"2"))],
    # Layers on top of each other
    "WhiteoutOfOwnLayerBefore": [layer(file("a", b"1")), layer(file("a", b"2"), file(".wh.a"))],
    "WhiteoutOfOwnLayerAfter": [layer(file("a", b"1")), layer(file(".wh.a"), file("a", b"2"))],
    "WhiteoutOfNothing": [layer(file("a", b"1")), layer(file(".wh.b"), file("c/.wh.d"), directory("e"), file("e/.wh..wh..opq"))],
    "WhiteoutDirectory": [layer(directory("a"), file("a/b/c", b"1")), layer(file(".wh.a"))],
    "WhiteoutIsDirectory": [layer(directory("a"), file("a/b", b"1")), layer(directory("a/.wh.b/"))],
    "OpaqueFirst": [layer(directory("a"), file("a/x", b"1"), file("a/b/y", b"1")),
                    layer(directory("a", 0o700), file("a/.wh..wh..opq"), file("a/z", b"2"))],
    "OpaqueLast": [layer(directory("a"), file("a/x", b"1"), directory("a/b")),
                   layer(directory("a", 0o700), file("a/z", b"2"), directory("a/b"), file("a/.wh..wh..opq"))],
    "OpaqueRoot": [layer(directory("a"), file("a/x", b"1")), layer(file(".wh..wh..opq"), file("y", b"2"))],
    "DirectoryKeepsChildren": [layer(directory("a"), file("a/x", b"1")), layer(directory("a/", 0o1777, uid=b"0001750\0"))],
    "FileOverDirectory": [layer(directory("a"), file("a/x", b"1")), layer(file("a", b"2"))],
    "DirectoryOverFile": [layer(file("a", b"1")), layer(directory("a"), file("a/x", b"2"))],
    "LinkToFileBelow": [layer(file("a", b"1")), layer(link("a", "b"))],
    "LinkThenReplaced": [layer(file("a", b"1"), link("a", "b")), layer(file("a", b"2"))],
    "TwiceInOneLayer": [layer(file("a", b"1"), file("a", b"2"), file("./a", b"3", mode=0o4755))],
    "RootHasMetadata": [layer(directory("./", 0o700, uid=b"0001750\0"), file("./a", b"1"))],
    "Devices": [layer(directory("dev"), header("dev/null", kind=b"3", mode=0o666, device=(1, 3)),
                      header("dev/loop0", kind=b"4", mode=0o660, device=(7, 0)), header("dev/fifo", kind=b"6"),
                      link("dev/null", "dev/zero"))],
    "NoLayers": [],
    "EmptyLayer": [b"", END, bytes(512), file("a", b"1")],
    "LayerTwice": [layer(file("a", b"1")), layer(file("a", b"2"), file("b", b"2")), layer(file("a", b"1"))],
    "GarbageAfterEnd": [layer(file("a", b"1")) + b"garbage" * 1000],
    # Headers
    "PaxSizeWins": [layer(pax(size=b"1024") + header("a", 0) + padded(file("hidden", b"x")[:1024]), file("b", b"2"))],
    "PaxSizeWinsOverMore": [layer(pax(size=b"3") + header("a", 1024) + padded(b"abc"), file("b", b"2"))],
    "PaxBeforeGnuName": [layer(pax(size=b"3"), extension(b"long/" * 40 + b"name\0", b"L"), header("a", 512) + padded(b"abc"))],
    "PaxNames": [layer(pax(path=b"\xc3\xa4/\xff\n" + b"x" * 200, uname="\u00fc".encode()) + file("a", b"1"),
                       pax(linkpath=b"/" + b"y" * 300) + symlink("z", "b"))],
    "PaxNumbers": [layer(pax(uid=b"4294967294", gid=b"3000000", mtime=b"-1.5") + file("a", b"1"),
                         pax(mtime=b"1700000000.9") + file("b", b"1"))],
    "PaxNoValue": [layer(pax(path=b"", linkpath=b"") + file("a", b"1"))],
    "PaxComment": [layer(pax(b"g", comment=b"x" * 40, uid=b"7") + file("a", b"1"))],
    "Xattrs": [layer(directory("d"), pax(SCHILY__xattr__user__a=b"1", SCHILY__xattr__user__b=b"\0\xff=\n") + file("d/a", b"1"),
                     pax(SCHILY__xattr__security__capability=bytes.fromhex("0100000200040000000000000000000000000000"))
                     + file("d/ping", b"1", mode=0o755), link("d/ping", "d/pong")),
               layer(pax(SCHILY__xattr__user__c=b"3") + directory("d"))],
    "GnuOwner": [layer(file("a", b"1", uid=b"\x80\0\0\0\0\x20\0\0", magic=b"ustar  \0"))],
    "OldDirectory": [layer(header("a/", kind=b"\0", mode=0o755), file("a/b", b"1", kind=b"\0"), file("a/c", b"2", kind=b"7"))],
    "SizeOfLink": [layer(file("a", b"1"), header("b", 999, kind=b"1", link=b"a"), header("c", 999, kind=b"2", link=b"a"))],
    "DeepNames": [layer(deep(300))],
    "NoEnd": [file("a", b"1")],
}

REFUSED = {
    "WhiteoutRootParent": ([ETC, layer(file(".wh..."))], 'layer 2 (sha256:'),
    "WhiteoutParent": ([ETC, layer(file("etc/.wh..."))], '"etc/.wh...": a whiteout of no name'),
    "WhiteoutRoot": ([ETC, layer(file(".wh.."))], '".wh..": a whiteout of no name'),
    "WhiteoutCurrentDirectory": ([ETC, layer(file("etc/.wh.."))], '"etc/.wh..": a whiteout of no name'),
    "WhiteoutDirectoryName": ([ETC, layer(file(".wh.etc/somefile", b"x"))], "its directory has the name of a whiteout"),
    "SymlinkParentDirectory": ([layer(*PASSWD, symlink("/etc/", ".."))], "the root can be a directory only"),
    "SymlinkEmptyFilename": ([layer(*PASSWD, symlink("/etc/", ""))], "the root can be a directory only"),
    "UntarHardlink": ([layer(link("../victim/hello", "dotdot"))],
                      '"dotdot": a hard link to "../victim/hello", which is not there'),
    "HardlinkToHost": ([layer(link("/etc/passwd", "a"))], 'a hard link to "/etc/passwd", which is not there'),
    "HardlinkThroughLink": ([layer(symlink("/etc", "e"), link("e/passwd", "a"))], 'a hard link to "e/passwd", which is not there'),
    "HardlinkToDirectory": ([ETC, layer(link("etc", "a"))], 'a hard link to "etc", which is a directory'),
    "HardlinkToRoot": ([layer(link("/", "a"))], "which is a directory"),
    "LinkLoop": ([layer(symlink("b", "a"), symlink("a", "b"), file("a/x", b"x"))], "more than 255 symbolic links"),
    "FileAsDirectory": ([layer(file("a", b"1")), layer(file("a/b", b"2"))], '"a" is no directory'),
    "TooDeep": ([layer(deep(2049))], "more than 2048 directories in each other"),
    "LongSymlink": ([layer(pax(linkpath=b"x" * 4096) + symlink("z", "b"))], "a symbolic link of 4096 bytes"),
    "SymlinkToNothing": ([layer(symlink("", "b"))], "a symbolic link to nothing"),
    "LargeUid": ([layer(pax(uid=b"4294967296") + file("a"))], "its uid is 4294967296"),
    "UidOfMinusOne": ([layer(pax(gid=b"4294967295") + file("a"))], "its gid is 4294967295"),
    "NegativeUid": ([layer(file("a", uid=b"\xff" * 8))], "its uid is no number"),
    "TimeOfLetters": ([layer(pax(mtime=b"now") + file("a"))], "its mtime is no number"),
    "LargeDevice": ([layer(header("a", kind=b"3", device=(4096, 0)))], "a device whose numbers are none of Linux"),
    "UnknownType": ([layer(header("a", kind=b"Z"))], "a member of the unknown type 'Z'"),
    "SparseGnu": ([layer(header("a", kind=b"S"))], "sparse"),
    "SparsePax": ([layer(pax(GNU__sparse__major=b"1") + file("a"))], "sparse"),
    "MultiVolume": ([layer(header("a", kind=b"M"))], "multi-volume"),
    "GlobalPath": ([layer(pax(b"g", path=b"b") + file("a"))], "a global PAX header"),
    "GlobalSize": ([layer(pax(b"g", size=b"512") + file("a"))], "a global PAX header"),
    "NulInPath": ([layer(pax(path=b"a\0b") + file("a"))], "a name with a NUL"),
    "NulInLink": ([layer(pax(linkpath=b"a\0b") + symlink("a", "b"))], "a name with a NUL"),
    "PaxLengthLies": ([layer(extension(b"99 path=b\n") + file("a"))], "a malformed PAX header"),
    "PaxSizeOfLetters": ([layer(pax(size=b"-1") + file("a"))], "a PAX size that is no number"),
    "PaxSizePastEnd": ([layer(pax(size=b"18446744073709551615") + file("a"))], "leads past the end"),
    "PaxTooLarge": ([layer(pax(comment=b"x" * (1 << 20)) + file("a"))], "an extended header of"),
    "PaxTooOften": ([layer(*[pax(comment=b"x" * 500_000)] * 3, file("a"))], "an extended header of"),
    "ExtensionOfNothing": ([layer(pax(path=b"b"))], "it ends after an extended header"),
    "Checksum": ([layer(file("a", b"1")).replace(b"0000644", b"0000645")], "the header's checksum is wrong"),
    "NoTar": ([b"FROM debian\n" * 100], "layer 1 (sha256:"),
    "EndsInHeader": ([file("a", b"1") + header("b")[:300]], "it ends within a header"),
    "EndsInData": ([file("a", b"1" * 600)[:-600]], "leads past the end"),
}


def blob(top, data):
    os.makedirs(top + "/blobs/sha256", exist_ok=True)
    with open(top + "/blobs/sha256/" + sha(data), "wb") as f:
        f.write(data)
    return {"digest": "sha256:" + sha(data), "size": len(data)}


def zstd(data):
    return subprocess.run(["zstd", "-qc"], input=data, stdout=subprocess.PIPE, check=True).stdout


def image(top, layers, form="", blobs=None, diff_ids=None):
    os.mkdir(top)
    oci = "application/vnd.oci.image."
    encode = {"": lambda x: x, "+gzip": lambda x: gzip.compress(x, mtime=0), "+zstd": zstd}[form]
    blobs = blobs or [encode(x) for x in layers]
    config = {"architecture": "amd64", "os": "linux", "config": {},
              "rootfs": {"type": "layers", "diff_ids": diff_ids or ["sha256:" + sha(x) for x in layers]}}
    config = dict(blob(top, json.dumps(config).encode()), mediaType=oci + "config.v1+json")
    layers = [dict(blob(top, x), mediaType=oci + "layer.v1.tar" + form) for x in blobs]
    manifest = {"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": config, "layers": layers}
    entry = dict(blob(top, json.dumps(manifest).encode()), mediaType=oci + "manifest.v1+json",
                 annotations={"org.opencontainers.image.ref.name": "1"})
    for name, value in ("index.json", {"schemaVersion": 2, "manifests": [entry]}), ("oci-layout", {"imageLayoutVersion": "1.0.0"}):
        with open(top + "/" + name, "w") as f:
            json.dump(value, f)


def images(top):
    said = {}
    for name, layers in ACCEPTED.items():
        image(top + "/" + name, layers)
        said[name] = ""
    for name, (layers, what) in REFUSED.items():
        image(top + "/" + name, layers)
        said[name] = what
    one, two = layer(directory("a"), file("a/x", b"1")), layer(file("a/y", b"2"))
    zipped = gzip.compress(one, mtime=0)
    for name, what, arguments in [
        ("Gzip", "", {"form": "+gzip"}),
        ("Zstd", "", {"form": "+zstd"}),
        ("DiffIdOfPlain", "layer 2 (sha256:", {"diff_ids": ["sha256:" + sha(one), "sha256:" + sha(one)]}),
        ("DiffIdOfGzip", "its bytes have another diff_id, sha256:" + sha(two),
         {"form": "+gzip", "diff_ids": ["sha256:" + sha(one), "sha256:" + sha(one)]}),
        ("DiffIdOfZstd", "layer 1 (sha256:", {"form": "+zstd", "diff_ids": ["sha256:" + sha(two), "sha256:" + sha(two)]}),
        ("GzipCut", "gzip: it ends early", {"form": "+gzip", "blobs": [zipped[:-20], zipped]}),
        ("GzipAndMore", "what follows its end is no gzip", {"form": "+gzip", "blobs": [zipped + b"more than a header", zipped]}),
        ("GzipThatIsNone", "its media type says gzip, its bytes are uncompressed", {"form": "+gzip", "blobs": [one, two]}),
        ("GzipThatIsZstd", "its media type says gzip, its bytes are zstd", {"form": "+gzip", "blobs": [zstd(one), two]}),
    ]:
        image(top + "/" + name, [one, two], **arguments)
        said[name] = what
    return said


command, path = sys.argv[1:]
json.dump({"walk": walk, "tar": tar, "images": images}[command](path), sys.stdout)
