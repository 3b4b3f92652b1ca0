package synth

// The values of expert_gating_func.
const (
	gatingSoftmax = 1
	gatingSigmoid = 2
)

// deepseekKeys describe latent attention as llama.cpp does: one key head of the
// latent and the rotated part, and the sizes of a head before absorption under
// names that end in _mla.
func deepseekKeys(m *Model) {
	m.number("%.attention.head_count_kv", 1)
	m.number("%.attention.key_length", m.KVLora+m.Rot)
	m.number("%.attention.value_length", m.KVLora)
	m.number("%.attention.key_length_mla", m.Nope+m.Rot)
	m.number("%.attention.value_length_mla", m.ValueDim)
	if m.QLora > 0 {
		m.number("%.attention.q_lora_rank", m.QLora)
	}
	m.number("%.attention.kv_lora_rank", m.KVLora)
	m.number("%.rope.dimension_count", m.Rot)
	m.number("%.leading_dense_block_count", m.DenseLayers)
	m.number("%.expert_count", m.Experts)
	m.number("%.expert_used_count", m.ExpertsUsed)
	m.number("%.expert_feed_forward_length", m.ExpertFF)
	m.number("%.expert_shared_count", m.SharedExperts)
	m.float("%.expert_weights_scale", m.WeightsScale)
	m.set("%.expert_weights_norm", m.NormalizeWeights)
	gating := gatingSoftmax
	if m.Sigmoid {
		gating = gatingSigmoid
	}
	m.number("%.expert_gating_func", gating)
	if m.ExpertGroups > 1 {
		m.number("%.expert_group_count", m.ExpertGroups)
		m.number("%.expert_group_used_count", m.GroupsUsed)
	}
	if m.YarnFactor > 0 {
		m.set("%.rope.scaling.type", "yarn")
		m.float("%.rope.scaling.factor", m.YarnFactor)
		m.number("%.rope.scaling.original_context_length", m.YarnContext)
		m.float("%.rope.scaling.yarn_log_multiplier", m.YarnLog)
	}
}

func deepseekLayer(m *Model) {
	m.latentAttention()
	m.norm("ffn_norm.weight", m.Dim)
	if m.layer < m.DenseLayers {
		m.network("", m.FF)
		return
	}
	m.experts()
	if m.Sigmoid {
		m.bias("exp_probs_b.bias", 0.1, m.Experts)
	}
	if m.SharedExperts > 0 {
		m.network("_shexp", m.SharedExperts*m.ExpertFF)
	}
}

func (m *Model) latentAttention() {
	queries := m.Heads * (m.Nope + m.Rot)
	m.norm("attn_norm.weight", m.Dim)
	if m.QLora > 0 {
		m.matrix("attn_q_a.weight", 1, m.Dim, m.QLora)
		m.norm("attn_q_a_norm.weight", m.QLora)
		m.matrix("attn_q_b.weight", 1, m.QLora, queries)
	} else {
		m.matrix("attn_q.weight", 1, m.Dim, queries)
	}
	m.matrix("attn_kv_a_mqa.weight", 1, m.Dim, m.KVLora+m.Rot)
	m.norm("attn_kv_a_norm.weight", m.KVLora)
	m.matrix("attn_k_b.weight", 1, m.Nope, m.KVLora, m.Heads)
	m.matrix("attn_v_b.weight", 1, m.KVLora, m.ValueDim, m.Heads)
	m.matrix("attn_output.weight", 1, m.Heads*m.ValueDim, m.Dim)
}
