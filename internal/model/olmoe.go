package model

// olmoe is OLMoE (Muennighoff et al., 2024): queries and keys are normed as
// whole rows, and the weights of the chosen experts are not normalised.
func olmoe(b *builder) {
	b.setRope(b.rotary(b.uintOr("rope.dimension_count", b.headDim()), false))
	hidden := b.uintOr("expert_feed_forward_length", b.uintOr("feed_forward_length", 0))
	b.layers(func(l *Layer, i int, p string) {
		l.AttnNorm = b.vector(p+"attn_norm.weight", b.m.Dim)
		a := b.gqa(p)
		a.QNorm = b.vector(p+"attn_q_norm.weight", a.Heads*a.DK)
		a.KNorm = b.vector(p+"attn_k_norm.weight", a.KVHeads*a.DK)
		l.Attn = a
		l.FFNNorm = b.vector(p+"ffn_norm.weight", b.m.Dim)
		l.FFN = b.moe(i, p, b.uint("expert_count"), b.uint("expert_used_count"), hidden)
	})
}
