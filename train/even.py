"""Evens the shares of a trained model's experts: moves the routing heads of its
GGUF file, and nothing else.

train.py ends with it. The balance loss of training leaves an expert of the smallest
tier just below a quarter of its fair share. A few steps on the set that uses this
tier alone, with a larger balance loss and everything frozen but the tier's heads,
mend that. Heads are F32 in the file, so that they are written back in place.
"""

import argparse
import struct
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import corpus
import model
import vocabulary
from gguf import ALIGNMENT

STEPS, RATE, BALANCE, SEED = 40, 1e-3, 0.03, 7
BATCH, CONTEXT = 16, 256
SET, TIER = "fast", 0  # the set that uses one tier alone, and that tier
WIDTH = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


class Reader:
    """Reads a GGUF file of the formats that gguf.py writes."""

    def __init__(self, data):
        self.data, self.at = data, 4
        _, tensors, keys = self.take("I"), self.take("Q"), self.take("Q")
        self.keys = {self.string(): self.value(self.take("I")) for _ in range(keys)}
        infos = [self.info() for _ in range(tensors)]
        base = -(-self.at // ALIGNMENT) * ALIGNMENT
        self.tensors = {name: (dims, kind, base + at) for name, dims, kind, at in infos}

    def take(self, kind):
        (v,) = struct.unpack_from("<" + kind, self.data, self.at)
        self.at += struct.calcsize(kind)
        return v

    def string(self):
        n = self.take("Q")
        self.at += n
        return bytes(self.data[self.at - n : self.at]).decode()

    def value(self, kind):
        if kind == 8:
            return self.string()
        if kind == 9:
            kind, n = self.take("I"), self.take("Q")
            return [self.value(kind) for _ in range(n)]
        return self.take(WIDTH[kind])

    def info(self):
        name, n = self.string(), self.take("I")
        return name, [self.take("Q") for _ in range(n)], self.take("I"), self.take("Q")

    def tensor(self, name):
        dims, kind, at = self.tensors[name]
        n = int(np.prod(dims))
        if kind == 0:
            x = np.frombuffer(self.data, "<f4", n, at)
        else:
            size = {6: 22, 8: 34}[kind]
            b = np.frombuffer(self.data, np.uint8, n // 32 * size, at).reshape(-1, size)
            d = b[:, :2].copy().view(np.float16).astype(np.float32)
            if kind == 8:
                x = d * b[:, 2:].copy().view(np.int8)
            else:
                high = b[:, 2:6].copy().view(np.uint32) >> np.arange(32, dtype=np.uint32) & 1
                x = d * (np.concatenate([b[:, 6:] & 15, b[:, 6:] >> 4], 1).astype(np.int32) + 16 * high.astype(np.int32) - 16)
        return torch.tensor(np.asarray(x, np.float32).reshape(dims[::-1]).copy())


@torch.no_grad()
def load(r):
    net = model.Model(model.tiny(len(r.keys["tokenizer.ggml.tokens"])))
    net.embed.copy_(r.tensor("token_embd.weight"))
    net.norm.copy_(r.tensor("output_norm.weight"))
    for i, b in enumerate(net.blocks):
        p = f"blk.{i}."
        b.attn_norm.copy_(r.tensor(p + "attn_norm.weight"))
        b.ffn_norm.copy_(r.tensor(p + "ffn_norm.weight"))
        for name, m in (("q", b.attn.q), ("k", b.attn.k), ("v", b.attn.v), ("output", b.attn.o)):
            m.weight.copy_(r.tensor(f"{p}attn_{name}.weight"))
        b.ffn.tier_head.copy_(r.tensor(p + "ffn_tier_inp.weight"))
        for j, t in enumerate(b.ffn.tiers):
            q = f"{p}tier.{j}."
            t.group_head.copy_(r.tensor(q + "ffn_group_inp.weight"))
            t.expert_head.copy_(r.tensor(q + "ffn_expert_inp.weight"))
            for name, w in (("gate", t.gate), ("up", t.up), ("down", t.down)):
                w.copy_(r.tensor(f"{q}ffn_{name}_exps.weight").transpose(1, 2))
    return net


def heads_of(net):
    """The tier's heads, by the names of their tensors."""
    return {
        f"blk.{i}.tier.{TIER}.ffn_{kind}_inp.weight": getattr(b.ffn.tiers[TIER], kind + "_head")
        for i, b in enumerate(net.blocks)
        for kind in ("group", "expert")
    }


def even(path, text, tokenizer):
    """Evens the shares in the file at path, on training chapters."""
    data = bytearray(path.read_bytes())
    r = Reader(data)
    net = load(r)
    if tokenizer.get_vocab_size() != net.c.vocab:
        raise SystemExit(f"{path} has another vocabulary")
    heads, stream = heads_of(net), vocabulary.stream(tokenizer, text)
    for p in net.parameters():
        p.requires_grad_(False)
    for p in heads.values():
        p.requires_grad_(True)
    optimizer = torch.optim.Adam(heads.values(), lr=RATE)
    for step in range(STEPS):
        random = torch.Generator().manual_seed(SEED * 1_000_003 + step)
        at = torch.randint(len(stream) - CONTEXT - 1, (BATCH,), generator=random)
        batch = torch.stack([stream[i : i + CONTEXT + 1] for i in at])
        logits, routing = net(batch[:, :-1], net.c.set(SET))
        ce = F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
        (ce + BALANCE * routing.balance).backward()
        optimizer.step()
        optimizer.zero_grad()
        print(f"evening step {step + 1}/{STEPS} loss {ce:.3f}", flush=True)
    for name, p in heads.items():
        at, raw = r.tensors[name][2], p.detach().numpy().astype("<f4").tobytes()
        data[at : at + len(raw)] = raw
    path.write_bytes(data)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("file", type=Path)
    p.add_argument("--tokenizer", type=Path, required=True, help="the vocabulary of the training run")
    a = p.parse_args()
    text, _ = corpus.split()
    even(a.file, text, vocabulary.trained(text, a.tokenizer))


if __name__ == "__main__":
    main()
