"""What a root layer holds, by nixpkgs' symlinkJoin: lndir makes directories, links files, keeps the text
of links; copies are copied. For sources that do not collide.

stdin:  {"tar", "contents": [path ...], "copyToRoot": [path ...], "mtime", "uid", "gid", "uname", "gname"}
stdout: {"expected": [[name, type, mode, target, content] ...], "found": the same of the tar, in its order}
"""

import hashlib
import json
import os
import sys
import tarfile


def text(name):
    return os.fsencode(name).hex()


def leaves_source(inside, target):
    """Whether a relative link at `inside` (below its source) leads out of it: its text would mean something
    else in /."""
    depth = inside.count("/")
    if target.startswith("/"):
        return False
    for part in target.split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            return True
    return False


def entries(source, linked):
    """name -> (type, mode, link target, content)"""
    found = {}
    todo = [(source, "")]
    while todo:
        directory, at = todo.pop()
        for child in os.listdir(directory):
            path, inside = directory + "/" + child, at + child
            if os.path.islink(path):
                target = os.readlink(path)
                if linked and leaves_source(inside, target):
                    target = path
                found[inside] = ["link", 0o777, text(target), ""]
            elif os.path.isdir(path):
                found[inside] = ["directory", 0o755, "", ""]
                todo.append((path, inside + "/"))
            elif linked:
                found[inside] = ["link", 0o777, text(path), ""]
            else:
                with open(path, "rb") as f:
                    digest = hashlib.sha256(f.read()).hexdigest()
                found[inside] = ["file", os.stat(path).st_mode & 0o7777, "", digest]
    return found


question = json.load(sys.stdin)
merged = {}
for argument, linked in (("contents", True), ("copyToRoot", False)):
    for source in question[argument]:
        merged.update(entries(source, linked))
order = sorted(merged, key=lambda name: [os.fsencode(part) for part in name.split("/")])
expected = [[text("."), "directory", 0o755, "", ""]] + [[text("./" + name)] + merged[name] for name in order]

found = []
with tarfile.open(question["tar"], "r:") as tar:
    for ti in tar:
        kind = {tarfile.REGTYPE: "file", tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "link"}[ti.type]
        content = hashlib.sha256(tar.extractfile(ti).read()).hexdigest() if kind == "file" else ""
        found.append([text(ti.name), kind, ti.mode, text(ti.linkname), content])
        for key in ("mtime", "uid", "gid", "uname", "gname"):
            assert getattr(ti, key) == question[key], (ti.name, key, getattr(ti, key))
json.dump({"expected": expected, "found": found}, sys.stdout)
