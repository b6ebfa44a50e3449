"""What layers Gantry has to plan, by another way: written from the description of nixpkgs' algorithms,
with Python's own sets, recursion and big integers, in the slowest and plainest form.

stdin:  [{"graph": [{"path", "narSize", "references"}], "layering": "size" | "popularity" | "single" |
        [operation ...], "available": n, "minLayerSize": bytes}, ...]
stdout: [[[path ...] ...] | {"error": "misfit" | "layers"}, ...]
"""

import json
import sys
from collections import Counter


class Misfit(Exception):
    """An operation applied to the wrong kind of data, or with a wrong number."""


def path_key(path):
    """(name, hash): what follows the first dash of the whole path, then what precedes it."""
    before, _, after = path.partition("-")
    return after, before


def package_name(path):
    """The same as one string, name-/nix/store/hash."""
    return "-".join(path_key(path))


def closure(start, step):
    found = set(start)
    while True:
        more = {y for x in found for y in step(x)} - found
        if not more:
            return found
        found |= more


# ---- size


def by_size(nodes, available):
    refs = {n["path"]: set(n["references"]) - {n["path"]} for n in nodes}
    size = {n["path"]: n["narSize"] for n in nodes}
    users = {p: {q for q in refs if p in refs[q]} for p in refs}
    remaining = sorted(nodes, key=lambda n: n["narSize"])
    split = {p: frozenset() for p in refs}
    while remaining:
        n = remaining.pop()["path"]
        s = dict(split)
        s[n] = frozenset([n])
        d = closure([n], refs.get) - {n}
        u = closure([n], users.get) - {n}
        for x in d:
            s[x] = s[x] - u
            if not s[x] & d:
                s[x] = s[x] | {n}
        if len(set(s.values())) > available:
            break
        split = s
    layers = [sorted((p for p in split if split[p] == key), key=path_key) for key in set(split.values())]

    def order(layer):
        return sum(size[p] for p in closure(layer, refs.get)), path_key(layer[0])

    return sorted(layers, key=order)


# ---- popularity: the recursive definition, remembered per path


def contest(children, refs, known):
    counts = Counter()
    for child in children:
        counts[child] += 1
        if child not in known:
            known[child] = contest(refs[child], refs, known)
        counts.update({below: count + 1 for below, count in known[child].items()})
    return counts


def most_popular_first(paths, refs):
    roots = [p for p in paths if not any(p in refs[q] for q in paths)]
    counts = contest(roots, refs, {})
    return sorted(paths, key=lambda p: (-counts[p], package_name(p)))


# ---- pipeline


class G:
    """An ordered list of vertices and a set of edges (pairs)."""

    def __init__(self, vertices, edges):
        self.vertices = list(vertices)
        inside = set(self.vertices)
        self.edges = {(a, b) for a, b in edges if a in inside and b in inside}

    def out(self, v):
        return {b for a, b in self.edges if a == v}

    def into(self, v):
        return {a for a, b in self.edges if b == v}

    def only(self, wanted):
        return G([v for v in self.vertices if v in wanted], self.edges)

    def here(self, paths):
        return [p for p in paths if p in self.vertices]


def flatten(x):
    if isinstance(x, G):
        return [x]
    return [g for y in (x.values() if isinstance(x, dict) else x) for g in flatten(y)]


def want(kind, x):
    if not isinstance(x, kind):
        raise Misfit
    return x


def split_paths(specs, g):
    split = []
    for spec in specs:
        if isinstance(spec, dict):
            for parent in g.here([spec["children_of"]]):
                split.extend(g.out(parent))
        else:
            split.extend(g.here([spec]))
    if not split:
        return {"rest": g}
    roots = [v for v in g.vertices if not g.into(v)]
    if len(roots) == 1:
        root, whole = roots[0], g
        if root in split:
            return {"main": g}
    else:
        root = "__root__"
        whole = G([root] + g.vertices, g.edges | {(root, r) for r in roots})
    off = closure(split, whole.out)
    whole = G(whole.vertices, {(a, b) for a, b in whole.edges if b not in split})
    rest = closure([root], whole.out)
    result = {}
    for key, wanted in (("main", off - rest), ("common", off & rest), ("rest", rest - off)):
        part = whole.only(wanted - {"__root__"})
        if part.vertices:
            result[key] = part
    return result


