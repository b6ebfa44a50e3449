"""docker-archives as skopeo writes them, by another way: written from the format's rules with Python's own
json, re and struct, in the plainest form. And images to try, the odd ones included.

images DIR         makes images below DIR; stdout: [{"name", "source", "blobs", "manifest", "config",
                   "destination", "full", "tag"} ...]: source is for skopeo, the others are paths
archive IMAGE OUT  writes the archive of one such image (a JSON object as above)
header NAME SIZE   prints a member's header in hexadecimal
"""

import bz2
import gzip
import hashlib
import json
import lzma
import os
import random
import re
import struct
import subprocess
import sys
import zlib

sys.setrecursionlimit(40000)


def sha(data):
    return hashlib.sha256(data).hexdigest()


# ---- the archive


def block(name, kind, mode, size, link=b"", devices=b"0000000\0"):
    def make(checksum):
        return struct.pack(
            "100s8s8s8s12s12s8sc100s6s2s32s32s8s8s155s12x",
            name, b"%07o\0" % mode, b"0000000\0", b"0000000\0", b"%011o\0" % size, b"0" * 11 + b"\0",
            checksum, kind, link, b"ustar\0", b"00", b"", b"", devices, devices, b"")

    return make(b"%06o\0 " % sum(make(b" " * 8)))


def padded(data):
    return data + bytes(-len(data) % 512)


def header(name, size):
    if size <= 0o77777777777:
        return block(name, b"0", 0o444, size)
    body = next(b for n in range(1, 99) for b in [b"%d size=%d\n" % (n, size)] if len(b) == n)
    return (block(b"PaxHeaders.0/" + name, b"x", 0, len(body), devices=b"") + padded(body)
            + block(name, b"0", 0o444, 0))


def decompress(data):
    if data[:3] == b"\x1f\x8b\x08":
        return gzip.decompress(data)
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return zstd(data, "-d")
    if data[:6] == b"\xfd7zXZ\0":
        return lzma.decompress(data)
    return bz2.decompress(data) if data[:3] == b"BZh" else data


