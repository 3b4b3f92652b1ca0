"""Trains `tiny` and writes its GGUF file. See README.md.

Resumable: the state is checkpointed, and every step's batch depends on the
seed and the step alone, so that a resumed run equals one that never stopped.
"""

import argparse
import math
import os
import time
from pathlib import Path

import torch
import torch.nn.functional as F

import corpus
import even
import export
import model
import vocabulary

CONTEXT, BATCH = 256, 16
LEARNING_RATE, WARMUP, FINAL = 3e-3, 100, 0.05
Z = 0.001
# (last step, weight of the balance loss at each level): each phase goes on from
# the one before under a schedule of its own length. The second one, with twice
# the balance loss, evens the shares of the experts.
PHASES = "1900:0.01,2900:0.02"


def default_workdir():
    return Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "lite-train"


def arguments():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--phases", type=phases, default=PHASES, metavar="STEP:BALANCE,…", help=f"last step ({BATCH * CONTEXT} tokens each) and weight of the balance loss of each phase (default: {PHASES})")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--dropout", type=float, default=0.1)
    p.add_argument("--workdir", type=Path, default=default_workdir(), help="checkpoints and tokenizer")
    p.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "internal/tiny/tiny.gguf")
    return p.parse_args()


def phases(text):
    found = [(int(steps), float(balance)) for steps, balance in (part.split(":") for part in text.split(","))]
    if [s for s, _ in found] != sorted({s for s, _ in found}):
        raise ValueError("phases must end later and later")
    return found


def learning_rate(step, steps):
    if step < WARMUP:
        return LEARNING_RATE * (step + 1) / WARMUP
    done = (step - WARMUP) / max(1, steps - WARMUP)
    return LEARNING_RATE * (FINAL + (1 - FINAL) * 0.5 * (1 + math.cos(math.pi * done)))


def draw_set(config, step, steps, random):
    """`full` three quarters of the time in the first half, then half."""
    full = 0.75 if step < steps / 2 else 0.5
    u = torch.rand((), generator=random).item()
    if u < full:
        return config.set("full")
    return config.set("balanced" if u < (1 + full) / 2 else "fast")


def loss_of(net, x, y, tier_set, dropout, balance):
    logits, routing = net(x, tier_set, dropout)
    ce = F.cross_entropy(logits.flatten(0, 1), y.flatten())
    loss = ce
    if tier_set.name != net.c.default_set:
        with torch.no_grad():
            teacher = net(x, net.c.set(net.c.default_set))[0].log_softmax(-1)
        student = logits.log_softmax(-1)
        kl = F.kl_div(student, teacher, log_target=True, reduction="none").sum(-1).mean()
        loss = 0.5 * ce + 0.5 * kl
    return loss + balance * routing.balance + Z * routing.z, ce


def optimizer_of(net):
    decay = [p for n, p in net.named_parameters() if p.dim() > 1 and "head" not in n]
    rest = [p for n, p in net.named_parameters() if p.dim() <= 1 or "head" in n]
    groups = [{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.95), foreach=True)


def save(path, **state):
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


@torch.no_grad()
def report(net, held, step):
    """Prints perplexity and the least share of an expert, per set."""
    x, y = held[:, :-1], held[:, 1:]
    for s in net.c.sets:
        logits, routing = net(x, s)
        ppl = F.cross_entropy(logits.flatten(0, 1), y.flatten()).exp()
        print(f"step {step} {s.name}: held-out perplexity {ppl:.3f}, least share {least_share(net.c, routing):.2f}", flush=True)


def least_share(config, routing):
    """The least share of an expert in its tier and layer; 1 is its fair one."""
    least = math.inf
    for layer in routing.chosen:
        for index, tier in enumerate(config.tiers):
            picks = [expert for _, i, expert in layer if i == index]
            if picks:
                n = tier.groups * tier.experts
                counts = torch.bincount(torch.cat(picks), minlength=n).float()
                least = min(least, (counts.min() / counts.sum() * n).item())
    return least


def main():
    a = arguments()
    a.workdir.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(a.seed)
    train, held = corpus.split()
    tokenizer = vocabulary.trained(train, a.workdir / "tokenizer.json")
    data, test = vocabulary.stream(tokenizer, train), vocabulary.stream(tokenizer, held)
    held = test[: 32 * (CONTEXT + 1)].view(32, CONTEXT + 1)
    net = model.Model(model.tiny(tokenizer.get_vocab_size()))
    optimizer, first = optimizer_of(net), 0
    checkpoint = a.workdir / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint)
        net.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    print(f"{len(data)} tokens to train on, {len(test)} held out, {sum(p.numel() for p in net.parameters())} parameters")

    began, start = time.monotonic(), first
    for steps, balance in a.phases:
        for step in range(first, steps):
            random = torch.Generator().manual_seed(a.seed * 1_000_003 + step)
            torch.manual_seed(a.seed * 1_000_003 + step)
            at = torch.randint(len(data) - CONTEXT - 1, (BATCH,), generator=random)
            batch = torch.stack([data[i : i + CONTEXT + 1] for i in at])
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, steps)
            loss, ce = loss_of(net, batch[:, :-1], batch[:, 1:], draw_set(net.c, step, steps, random), a.dropout, balance)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            if step % 20 == 0:
                rate = (step + 1 - start) * BATCH * CONTEXT / (time.monotonic() - began)
                print(f"step {step}/{steps} loss {ce:.3f} {rate:.0f} tokens/s", flush=True)
            if step % 200 == 199 or step == steps - 1:
                save(checkpoint, model=net.state_dict(), optimizer=optimizer.state_dict(), step=step + 1)
                report(net, held, step + 1)
        first = max(first, steps)
    export.write(net, tokenizer, a.out)
    even.even(a.out, train, tokenizer)
    print(f"wrote {a.out}")


if __name__ == "__main__":
    main()