def apply(op, x):
    name, args = op[0], op[1:]
    if name == "pipe":
        for inner in args[0]:
            x = apply(inner, x)
        return x
    if name == "over":
        want(dict, x)
        return {k: apply(args[1], v) if k == args[0] else v for k, v in x.items()}
    if name == "map":
        return [apply(args[0], y) for y in want(list, x)]
    if name == "flatten":
        return flatten(want((list, dict), x))
    if name == "reverse":
        return want(list, x)[::-1]
    if name == "reorder":
        want(dict, x)
        named = {k: x[k] for k in args[0] if k in x}
        return named | {k: v for k, v in x.items() if k not in named}
    if name == "limit_layers":
        want(list, x)
        if args[0] < 1:
            raise Misfit
        kept, merged = x[: args[0] - 1], x[args[0] - 1 :]
        for y in merged:
            want(G, y)
        return kept + [G([v for y in merged for v in y.vertices], {e for y in merged for e in y.edges})]
    g = want(G, x)
    if name == "subcomponent_out":
        main = closure(g.here(args[0]), g.out)
        return {"main": g.only(main), "rest": g.only(set(g.vertices) - main)}
    if name == "subcomponent_in":
        main = closure(g.here(args[0]), g.into)
        return {"main": g.only(main), "rest": g.only(set(g.vertices) - main)}
    if name == "split_paths":
        return split_paths(args[0], g)
    if name == "split_every":
        if args[0] < 1:
            raise Misfit
        return [g.only(g.vertices[i : i + args[0]]) for i in range(0, len(g.vertices), args[0])]
    if name == "remove_paths":
        gone = [args[0]] if isinstance(args[0], str) else args[0]
        return g.only([v for v in g.vertices if v not in gone])
    if name == "popularity_contest":
        return [g.only([p]) for p in most_popular_first(g.vertices, {v: g.out(v) for v in g.vertices})]
    raise ValueError(name)


def by_pipeline(nodes, pipeline):
    ordered = sorted(nodes, key=lambda n: n["narSize"])
    edges = {(n["path"], r) for n in nodes for r in n["references"] if r != n["path"]}
    x = G([n["path"] for n in ordered], edges)
    for op in pipeline:
        x = apply(op, x)
    return [g.vertices for g in flatten(x)]


# ---- all


def merged(layers, size, least):
    result = []
    for i, layer in enumerate(layers):
        if result and sum(size[p] for p in result[-1]) < least:
            result[-1] = result[-1] + layer
        else:
            result.append(layer)
    if len(result) > 1 and sum(size[p] for p in result[-1]) < least:
        last = result.pop()
        result[-1] = result[-1] + last
    return result


def answer(case):
    nodes = sorted(case["graph"], key=lambda n: n["path"])
    available, layering = case["available"], case["layering"]
    refs = {n["path"]: set(n["references"]) - {n["path"]} for n in nodes}
    try:
        if layering == "size":
            layers = by_size(nodes, available)
        elif layering == "popularity":
            ranking = most_popular_first(list(refs), refs)
            layers = [[p] for p in ranking[: available - 1]] + [ranking[available - 1 :]]
        elif layering == "single":
            layers = [sorted(refs, key=path_key)]
        else:
            layers = by_pipeline(nodes, layering)
    except Misfit:
        return {"error": "misfit"}
    size = {n["path"]: n["narSize"] for n in nodes}
    layers = merged([layer for layer in layers if layer], size, case["minLayerSize"])
    return {"error": "layers"} if len(layers) > available else layers


json.dump([answer(case) for case in json.load(sys.stdin)], sys.stdout)
