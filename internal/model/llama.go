package model

// llama is Llama (Touvron et al., 2023) and what shares its shape, such as
// SmolLM2 and Mistral; with experts it is Mixtral (Jiang et al., 2024): the
// softmax runs over all experts' scores and the chosen weights are normalised.
// Rotary pairs are interleaved.
func llama(b *builder) {
	b.setRope(b.rotary(b.uintOr("rope.dimension_count", b.headDim()), true))
	experts, hidden := b.uintOr("expert_count", 0), b.uint("feed_forward_length")
	b.layers(func(l *Layer, i int, p string) {
		l.AttnNorm = b.vector(p+"attn_norm.weight", b.m.Dim)
		l.Attn = b.gqa(p)
		l.FFNNorm = b.vector(p+"ffn_norm.weight", b.m.Dim)
		if experts == 0 {
			l.FFN = b.network(i, p, hidden)
			return
		}
		moe := b.moe(i, p, experts, b.uint("expert_used_count"), hidden)
		moe.Config.Normalize = true
		l.FFN = moe
	})
}
