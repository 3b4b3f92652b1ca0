"""Prints what `tiny` must satisfy, from a checkpoint: perplexity per tier set on
the held-out chapters with its standard error, the least share of an expert, and
the cost of random routing. The acceptance of the quantised file is `lite eval`."""

import argparse
import math
from pathlib import Path

import torch
import torch.nn.functional as F

import corpus
import model
import train
import vocabulary


@torch.no_grad()
def losses(net, data, tier_set, random=None):
    """Cross-entropy of each window's second half, and the routing of all."""
    found, routing = [], [[] for _ in range(net.c.layers)]
    for windows in data.split(16):
        logits, r = net(windows[:, :-1], tier_set, random=random)
        half = windows.shape[1] // 2
        ce = F.cross_entropy(logits[:, half:].flatten(0, 1), windows[:, half + 1 :].flatten(), reduction="none")
        found.append(ce.view(len(windows), -1))
        for layer, chosen in zip(routing, r.chosen):
            layer += chosen
    return torch.cat(found), model.Routing(chosen=routing)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--workdir", type=Path, default=train.default_workdir())
    p.add_argument("--write", type=Path, help="write the held-out text to this file and stop")
    a = p.parse_args()
    _, held = corpus.split()
    if a.write:
        a.write.write_text("\n".join(held))
        return
    tokenizer = vocabulary.trained([], a.workdir / "tokenizer.json")
    net = model.Model(model.tiny(tokenizer.get_vocab_size()))
    net.load_state_dict(torch.load(a.workdir / "checkpoint.pt")["model"])
    stream = vocabulary.stream(tokenizer, held)
    n = train.CONTEXT + 1
    data = stream[: len(stream) // n * n].view(-1, n)
    for s in net.c.sets:
        ce, routing = losses(net, data, s)
        mean, error = ce.mean().item(), ce.mean(1).std().item() / math.sqrt(len(ce))
        print(f"{s.name}: perplexity {math.exp(mean):.3f} ± {math.exp(mean) * error:.3f}, least share {train.least_share(net.c, routing):.2f}")
    ce, _ = losses(net, data, net.c.set(net.c.default_set), torch.Generator().manual_seed(1))
    print(f"random routing: perplexity {ce.mean().exp():.3f}")


if __name__ == "__main__":
    main()
