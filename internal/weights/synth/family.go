package synth

import "fmt"

// family says how the models of one family are described: the names of keys and
// tensors are those that llama.cpp reads, and of "lite" those of
// docs/format/native.md.
type family struct {
	arch           string // general.architecture
	base           string // what most keys begin with, where it is not arch
	tokenizer, pre string // tokenizer.ggml.model and .pre
	keys           func(m *Model)
	layer          func(m *Model)
}

// families by the value of --family.
var families map[string]family

func init() { //nolint:gochecknoinits // the functions of the map refer to Shape's checks, which refer to the map
	families = map[string]family{
		"llama":     {"llama", "", "llama", "default", llamaKeys, llamaLayer},
		"mixtral":   {"llama", "", "llama", "default", llamaKeys, llamaLayer},
		"olmoe":     {"olmoe", "", "gpt2", "olmo", olmoeKeys, olmoeLayer},
		"qwen2":     {"qwen2", "", "gpt2", "qwen2", gqaKeys, qwen2Layer},
		"qwen2moe":  {"qwen2moe", "", "gpt2", "qwen2", qwen2moeKeys, qwen2Layer},
		"qwen3":     {"qwen3", "", "gpt2", "qwen2", qwen3Keys, qwen3Layer},
		"qwen3moe":  {"qwen3moe", "", "gpt2", "qwen2", qwen3Keys, qwen3Layer},
		"deepseek2": {"deepseek2", "", "gpt2", "deepseek-v3", deepseekKeys, deepseekLayer},
		"sparse":    {"lite-sparse", "llama", "llama", "default", sparseKeys, sparseLayer},
		"lite":      {"lite", "", "gpt2", "gpt-2", nativeKeys, nativeLayer},
	}
}

// gqaKeys adds what grouped-query attention needs beyond the common keys, and
// the counts of experts if there are any.
func gqaKeys(m *Model) {
	m.number("%.attention.head_count_kv", m.KVHeads)
	if m.HeadDim > 0 {
		m.number("%.attention.key_length", m.HeadDim)
		m.number("%.attention.value_length", m.HeadDim)
	}
	if m.Experts > 0 {
		m.number("%.expert_count", m.Experts)
		m.number("%.expert_used_count", m.ExpertsUsed)
	}
}

// attention describes the norm and the four matrices of grouped-query attention,
// with biases on the first three if wanted.
func (m *Model) attention(biased bool) {
	q, kv := m.Heads*m.headDim(), m.KVHeads*m.headDim()
	m.norm("attn_norm.weight", m.Dim)
	for _, part := range []struct {
		name string
		rows int
	}{{"attn_q", q}, {"attn_k", kv}, {"attn_v", kv}} {
		m.matrix(part.name+".weight", 1, m.Dim, part.rows)
		if biased {
			m.bias(part.name+".bias", 0.3, part.rows)
		}
	}
	m.matrix("attn_output.weight", 1, q, m.Dim)
}

// network describes a gated network: kind is "" for a dense one, "_shexp" for a
// shared one.
func (m *Model) network(kind string, hidden int) {
	m.matrix(fmt.Sprintf("ffn_gate%s.weight", kind), 1.5, m.Dim, hidden)
	m.matrix(fmt.Sprintf("ffn_up%s.weight", kind), 1.5, m.Dim, hidden)
	m.matrix(fmt.Sprintf("ffn_down%s.weight", kind), 1.5, hidden, m.Dim)
}

// stack describes the experts of a layer, or of a tier of it by its prefix.
func (m *Model) stack(prefix string, hidden, experts int) {
	m.matrix(prefix+"ffn_gate_exps.weight", 1.5, m.Dim, hidden, experts)
	m.matrix(prefix+"ffn_up_exps.weight", 1.5, m.Dim, hidden, experts)
	m.matrix(prefix+"ffn_down_exps.weight", 1.5, hidden, m.Dim, experts)
}

// experts describes a routing head and the experts behind it.
func (m *Model) experts() {
	m.head("ffn_gate_inp.weight", m.Experts)
	m.stack("", m.ExpertFF, m.Experts)
}
