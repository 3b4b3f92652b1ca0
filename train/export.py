"""Writes a model in the native format (docs/format/native.md)."""

import json

from gguf import ARRAY, BOOL, F32, I32, STRING, U32, U64, Writer

import vocabulary


def experts_kind(tier):
    """The two larger tiers, nine tenths of the experts' bytes, take five bits."""
    return "Q5_0" if tier.ff >= 128 else "Q8_0"


def write(net, tokenizer, path, name="tiny", trunk="Q8_0", experts=experts_kind):
    w = Writer()
    metadata(w, net.c, name)
    tokens(w, tokenizer)
    tensors(w, net, trunk, experts)
    w.write(path)


def metadata(w, c, name):
    w.add("general.architecture", STRING, "lite")
    w.add("general.name", STRING, name)
    w.add("general.license", STRING, "apache-2.0")
    w.add("general.quantization_version", U32, 2)
    for key, v in {
        "block_count": c.layers, "context_length": c.context, "embedding_length": c.dim, "vocab_size": c.vocab,
        "attention.head_count": c.heads, "attention.head_count_kv": c.kv_heads,
        "attention.key_length": c.head_dim, "attention.value_length": c.head_dim,
        "rope.dimension_count": c.head_dim,
    }.items():  # fmt: skip
        w.add("lite." + key, U32, v)
    w.add("lite.attention.layer_norm_rms_epsilon", F32, c.eps)
    w.add("lite.rope.freq_base", F32, c.rope_base)
    w.add("lite.tier.names", (ARRAY, STRING), [t.name for t in c.tiers])
    w.add("lite.tier.feed_forward_length", (ARRAY, U32), [t.ff for t in c.tiers])
    w.add("lite.tier.group_count", (ARRAY, U32), [t.groups for t in c.tiers])
    w.add("lite.tier.expert_count", (ARRAY, U32), [t.experts for t in c.tiers])
    w.add("lite.routing.mode", STRING, "nested")
    w.add("lite.routing.score", STRING, "softmax")
    w.add("lite.routing.normalize", BOOL, True)
    w.add("lite.routing.seed", U64, 0)
    w.add("lite.tier_set.names", (ARRAY, STRING), [s.name for s in c.sets])
    w.add("lite.tier_set.tiers", (ARRAY, STRING), [",".join(c.tiers[i].name for i in s.tiers) for s in c.sets])
    w.add("lite.tier_set.tier_used_count", (ARRAY, U32), [s.k_tier for s in c.sets])
    w.add("lite.tier_set.group_used_count", (ARRAY, U32), [s.k_group for s in c.sets])
    w.add("lite.tier_set.expert_used_count", (ARRAY, U32), [s.k_expert for s in c.sets])
    w.add("lite.tier_set.default", STRING, c.default_set)


def tokens(w, tokenizer):
    state = json.loads(tokenizer.to_str())["model"]
    vocab = sorted(state["vocab"], key=state["vocab"].get)
    end = tokenizer.token_to_id(vocabulary.END)
    w.add("tokenizer.ggml.model", STRING, "gpt2")
    w.add("tokenizer.ggml.pre", STRING, "gpt-2")
    w.add("tokenizer.ggml.tokens", (ARRAY, STRING), vocab)
    w.add("tokenizer.ggml.token_type", (ARRAY, I32), [3 if i == end else 1 for i in range(len(vocab))])
    w.add("tokenizer.ggml.merges", (ARRAY, STRING), [m if isinstance(m, str) else " ".join(m) for m in state["merges"]])
    w.add("tokenizer.ggml.bos_token_id", U32, end)
    w.add("tokenizer.ggml.eos_token_id", U32, end)
    w.add("tokenizer.ggml.add_bos_token", BOOL, True)


def tensors(w, net, trunk, experts):
    value = lambda p: p.detach().numpy()
    w.tensor("token_embd.weight", value(net.embed), trunk)
    w.tensor("output_norm.weight", value(net.norm), "F32")
    for i, b in enumerate(net.blocks):
        p = f"blk.{i}."
        w.tensor(p + "attn_norm.weight", value(b.attn_norm), "F32")
        for name, m in (("q", b.attn.q), ("k", b.attn.k), ("v", b.attn.v), ("output", b.attn.o)):
            w.tensor(f"{p}attn_{name}.weight", value(m.weight), trunk)
        w.tensor(p + "ffn_norm.weight", value(b.ffn_norm), "F32")
        w.tensor(p + "ffn_tier_inp.weight", value(b.ffn.tier_head), "F32")
        for j, t in enumerate(b.ffn.tiers):
            q = f"{p}tier.{j}."
            w.tensor(q + "ffn_group_inp.weight", value(t.group_head), "F32")
            w.tensor(q + "ffn_expert_inp.weight", value(t.expert_head), "F32")
            for name, m in (("gate", t.gate), ("up", t.up), ("down", t.down)):
                # Here a product is x @ W; in the file a row is an output.
                w.tensor(f"{q}ffn_{name}_exps.weight", value(m).transpose(0, 2, 1), experts(t.tier))
