"""Checks a pack with nothing of Lite's: the PyPI packages gguf and blake3.

    python3 -m venv v && v/bin/pip install gguf blake3
    v/bin/python check.py model.pack

It follows docs/format/pack.md, finds every hash by the tensors' own positions in
the shards, and fails on the first thing that is not as that page says. It is run by
hand: the continuous tests have no network.
"""
import glob
import hashlib
import json
import sys

from blake3 import blake3
from gguf import GGUFReader


def shard(path, head):
    """The hashes of a shard's leaves, in order."""
    raw, tensors = open(path, "rb").read(), GGUFReader(path).tensors
    spans, experts = [(0, head)], {}
    for t in tensors:
        span = (t.data_offset, t.data_offset + t.n_bytes)
        if ".expert." in t.name:
            experts.setdefault(t.name.rsplit(".", 2)[0], []).append(span)
        else:
            spans.append(span)
    spans += [(e[0][0], e[-1][1]) for e in experts.values()]
    assert all(a % 4096 == 0 for a, _ in spans), path
    return [blake3(raw[a:b]).digest() for a, b in spans]


def main(pack):
    text = open(f"{pack}/manifest.json", "rb").read()
    m = json.loads(text)
    again = json.dumps(m, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert again.encode() == text, "the manifest is not canonical"
    shards = 0
    for tier in m["tiers"]:
        for layer in tier["layers"]:
            base = f"{pack}/tiers/{tier['name']}/L{layer['layer']:03d}"
            files = sorted(glob.glob(base + "-*.gguf"))
            sums = [shard(f, m["shard_head"]) for f in files]
            roots = b"".join(blake3(b"".join(s)).digest() for s in sums)
            assert blake3(roots).hexdigest() == layer["root"], base
            leaves = b"".join(b"".join(s) for s in sums)
            assert open(base + ".hashes", "rb").read() == roots + leaves, base
            shards += len(files)
    trunk, page = open(f"{pack}/trunk.gguf", "rb").read(), m["trunk"]["page"]
    pages = b"".join(blake3(trunk[i : i + page]).digest() for i in range(0, len(trunk), page))
    assert len(trunk) == m["trunk"]["bytes"]
    assert pages == open(f"{pack}/trunk.hashes", "rb").read()
    assert blake3(pages).hexdigest() == m["trunk"]["root"]
    GGUFReader(f"{pack}/trunk.gguf")
    print(f"{shards} shards and the trunk are right; manifest sha256 {hashlib.sha256(text).hexdigest()}")


main(sys.argv[1])
