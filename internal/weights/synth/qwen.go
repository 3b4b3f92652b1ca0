package synth

import (
	"math"

	"github.com/lite-llm/lite/internal/quant"
)

func qwen2moeKeys(m *Model) {
	gqaKeys(m)
	m.number("%.expert_feed_forward_length", m.ExpertFF)
	m.number("%.expert_shared_feed_forward_length", m.SharedFF)
}

// qwen2Layer is a layer of Qwen2, or of Qwen2-MoE with its shared network under
// a gate of its own.
func qwen2Layer(m *Model) {
	m.attention(true)
	m.norm("ffn_norm.weight", m.Dim)
	if m.Experts == 0 {
		m.network("", m.FF)
		return
	}
	m.experts()
	m.add("ffn_gate_inp_shexp.weight", quant.F32, 0, 1/math.Sqrt(float64(m.Dim)), m.Dim)
	m.network("_shexp", m.SharedFF)
}

func qwen3Keys(m *Model) {
	gqaKeys(m)
	if m.Experts > 0 {
		m.number("%.expert_feed_forward_length", m.ExpertFF)
	}
}

// qwen3Layer is a layer of Qwen3, dense or with experts: each head of queries
// and keys is normed.
func qwen3Layer(m *Model) {
	m.attention(false)
	m.norm("attn_q_norm.weight", m.headDim())
	m.norm("attn_k_norm.weight", m.headDim())
	m.norm("ffn_norm.weight", m.Dim)
	if m.Experts > 0 {
		m.experts()
		return
	}
	m.network("", m.FF)
}
