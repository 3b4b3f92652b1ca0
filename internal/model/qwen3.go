package model

// qwen3 is Qwen3 (Yang et al., 2025): each head of queries and keys is normed
// before the rotation, and there are no biases.
func qwen3(b *builder) {
	b.qwen3Layers(func(l *Layer, i int, p string) { l.FFN = b.network(i, p, b.uint("feed_forward_length")) })
}

// qwen3moe is Qwen3-30B-A3B and its kin: the chosen experts' weights are
// normalised, and there is no shared network.
func qwen3moe(b *builder) {
	b.qwen3Layers(func(l *Layer, i int, p string) {
		moe := b.moe(i, p, b.uint("expert_count"), b.uint("expert_used_count"), b.uint("expert_feed_forward_length"))
		moe.Config.Normalize = true
		l.FFN = moe
	})
}

func (b *builder) qwen3Layers(ffn func(l *Layer, i int, p string)) {
	b.setRope(b.rotary(b.uintOr("rope.dimension_count", b.headDim()), false))
	b.layers(func(l *Layer, i int, p string) {
		l.AttnNorm = b.vector(p+"attn_norm.weight", b.m.Dim)
		a := b.gqa(p)
		a.QNorm = b.vector(p+"attn_q_norm.weight", a.DK)
		a.KNorm = b.vector(p+"attn_k_norm.weight", a.DK)
		l.Attn = a
		l.FFNNorm = b.vector(p+"ffn_norm.weight", b.m.Dim)
		ffn(l, i, p)
	})
}
