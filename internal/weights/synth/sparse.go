package synth

import (
	"fmt"

	"github.com/lite-llm/lite/internal/quant"
)

// sparseKeys are those of a Llama whose networks have been cut into experts
// (docs/format/sparse.md): a core and the rest, and a set of each kind.
func sparseKeys(m *Model) {
	m.number("llama.attention.head_count_kv", m.KVHeads)
	m.number("llama.rope.dimension_count", m.headDim())
	m.set("%.base_architecture", "llama")
	m.number("%.expert_feed_forward_length", m.FF/m.Experts)
	m.set("%.tier.names", []string{"core", "rest"})
	m.set("%.tier.expert_count", []uint32{1, uint32(m.Experts - 1)}) //nolint:gosec // sizes are checked by Shape
	m.set("%.tier_set.names", []string{"core", "fast", "full"})
	m.set("%.tier_set.tiers", []string{"core", "core,rest", "core,rest"})
	m.set("%.tier_set.expert_used_count", []uint32{1, uint32(m.ExpertsUsed), uint32(m.Experts)}) //nolint:gosec // as above
	m.set("%.tier_set.default", "full")
}

// sparseLayer has a router with biases, and each tier's experts.
func sparseLayer(m *Model) {
	m.attention(false)
	m.norm("ffn_norm.weight", m.Dim)
	m.head("ffn_gate_inp.weight", m.Experts)
	m.add("exp_probs_b.bias", quant.F32, 0, 0.1, m.Experts)
	for t, experts := range []int{1, m.Experts - 1} {
		m.stack(fmt.Sprintf("tier.%d.", t), m.FF/m.Experts, experts)
	}
}
