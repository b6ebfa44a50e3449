"""Layers of store paths as nixpkgs' streamLayeredImage writes them, by CPython's own tarfile.

stdin:  [{"store", "paths": [...], "out", "mtime", "uid", "gid", "uname", "gname"}, ...]
        Writes the layer of the paths, which are read from where they lie, to the file "out".
        Or [{"header": {"name": hex, "mode", "type": "file" | "directory" | "link", "size",
        "target": hex}, "mtime", ...}, ...]: answers with the header's bytes alone.
stdout: [length in bytes | hex of the header, ...]
"""

import io
import json
import os
import resource
import stat
import sys
import tarfile

# Deep trees: one descriptor a directory.
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
TYPES = {"file": tarfile.REGTYPE, "directory": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}


def info(case, name, kind, mode):
    ti = tarfile.TarInfo(name)
    ti.type, ti.mode = TYPES[kind], mode
    for key in ("mtime", "uid", "gid", "uname", "gname"):
        setattr(ti, key, case[key])
    return ti


def entries(path):
    """(components below path, stat, link target, contents) of path and all that is in it, by descriptors."""
    found = []

    def look(parent, name, parts):
        st = os.stat(name, dir_fd=parent, follow_symlinks=False)
        target = data = None
        if stat.S_ISLNK(st.st_mode):
            target = os.readlink(name, dir_fd=parent)
        elif stat.S_ISREG(st.st_mode):
            with open(os.open(name, os.O_RDONLY, dir_fd=parent), "rb") as f:
                data = f.read()
        found.append((parts, st, target, data))
        return stat.S_ISDIR(st.st_mode)

    opened = [os.open(os.path.dirname(path), os.O_RDONLY)]
    todo = [(opened[0], os.path.basename(path), [])]
    while todo:
        parent, name, parts = todo.pop()
        if look(parent, name, parts):
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=parent)
            opened.append(fd)
            todo.extend((fd, child, parts + [child]) for child in os.listdir(fd))
    for fd in opened:
        os.close(fd)
    # Component by component, each by code points: how lists of strings compare.
    return sorted(found, key=lambda entry: entry[0])


def write(case):
    with open(case["out"], "wb") as out:
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            above = case["store"].strip("/").split("/")
            for i in range(len(above)):
                tar.addfile(info(case, "/" + "/".join(above[:i + 1]), "directory", 0o755))
            for path in case["paths"]:
                for parts, st, target, data in entries(path):
                    name, mode = "/".join([path] + parts), stat.S_IMODE(st.st_mode)
                    if data is not None:
                        ti = info(case, name, "file", mode)
                        ti.size = len(data)
                        tar.addfile(ti, io.BytesIO(data))
                    elif target is not None:
                        ti = info(case, name, "link", 0o777)
                        ti.linkname = target
                        tar.addfile(ti)
                    else:
                        tar.addfile(info(case, name, "directory", mode))
    return os.path.getsize(case["out"])


def header(case):
    wanted = case["header"]
    ti = info(case, os.fsdecode(bytes.fromhex(wanted["name"])).rstrip("/"), wanted["type"], wanted["mode"])
    ti.size, ti.linkname = wanted["size"], os.fsdecode(bytes.fromhex(wanted["target"]))
    return ti.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape").hex()


json.dump([header(case) if "header" in case else write(case) for case in json.load(sys.stdin)], sys.stdout)
