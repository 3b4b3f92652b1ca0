"""The native architecture of Lite: a decoder whose feed-forward layers route
through tiers, groups and experts (docs/format/native.md)."""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Tier:
    name: str
    ff: int  # hidden size of each expert
    groups: int
    experts: int  # per group


@dataclass(frozen=True)
class TierSet:
    name: str
    tiers: tuple  # indices
    k_tier: int
    k_group: int
    k_expert: int


@dataclass(frozen=True)
class Config:
    vocab: int
    dim: int
    layers: int
    heads: int
    kv_heads: int
    context: int
    tiers: tuple
    sets: tuple
    default_set: str
    eps: float = 1e-5
    rope_base: float = 10000.0

    @property
    def head_dim(self):
        return self.dim // self.heads

    def set(self, name):
        return next(s for s in self.sets if s.name == name)


def tiny(vocab):
    tiers = tuple(Tier(n, ff, 2, 4) for n, ff in (("xs", 32), ("s", 64), ("m", 128), ("l", 256)))
    sets = (
        TierSet("fast", (0,), 1, 1, 2),
        TierSet("balanced", (0, 1, 2), 2, 1, 2),
        TierSet("full", (0, 1, 2, 3), 3, 1, 2),
    )
    return Config(vocab, 192, 6, 6, 3, 1024, tiers, sets, "full")


@dataclass
class Routing:
    """What a forward pass says about its routing."""

    balance: torch.Tensor = 0.0  # sum of the balance losses of all levels
    z: torch.Tensor = 0.0  # sum of the squared log-partition functions
    chosen: list = field(default_factory=list)  # per layer: (rows, tiers, groups, experts)
    levels: int = 0


