"""What nixpkgs' streamLayeredImage does with a closure, for comparison: every layer is made twice with
CPython's tarfile, once to hash it and once into the archive. Reads a JSON list of layers (lists of store
paths) and writes the archive to standard output. Written from a description of the algorithm."""

import hashlib
import io
import json
import os
import sys
import tarfile


class Sum:
    """A file that hashes and counts what is written to it."""

    def __init__(self):
        self.hash, self.size = hashlib.sha256(), 0

    def write(self, data):
        self.hash.update(data)
        self.size += len(data)


def below(path):
    yield path
    if os.path.isdir(path) and not os.path.islink(path):
        for name in sorted(os.listdir(path)):
            yield from below(path + "/" + name)


def write_layer(paths, out):
    with tarfile.open(fileobj=out, mode="w|") as tar:
        for directory in "/nix", "/nix/store":
            member = tarfile.TarInfo(directory)
            member.type, member.mode, member.mtime = tarfile.DIRTYPE, 0o755, 1
            tar.addfile(member)
        for top in paths:
            for path in below(top):
                member = tar.gettarinfo(path)
                member.name, member.mtime, member.uid, member.gid = path, 1, 0, 0
                member.uname = member.gname = "root"
                if member.islnk():
                    member.type, member.linkname, member.size = tarfile.REGTYPE, "", os.path.getsize(path)
                if member.isfile():
                    with open(path, "rb") as content:
                        tar.addfile(member, content)
                else:
                    tar.addfile(member)


def main():
    layers = json.load(open(sys.argv[1]))
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
        for paths in layers:
            summed = Sum()
            write_layer(paths, summed)
            member = tarfile.TarInfo(summed.hash.hexdigest() + "/layer.tar")
            member.size = summed.size
            # The original pipes the second pass through a thread; a pipe is as fast as a file here.
            read, write = os.pipe()
            if os.fork() == 0:
                os.close(read)
                with open(write, "wb") as out:
                    write_layer(paths, out)
                os._exit(0)
            os.close(write)
            with open(read, "rb") as content:
                archive.addfile(member, content)
            os.wait()
        manifest = tarfile.TarInfo("manifest.json")
        archive.addfile(manifest, io.BytesIO(b""))


main()