def value_end(text, at):
    """Where the value ends that begins at AT. By brackets: Python's decoder has a limit on depth of its own."""
    depth = 0
    for token in re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]|[^\s,:\[\]{}"]+', re.S).finditer(text, at):
        depth += (token.group() in "[{") - (token.group() in "]}")
        if depth == 0:
            return token.end()


def top_level(config):
    """The raw values of a JSON object's keys, as bytes. Latin-1 maps every byte to one character."""
    text, found, decoder = config.decode("latin-1"), {}, json.JSONDecoder()
    at = re.compile(r"\s*\{\s*").match(text).end()
    while text[at] != "}":
        key, at = decoder.raw_decode(text, at)
        at = re.compile(r"\s*:\s*").match(text, at).end()
        end = value_end(text, at)
        found[key] = text[at:end].encode("latin-1")
        at = re.compile(r"\s*,?\s*").match(text, end).end()
    return found


def compact(raw):
    def piece(match):
        text = match.group()
        if not text.startswith(b'"'):
            return b""
        for c in b"<", b">", b"&":
            text = text.replace(c, b"\\u%04x" % c[0])
        return text.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")

    return re.sub(rb'"(?:[^"\\]|\\.)*"|[ \t\r\n]+', piece, raw, flags=re.S)


def document(members):
    return b"{" + b",".join(b'"%s":%s' % (k.encode(), v) for k, v in sorted(members.items())) + b"}"


def archive(image):
    manifest = json.load(open(image["manifest"]))
    config = open(image["config"], "rb").read()
    blob = {}
    for layer in manifest["layers"]:
        path = os.path.join(image["blobs"], layer["digest"][7:])
        blob.setdefault(path, decompress(open(path, "rb").read()))
        layer["data"] = blob[path]
    out, written, ids = [], set(), []

    def member(name, data):
        if name not in written:
            written.add(name)
            out.append(header(name.encode(), len(data)) + padded(data))

    names = [sha(layer["data"]) for layer in manifest["layers"]]
    for name, layer in zip(names, manifest["layers"]):
        member(name + ".tar", layer["data"])
    member(sha(config) + ".json", config)
    chain = None
    for i, name in enumerate(names):
        own = "sha256:" + name
        chain = own if chain is None else "sha256:" + sha((chain + " " + own).encode())
        members = {"parent": b'"%s"' % ids[-1].encode()} if ids else {}
        if i + 1 == len(names):
            keys = "architecture config container container_config created docker_version os".split()
            raw = top_level(config)
            members.update({k: compact(raw.get(k, b"null")) for k in keys})
        ids.append(sha(document({**members, "layer_id": b'"%s"' % chain.encode()})))
        out.append(block(f"{ids[-1]}/layer.tar".encode(), b"2", 0, 0, f"../{name}.tar".encode()))
        member(f"{ids[-1]}/VERSION", b"1.0")
        member(f"{ids[-1]}/json", document({**members, "id": b'"%s"' % ids[-1].encode()}))
    described = {"Config": sha(config) + ".json", "RepoTags": [image["full"] + ":" + image["tag"]],
                 "Layers": [name + ".tar" for name in names]}
    member("manifest.json", json.dumps([described], separators=(",", ":")).encode())
    repositories = {image["full"]: {image["tag"]: ids[-1]}} if ids else {}
    member("repositories", json.dumps(repositories, separators=(",", ":")).encode())
    return b"".join(out) + bytes(1024)


# ---- images


def zstd(data, *options):
    return subprocess.run(["zstd", "-q", "-c", *options], input=data, check=True, capture_output=True).stdout


def tar(seed, size):
    """One file that compresses to about a half; as long as it is said, if that is a multiple of 512."""
    r = random.Random(seed)
    data = b"".join(r.randbytes(256) + bytes(256) for _ in range(max(0, size // 512 - 3)))
    return padded(block(b"file%d" % seed, b"0", 0o644, len(data)) + data + bytes(1024))


def gz(data, level=6):
    return gzip.compress(data, level, mtime=0)


def fancy_gzip(data):
    """All of a header's fields but its checksum, which skopeo computes wrongly beside the others."""
    head = b"\x1f\x8b\x08\x1c" + bytes(4) + b"\0\xff" + struct.pack("<H", 4) + b"extr" + b"name\0comment\0"
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = deflate.compress(data) + deflate.flush()
    return head + body + struct.pack("<II", zlib.crc32(data), len(data))


USUAL = b'{"architecture":"amd64","os":"linux","created":"2024-01-02T03:04:05.6Z","config":{"Env":["A=b"]},@}'
CONFIGS = {
    "spaced": b'{\n  "architecture" : "amd64",\r\n\t"os":\t"linux" , "config": { "Cmd" : [ "a b" , "c" ] } ,\n @ }\n\n',
    "bare": b"{@}",
    "nulls": b'{"architecture":null,"config":null,"container":null,"os":null,@}',
    "wrong-types": b'{"architecture":[1,{}],"config":"text","container":{"a":[]},"created":false,"docker_version":3,"os":{},@}',
    "docker": b'{"architecture":"arm64","config":{"Image":"sha256:0"},"container":"ab12","container_config":{"Cmd":["/bin/sh","-c","#(nop) "]},'
              b'"created":"2020","docker_version":"20.10.7","history":[{"created_by":"x"}],"os":"linux","variant":"v8",@}',
    "not-utf-8": b'{"architecture":"\xff\xfe\x80","config":{"\xc3":"\xe2\x80","b":"\xed\xa0\x80"},"os":"\xe2\x80\xa8\xf0",@}',
    "duplicates": b'{"os":"a","config":{"x":1},"os":"b","config":{"y":1,"y":2,"y":1},"os":"c",@}',
    "escaped-keys": b'{"\\u0063onfig":{"a":1},"\\u006f\\u0073":"linux","arch\\u0069tecture":"amd64","Config":1,"OS":2,@}',
    "html": '{"config":{"Cmd":["<a href=\\"x\\">&amp;</a>","\u2028\u2029\u2027","\x7f"],"<&>":1},"os":"l<>&",@}'.encode(),
    "escapes": b'{"config":{"a":"\\/\\u0041\\ud800\\udc00\\ud800 \\b\\f\\n\\r\\t\\\\\\"","b":"\\u003c\\u2028"},"os":"\\"<\\\\",@}',
    "numbers": b'{"config":[1.0e10,-0,0.0,1E+5,12345678901234567890123,1e-999,1e999,-1.50],"os":1e2,@}',
    "deep": b'{"config":' + b"[" * 9999 + b"]" * 9999 + b",@}",
    "big": b'{"config":{"Env":["' + b"x" * 300000 + b'"]},@}',
}
DESTINATIONS = [
    # As given, full name, tag.
    ("name:tag", "docker.io/library/name", "tag"),
    ("alpine", "docker.io/library/alpine", "latest"),
    ("foo.bar:1", "docker.io/library/foo.bar", "1"),
    ("me/app:v1.2-rc_3", "docker.io/me/app", "v1.2-rc_3"),
    ("docker.io/alpine:3", "docker.io/library/alpine", "3"),
    ("docker.io/library/alpine:3", "docker.io/library/alpine", "3"),
    ("index.docker.io/alpine:3", "docker.io/library/alpine", "3"),
    ("index.docker.io/a/b", "docker.io/a/b", "latest"),
    ("registry.hub.docker.com/library/alpine:3", "registry.hub.docker.com/library/alpine", "3"),
    ("localhost/a:1", "localhost/a", "1"),
    ("localhost:5000/a/b/c:1", "localhost:5000/a/b/c", "1"),
    ("host:1/a__b--c.d:_", "host:1/a__b--c.d", "_"),
    ("GHCR.io/a/b:Tag", "GHCR.io/a/b", "Tag"),
    ("1.2.3.4:0/x:1", "1.2.3.4:0/x", "1"),
]


def images(folder):
    made = []

    def image(name, blobs, docker=False, config=USUAL, types=None, destination=DESTINATIONS[0]):
        root = os.path.join(folder, name)
        store = root if docker else os.path.join(root, "blobs/sha256")
        os.makedirs(store)

        def put(data, media):
            with open(os.path.join(store, sha(data)), "wb") as file:
                file.write(data)
            return {"mediaType": media, "digest": "sha256:" + sha(data), "size": len(data)}

        d = ["sha256:" + sha(decompress(b)) for b in blobs]
        config = config.replace(b"@", b'"rootfs":{"type":"layers","diff_ids":%s}' % json.dumps(d).encode())
        kind = "application/vnd.docker.%s" if docker else "application/vnd.oci.image.%s"
        layer = "image.rootfs.diff.tar.gzip" if docker else "layer.v1.tar+gzip"
        manifest = json.dumps({
            "schemaVersion": 2,
            "mediaType": kind % ("distribution.manifest.v2+json" if docker else "manifest.v1+json"),
            "config": put(config, kind % ("container.image.v1+json" if docker else "config.v1+json")),
            "layers": [put(b, kind % (types or layer)) for b in blobs],
        }).encode()
        described = put(manifest, kind % "manifest.v1+json")
        if docker:
            open(os.path.join(root, "manifest.json"), "wb").write(manifest)
            open(os.path.join(root, "version"), "w").write("Directory Transport Version: 1.1\n")
        else:
            described["annotations"] = {"org.opencontainers.image.ref.name": "t"}
            json.dump({"schemaVersion": 2, "manifests": [described]}, open(os.path.join(root, "index.json"), "w"))
            open(os.path.join(root, "oci-layout"), "w").write('{"imageLayoutVersion":"1.0.0"}')
        made.append({
            "name": name, "source": f"dir:{root}" if docker else f"oci:{root}:t", "blobs": store,
            "manifest": os.path.join(store, sha(manifest)), "config": os.path.join(store, sha(config)),
            "destination": destination[0], "full": destination[1], "tag": destination[2],
        })

    a, b, c = tar(1, 30 * 512), tar(2, 5000 * 512), tar(3, 700 * 512)
    large = tar(4, 20000 * 512)
    half = len(large) // 2
    multi = gz(large[:half]) + gz(b"") + gz(large[half:half + 100]) + gz(large[half + 100:])
    image("oci-gzip", [gz(a), gz(b), gz(c)])
    image("docker-gzip", [gz(a), gz(b), gz(c)], docker=True)
    image("oci-plain", [a, b, c], types="layer.v1.tar")
    image("docker-plain-bytes", [a, b, c], docker=True)
    image("one-layer", [gz(a)])
    image("multi-member", [multi])
    image("multi-member-below-others", [gz(a), multi, gz(b), multi[:-8] + multi[-8:], gz(c)])
    image("multi-member-thrice", [multi, gz(c), gz(b) + gz(a), gz(a) + gz(b), gz(large + b) + gz(b"x")])
    image("no-layers", [])
    image("no-layers-docker", [], docker=True)
    image("repeated", [gz(a), gz(b), gz(a), gz(a), gz(b)])
    image("same-bytes-compressed-twice", [gz(a, 1), gz(b), gz(a, 9), a], docker=True)
    image("many-layers", [gz(tar(100 + i, 512 * (i % 9))) for i in range(130)])
    image("not-tar", [gz(b"not a tar"), b"neither"], docker=True)
    image("empty", [b""], docker=True)
    image("empties", [gz(b""), gz(a), b"", gz(b"")], docker=True)
    image("odd-sizes", [gz(bytes(n)) for n in (1, 511, 512, 513, 1023, 1024)])
    image("gzip-in-gzip", [gz(gz(a))])
    image("gzip-fields", [fancy_gzip(a), fancy_gzip(b) + fancy_gzip(c)])
    image("short", [b"\x1f", b"\x1f\x8b", b"BZ", b"\x28\xb5\x2f", b"\xfd7zXZ"], docker=True)
    skippable = struct.pack("<II", 0x184D2A50, 5) + b"12345"
    image("zstd", [zstd(a), zstd(b, "-19"), zstd(large, "--long=27", "-1"), gz(c)], docker=True)
    image("zstd-frames", [zstd(a) + skippable + zstd(b), gz(c), zstd(b"") + zstd(c) + skippable, a], docker=True)
    open(os.path.join(folder, "sized"), "wb").write(large)
    sized = subprocess.run(["zstd", "-q", "-c", os.path.join(folder, "sized")], check=True, capture_output=True).stdout
    image("zstd-sized", [sized, gz(a), sized + zstd(b), gz(c)], docker=True)
    image("xz", [lzma.compress(a), gz(b), lzma.compress(c, preset=9) + lzma.compress(b), gz(c)], docker=True)
    image("bzip2", [bz2.compress(a), gz(b), bz2.compress(c) + bz2.compress(a), gz(c)], docker=True)
    for name, config in CONFIGS.items():
        image("config-" + name, [gz(a), gz(c)], config=config, docker=name in ("docker", "html"))
        if name == "spaced":
            image("config-spaced-no-layers", [], config=config)
    for i, destination in enumerate(DESTINATIONS):
        image(f"destination-{i}", [gz(a)], destination=destination)
    return made


if __name__ == "__main__":
    if sys.argv[1] == "images":
        json.dump(images(sys.argv[2]), sys.stdout)
    elif sys.argv[1] == "archive":
        open(sys.argv[3], "wb").write(archive(json.loads(sys.argv[2])))
    elif sys.argv[1] == "header":
        print(header(sys.argv[2].encode(), int(sys.argv[3])).hex())