def norm(x, weight, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


def rotate(x, cos, sin):
    """Rotary positions, halves convention: value i pairs with i + dim/2."""
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        kv = c.kv_heads * c.head_dim
        self.q, self.k, self.v, self.o = (nn.Linear(c.dim, n, bias=False) for n in (c.dim, kv, kv, c.dim))

    def forward(self, x, cos, sin):
        c, (b, t, _) = self.c, x.shape
        heads = lambda y, n: y.view(b, t, n, c.head_dim).transpose(1, 2)
        q = rotate(heads(self.q(x), c.heads), cos, sin)
        k = rotate(heads(self.k(x), c.kv_heads), cos, sin)
        v = heads(self.v(x), c.kv_heads)
        k, v = (y.repeat_interleave(c.heads // c.kv_heads, 1) for y in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o(y.transpose(1, 2).reshape(b, t, c.dim))


class TierExperts(nn.Module):
    """One tier of a layer: its group head, its expert heads and its experts."""

    def __init__(self, c, tier):
        super().__init__()
        n = tier.groups * tier.experts
        self.tier = tier
        self.group_head = nn.Parameter(torch.randn(tier.groups, c.dim) * c.dim**-0.5)
        self.expert_head = nn.Parameter(torch.randn(n, c.dim) * c.dim**-0.5)
        self.gate = nn.Parameter(torch.randn(n, c.dim, tier.ff) * c.dim**-0.5)
        self.up = nn.Parameter(torch.randn(n, c.dim, tier.ff) * c.dim**-0.5)
        self.down = nn.Parameter(torch.randn(n, tier.ff, c.dim) * tier.ff**-0.5 * 0.3)

    def apply_experts(self, x, rows, expert, weight, out):
        """Adds weight * expert(x[rows]) to out[rows], all experts in one batch
        padded to the busiest of them."""
        n = self.gate.shape[0]
        order = torch.argsort(expert, stable=True)
        counts = torch.bincount(expert, minlength=n)
        starts = torch.cumsum(counts, 0) - counts
        sorted_expert = expert[order]
        column = torch.arange(len(order)) - starts[sorted_expert]
        padded = torch.zeros(n, int(counts.max()), dtype=torch.long)
        mask = torch.zeros(n, int(counts.max()))
        padded[sorted_expert, column] = rows[order]
        mask = mask.index_put((sorted_expert, column), weight[order])
        xs = x[padded.view(-1)].view(n, -1, x.shape[-1])
        hidden = F.silu(torch.bmm(xs, self.gate)) * torch.bmm(xs, self.up)
        ys = torch.bmm(hidden, self.down) * mask.unsqueeze(-1)
        return out.index_add(0, padded.view(-1), ys.view(-1, x.shape[-1]))


class HSER(nn.Module):
    """Hierarchical sparse expert routing: tier, then group, then expert."""

    def __init__(self, c):
        super().__init__()
        self.tier_head = nn.Parameter(torch.randn(len(c.tiers), c.dim) * c.dim**-0.5)
        self.tiers = nn.ModuleList(TierExperts(c, t) for t in c.tiers)

    def forward(self, x, s, routing, random=None):
        shape, x = x.shape, x.reshape(-1, x.shape[-1])
        p, chosen = self.level(x @ self.tier_head[list(s.tiers)].T, s.k_tier, routing, random)
        parts = []
        for i, index in enumerate(s.tiers):
            rows, which = (chosen == i).nonzero(as_tuple=True)
            if len(rows):
                parts += self.tier(x, rows, index, p[rows, which], s, routing, random)
        total = torch.zeros(x.shape[0]).index_add(0, torch.cat([a[0] for a in parts]), torch.cat([a[2] for a in parts]))
        out = torch.zeros_like(x)
        for rows, expert, weight, index in parts:
            out = self.tiers[index].apply_experts(x, rows, expert, weight / total[rows], out)
        routing.chosen.append([(rows, index, expert) for rows, expert, _, index in parts])
        return out.view(shape)

    def tier(self, x, rows, index, p_tier, s, routing, random):
        """Routes the rows that chose a tier; returns (rows, expert, weight, tier)."""
        t, xs = self.tiers[index], x[rows]
        p_group, groups = self.level(xs @ t.group_head.T, s.k_group, routing, random)
        scores = (xs @ t.expert_head.T).view(len(rows), t.tier.groups, t.tier.experts)
        found = []
        for j in range(s.k_group):
            g = groups[:, j]
            mine = scores[torch.arange(len(rows)), g]
            p_expert, experts = self.level(mine, s.k_expert, routing, random)
            weight = (p_tier * p_group[:, j]).unsqueeze(1) * p_expert
            expert = g.unsqueeze(1) * t.tier.experts + experts
            found.append((rows.repeat_interleave(s.k_expert), expert.reshape(-1), weight.reshape(-1), index))
        return found

    def level(self, logits, k, routing, random):
        """Softmax and top k of one level, with its balance and z losses."""
        p = logits.softmax(-1)
        order = logits if random is None else torch.rand(logits.shape, generator=random)
        chosen = torch.topk(order, k, -1).indices
        n = logits.shape[-1]
        if n > 1:
            share = F.one_hot(chosen, n).float().sum(1).mean(0) / k
            routing.balance = routing.balance + n * (share * p.mean(0)).sum()
            routing.z = routing.z + logits.logsumexp(-1).pow(2).mean()
            routing.levels += 1
        return p.gather(1, chosen), chosen


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.attn_norm, self.ffn_norm = nn.Parameter(torch.ones(c.dim)), nn.Parameter(torch.ones(c.dim))
        self.attn, self.ffn = Attention(c), HSER(c)


class Model(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.embed = nn.Parameter(torch.randn(c.vocab, c.dim) * 0.05)
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.layers))
        self.norm = nn.Parameter(torch.ones(c.dim))

    def forward(self, tokens, tier_set, dropout=0.0, random=None):
        """Returns (logits, routing). A generator for random replaces every
        choice by a random one, for the cost of random routing."""
        c, routing = self.c, Routing()
        half = c.head_dim // 2
        angle = torch.arange(tokens.shape[1]).outer(c.rope_base ** (-torch.arange(half) / half))
        cos, sin = angle.cos(), angle.sin()
        x = F.embedding(tokens, self.embed)
        for b in self.blocks:
            x = x + F.dropout(b.attn(norm(x, b.attn_norm, c.eps), cos, sin), dropout)
            x = x + F.dropout(b.ffn(norm(x, b.ffn_norm, c.eps), tier_set, routing, random), dropout)
        return norm(x, self.norm, c.eps) @ self.embed.T, routing
