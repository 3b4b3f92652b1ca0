"""Writes a small model of the native architecture in F32, with what PyTorch
computes with it, for the test that holds the Go engine to both (native_test.go).

    python3 train/reference.py

The model is random but for its seed. It has what `tiny` has and what `tiny`
does not: tiers of different numbers of groups and experts, sets with a hole
between their tiers, several groups of one tier in use.
"""

import argparse
import json
import tempfile
from pathlib import Path

import torch

import export
import model
import vocabulary

SEED, TOKENS = 1, 48
TEXT = "In the beginning God created the heaven and the earth."
# A choice that hangs on less than this might go the other way in another order
# of additions, and would prove nothing. The script refuses to write it.
LEAST_MARGIN = 1e-4


def config(vocab):
    tiers = (model.Tier("xs", 16, 2, 4), model.Tier("s", 24, 3, 2), model.Tier("l", 56, 2, 3))
    sets = (
        model.TierSet("fast", (0,), 1, 1, 2),
        model.TierSet("balanced", (0, 1), 2, 1, 2),
        model.TierSet("hole", (0, 2), 1, 2, 1),
        model.TierSet("wide", (1, 2), 2, 2, 2),
        model.TierSet("full", (0, 1, 2), 3, 2, 2),
    )
    return model.Config(vocab, 32, 2, 4, 2, 64, tiers, sets, "balanced", eps=1e-6, rope_base=5000.0)


class Margins:
    """Notes how far apart the last chosen and the first refused candidate are."""

    def __init__(self):
        self.least, level = float("inf"), model.HSER.level

        def noted(layer, logits, k, *rest):
            best = logits.sort(-1, descending=True).values
            if k < best.shape[-1]:
                self.least = min(self.least, (best[:, k - 1] - best[:, k]).min().item())
            return level(layer, logits, k, *rest)

        model.HSER.level = noted


def experts(c, layer, tokens):
    """The canonical indices that each token chose, ascending."""
    first, found = 0, [[] for _ in range(tokens)]
    for index, tier in enumerate(c.tiers):
        for rows, i, chosen in layer:
            if i == index:
                for row, expert in zip(rows.tolist(), chosen.tolist()):
                    found[row].append(first + expert)
        first += tier.groups * tier.experts
    return [sorted(f) for f in found]


@torch.no_grad()
def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "testdata/native")
    a = p.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    with tempfile.TemporaryDirectory() as d:
        tokenizer = vocabulary.trained([TEXT], Path(d) / "tokenizer.json", size=269)
    net = model.Model(config(tokenizer.get_vocab_size()))
    for name, parameter in net.named_parameters():
        if "norm" in name:  # all ones at first: a norm that is left out would not show
            parameter.add_(0.2 * torch.randn_like(parameter))
    tokens = torch.randint(net.c.vocab, (1, TOKENS))
    margins, sets, logits = Margins(), [], []
    for s in net.c.sets:
        y, routing = net(tokens, s)
        logits.append(y[0])
        sets.append({"name": s.name, "experts": [experts(net.c, layer, TOKENS) for layer in routing.chosen]})
    if margins.least < LEAST_MARGIN:
        raise SystemExit(f"a choice hangs on {margins.least:.1e}: take another seed")
    a.out.mkdir(parents=True, exist_ok=True)
    export.write(net, tokenizer, a.out / "reference.gguf", name="reference", trunk="F32", experts=lambda _: "F32")
    (a.out / "logits.f32").write_bytes(torch.stack(logits).numpy().astype("<f4").tobytes())
    text = json.dumps({"vocabulary": net.c.vocab, "least_margin": margins.least, "tokens": tokens[0].tolist(), "sets": sets})
    (a.out / "reference.json").write_text(text + "\n")
    print(f"wrote {a.out}: {sum(q.numel() for q in net.parameters())} parameters, {len(sets)} sets, least margin {margins.least:.1e}")


if __name__ == "__main__":
    main()
