package synth

// llamaKeys are those of Llama and Mixtral. The latter keeps the size of its
// experts under feed_forward_length.
func llamaKeys(m *Model) {
	gqaKeys(m)
	m.number("%.rope.dimension_count", m.headDim())
	if m.Experts > 0 {
		for i := range m.kvs {
			if m.kvs[i].Key == "llama.feed_forward_length" {
				m.kvs[i].Value = uint32(m.ExpertFF) //nolint:gosec // sizes are checked by Shape
			}
		}
	}
}

func llamaLayer(m *Model) {
	m.attention(false)
	m.norm("ffn_norm.weight", m.Dim)
	if m.Experts > 0 {
		m.experts()
		return
	}
	m.network("", m.FF)
}
