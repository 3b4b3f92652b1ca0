package model

// qwen2 is Qwen2 and Qwen2.5 (Yang et al., 2024): biases on queries, keys and
// values, rotary halves.
func qwen2(b *builder) {
	b.qwen2Layers(func(l *Layer, i int, p string) { l.FFN = b.network(i, p, b.uint("feed_forward_length")) })
}

// qwen2moe is Qwen1.5-MoE and Qwen2-57B-A14B: routed experts, whose weights
// are not normalised, beside a shared network under a gate of its own.
func qwen2moe(b *builder) {
	hidden := b.uint("expert_feed_forward_length")
	shared := b.uintOr("expert_shared_feed_forward_length", b.uintOr("feed_forward_length", 0))
	b.qwen2Layers(func(l *Layer, i int, p string) {
		moe := b.moe(i, p, b.uint("expert_count"), b.uint("expert_used_count"), hidden)
		moe.Shared = b.ffn(p, "ffn_%s_shexp", shared)
		gate := b.row(p+"ffn_gate_inp_shexp.weight", b.m.Dim)
		moe.SharedGate = &gate
		l.FFN = moe
	})
}

// qwen2Layers builds what both have; the biases come with the projections.
func (b *builder) qwen2Layers(ffn func(l *Layer, i int, p string)) {
	b.setRope(b.rotary(b.uintOr("rope.dimension_count", b.headDim()), false))
	b.layers(func(l *Layer, i int, p string) {
		l.AttnNorm = b.vector(p+"attn_norm.weight", b.m.Dim)
		l.Attn = b.gqa(p)
		l.FFNNorm = b.vector(p+"ffn_norm.weight", b.m.Dim)
		ffn(l, i, p)
	})
}
