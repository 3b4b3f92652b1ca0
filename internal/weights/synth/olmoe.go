package synth

// olmoeKeys keep the size of the experts under feed_forward_length.
func olmoeKeys(m *Model) {
	m.FF = m.ExpertFF
	for i := range m.kvs {
		if m.kvs[i].Key == "olmoe.feed_forward_length" {
			m.kvs[i].Value = uint32(m.ExpertFF) //nolint:gosec // sizes are checked by Shape
		}
	}
	gqaKeys(m)
}

// olmoeLayer norms queries and keys as whole rows.
func olmoeLayer(m *Model) {
	m.attention(false)
	m.norm("attn_q_norm.weight", m.Heads*m.headDim())
	m.norm("attn_k_norm.weight", m.KVHeads*m.headDim())
	m.norm("ffn_norm.weight", m.Dim)
	m.experts()
}
