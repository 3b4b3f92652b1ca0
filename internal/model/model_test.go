package model_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/model/block"
	"github.com/lite-llm/lite/internal/quant"
	"github.com/lite-llm/lite/internal/weights"
	"github.com/lite-llm/lite/internal/weights/gguf"
	"github.com/lite-llm/lite/internal/weights/synth"
)

// TestFamilies builds every family, and holds that each of the file's tensors is
// used exactly once: in the trunk, or as a slab of experts.
func TestFamilies(t *testing.T) {
	each(t, func(t *testing.T, fresh func() *described) {
		d := fresh()
		m, err := d.build(t)
		require.NoError(t, err)
		require.Equal(t, 64, m.Dim)
		require.Equal(t, 512, m.Vocab)
		require.Equal(t, 512, m.Context)
		require.Contains(t, m.Name, "random")
		var used []string
		for _, x := range m.Trunk {
			used = append(used, x.Name)
			info := d.tensors[x.Name]
			size, err := info.Bytes()
			require.NoError(t, err)
			require.Equal(t, size, x.Bytes, x.Name)
			require.Equal(t, info.Type, x.Type, x.Name)
		}
		for _, pools := range m.Experts {
			for _, p := range pools {
				if p.Groups > 0 {
					for n, s := range map[int]model.SlabTensor{1: p.GroupHead, p.Groups: p.ExpertHead} {
						used = append(used, s.Name)
						info := d.tensors[s.Name]
						size, err := info.Bytes()
						require.NoError(t, err)
						require.Equal(t, size, s.Size*int64(n), s.Name)
					}
				}
				for _, s := range p.Slabs {
					used = append(used, s.Name)
					info := d.tensors[s.Name]
					size, err := info.Bytes()
					require.NoError(t, err)
					require.Equal(t, size, s.Size*int64(p.Count), s.Name)
				}
			}
		}
		require.ElementsMatch(t, d.order, used)
		require.Len(t, m.KVShapes(), len(m.Layers))
		require.Positive(t, m.Scratch(1, 1))
		require.Greater(t, m.Scratch(64, 2), m.Scratch(8, 1))
	})
}

// optionalTensor says whether a family does without a tensor.
func optionalTensor(name string) bool {
	return name == "output.weight" || strings.HasSuffix(name, ".bias")
}

// TestMissingTensor takes every tensor away in turn.
func TestMissingTensor(t *testing.T) {
	each(t, func(t *testing.T, fresh func() *described) {
		for _, name := range fresh().order {
			d := fresh()
			delete(d.tensors, name)
			_, err := d.build(t)
			switch {
			case strings.HasSuffix(name, "attn_k_b.weight"): // then the file must be an older one
				require.ErrorContains(t, err, strings.Replace(name, "attn_k_b", "attn_kv_b", 1)+" is missing")
			case optionalTensor(name):
				require.NoError(t, err, name)
			default:
				require.ErrorContains(t, err, "tensor "+name+" is missing", name)
			}
		}
	})
}

// TestWrongShape gives every tensor other dimensions in turn: one more value in
// a row, one more row, one more dimension.
func TestWrongShape(t *testing.T) {
	each(t, func(t *testing.T, fresh func() *described) {
		for _, name := range fresh().order {
			dims := fresh().tensors[name].Dims
			for _, bad := range [][]int{
				append([]int{dims[0] + 32}, dims[1:]...), append(slices.Clone(dims), 2),
				append(slices.Clone(dims[:len(dims)-1]), dims[len(dims)-1]*2),
			} {
				d := fresh()
				x := d.tensors[name]
				x.Dims = bad
				d.tensors[name] = x
				_, err := d.build(t)
				if name == "token_embd.weight" && bad[0] == dims[0] && len(bad) == 2 {
					// The vocabulary is as long as the embedding says: the head differs.
					require.True(t, err == nil || strings.Contains(err.Error(), "output.weight"), "%v", err)
					continue
				}
				require.ErrorContains(t, err, name, "%s %v", name, bad)
			}
		}
	})
}

// TestTrailingOnes accepts dimensions of 1 at the end, which some writers add.
func TestTrailingOnes(t *testing.T) {
	d := describe(t, "qwen2moe", nil)
	x := d.tensors["blk.0.ffn_gate_inp_shexp.weight"]
	x.Dims = append(x.Dims, 1, 1)
	d.tensors[x.Name] = x
	_, err := d.build(t)
	require.NoError(t, err)
}

// TestWrongType stores every tensor in a format that is not supported in turn.
func TestWrongType(t *testing.T) {
	each(t, func(t *testing.T, fresh func() *described) {
		for _, name := range fresh().order {
			d := fresh()
			x := d.tensors[name]
			x.Type = 10 // Q2_K
			d.tensors[name] = x
			_, err := d.build(t)
			var refused *quant.UnsupportedError
			require.ErrorAs(t, err, &refused, name)
			require.Equal(t, name, refused.Tensor)
			require.ErrorContains(t, err, "is stored as Q2_K, which is not supported (supported: F32,")
		}
	})
}

// TestRowsOfBlocks refuses a matrix whose rows are not whole blocks. No file
// holds one, for its reader checks that too.
func TestRowsOfBlocks(t *testing.T) {
	for _, name := range []string{"blk.0.attn_q.weight", "blk.1.ffn_up_exps.weight", "blk.1.attn_k_norm.weight"} {
		d := describe(t, "qwen3moe", nil)
		x := d.tensors[name]
		x.Type = quant.Q4_K
		d.tensors[name] = x
		_, err := d.build(t)
		require.ErrorContains(t, err, "tensor "+name+": a row of ")
		require.ErrorContains(t, err, "is not a multiple of Q4_K's block of 256")
	}
}

// keysOf are the keys of the architecture.
func keysOf(d *described) []string {
	arch, _ := d.keys["general.architecture"].(string)
	var keys []string
	for k := range maps.Keys(d.keys) {
		if strings.HasPrefix(k, arch+".") && !strings.HasSuffix(k, ".vocab_size") {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// unread are keys that a family has another source for, or none.
var unread = []string{
	"deepseek2.attention.key_length", "deepseek2.attention.value_length", // the _mla ones come first
	"deepseek2.attention.head_count_kv",
	"qwen2moe.feed_forward_length", "qwen3moe.feed_forward_length", "lite.feed_forward_length",
}

// TestWrongKeyType gives every key a value of another type in turn.
func TestWrongKeyType(t *testing.T) {
	each(t, func(t *testing.T, fresh func() *described) {
		for _, key := range keysOf(fresh()) {
			d := fresh()
			d.keys[key] = []string{"a", "b"}
			if _, text := fresh().keys[key].([]string); text {
				d.keys[key] = float32(3)
			}
			_, err := d.build(t)
			if slices.Contains(unread, key) && err == nil {
				continue
			}
			var wrong *weights.KeyTypeError
			require.ErrorAs(t, err, &wrong, key)
			require.Equal(t, key, wrong.Key)
		}
	})
}

// defaulted are keys without which a model is what their default says, by their
// ends. For all others an error names the key, or what it should have said.
var defaulted = []string{
	".attention.layer_norm_rms_epsilon", ".rope.freq_base", ".rope.dimension_count", ".rope.scaling.type",
	".rope.scaling.original_context_length", ".rope.scaling.yarn_log_multiplier", ".expert_weights_scale", ".expert_weights_norm",
	".expert_gating_func", ".expert_group_count", ".expert_group_used_count", ".attention.head_count_kv", ".attention.value_length",
	".routing.mode", ".routing.score", ".routing.normalize", ".routing.seed", ".tier_set.default",
	".feed_forward_length", ".rope.scaling.factor", ".attention.key_length",
	".leading_dense_block_count", ".expert_shared_count", ".attention.q_lora_rank", ".expert_count",
	".attention.key_length_mla", ".attention.value_length_mla", ".expert_shared_feed_forward_length",
}

// required are keys whose absence is named, even where their ends are above.
var required = []string{"deepseek2.rope.dimension_count", "llama.feed_forward_length"}

// TestMissingKey takes every key away in turn. A model is built only where the
// key has a default; else the error names the key or a tensor that does not
// have the shape that follows from the default.
func TestMissingKey(t *testing.T) {
	each(t, func(t *testing.T, fresh func() *described) {
		arch, _ := fresh().keys["general.architecture"].(string)
		for _, key := range keysOf(fresh()) {
			d := fresh()
			delete(d.keys, key)
			_, err := d.build(t)
			ends := slices.ContainsFunc(defaulted, func(s string) bool { return strings.HasSuffix(key, s) })
			if ends && !slices.Contains(required, key) && !strings.Contains(key, ".tier.") {
				require.True(t, err == nil || namesSomething(err), "%s: %v", key, err)
				continue
			}
			require.Error(t, err, key)
			require.ErrorContains(t, err, strings.TrimPrefix(key, arch+"."))
		}
	})
}

// namesSomething says whether an error says where to look.
func namesSomething(err error) bool {
	for _, s := range []string{"tensor blk.", "is missing or zero", "rope", "heads of"} {
		if strings.Contains(err.Error(), s) {
			return true
		}
	}
	return false
}

// TestFamilyError lists what is supported.
func TestFamilyError(t *testing.T) {
	for _, arch := range []any{"gpt-oss", "", nil} {
		d := describe(t, "llama", nil)
		d.keys["general.architecture"] = arch
		if arch == nil {
			delete(d.keys, "general.architecture")
		}
		_, err := d.build(t)
		var refused *model.FamilyError
		require.ErrorAs(t, err, &refused)
		require.EqualError(t, err, fmt.Sprintf("architecture %q is not supported; supported: deepseek2, lite, lite-sparse, llama, olmoe, qwen2, qwen2moe, qwen3, qwen3moe", refused.Arch))
	}
	d := describe(t, "llama", nil)
	d.keys["general.architecture"] = uint32(7)
	_, err := d.build(t)
	var wrong *weights.KeyTypeError
	require.ErrorAs(t, err, &wrong)
}

// TestFrequencyFactors builds a model with factors of its rotation, as Llama
// 3.1 has them, before and after its weights are there.
func TestFrequencyFactors(t *testing.T) {
	d := describe(t, "llama", nil)
	d.tensors["rope_freqs.weight"] = gguf.Info{Name: "rope_freqs.weight", Type: quant.F32, Dims: []int{8}}
	d.order = append(d.order, "rope_freqs.weight")
	m, err := d.build(t)
	require.NoError(t, err)
	require.Equal(t, "rope_freqs.weight", m.Trunk[3].Name)
	factor := float32(2)
	data := func(name string) []byte {
		size, err := d.tensors[name].Bytes()
		require.NoError(t, err)
		b := make([]byte, size)
		if name == "rope_freqs.weight" {
			for i := range 8 {
				binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(factor))
			}
		}
		return b
	}
	m, err = model.Build(d.source(t), data)
	require.NoError(t, err)
	a, ok := m.Layers[1].Attn.(*block.GQA)
	require.True(t, ok)
	require.Equal(t, 16, a.Rope.Dims())
	factor = -2
	_, err = model.Build(d.source(t), data)
	require.ErrorContains(t, err, "rope frequency factor -2 of pair 0")
}

// TestSets names what a model has.
func TestSets(t *testing.T) {
	m, err := describe(t, "lite", nil).build(t)
	require.NoError(t, err)
	s, err := m.Set("")
	require.NoError(t, err)
	require.Equal(t, "full", s.Name)
	s, err = m.Set("fast")
	require.NoError(t, err)
	require.Equal(t, hser.TierSet{Name: "fast", Tiers: []int{0}, KTier: 1, KGroup: 1, KExpert: 2}, *s)
	_, err = m.Set("slow")
	var unknown *model.SetError
	require.ErrorAs(t, err, &unknown)
	require.EqualError(t, err, `there is no tier set "slow"; this model has: fast, balanced, full`)
	dense, err := describe(t, "qwen3", nil).build(t)
	require.NoError(t, err)
	_, err = dense.Set("full")
	require.NoError(t, err)
}

// TestContradictions are descriptions that no tensor contradicts; those of the
// native architecture are in native_test.go.
func TestContradictions(t *testing.T) {
	for _, c := range []struct {
		family, key string
		value       any
		want        string
	}{
		{"llama", "llama.attention.head_count_kv", uint32(3), "4 query heads cannot share 3 key heads"},
		{"llama", "llama.attention.head_count_kv", uint32(0), "4 query heads cannot share 0 key heads"},
		{"llama", "llama.rope.dimension_count", uint32(18), "rope over 18 values of heads that have 16"},
		{"llama", "llama.rope.dimension_count", uint32(7), "rope over 7 values"},
		{"llama", "llama.rope.freq_base", float32(-1), "rope base -1"},
		{"llama", "llama.rope.scaling.type", "longrope", `rope scaling "longrope" is not supported (supported: none, linear, yarn)`},
		{"llama", "llama.attention.layer_norm_rms_epsilon", nan(), "llama.attention.layer_norm_rms_epsilon is NaN"},
		{"llama", "llama.block_count", uint32(5000), "llama.block_count is 5000, more than the limit of 4096"},
		{"llama", "llama.block_count", uint32(3), "tensor blk.2.attn_norm.weight is missing"},
		{"llama", "llama.embedding_length", uint64(1) << 40, "llama.embedding_length is 1099511627776, more than the limit of 16777216"},
		{"mixtral", "llama.expert_used_count", uint32(9), "9 experts of 8 cannot be chosen"},
		{"olmoe", "olmoe.expert_used_count", uint32(0), "olmoe.expert_used_count is missing or zero"},
		{"deepseek2", "deepseek2.expert_gating_func", uint32(3), "expert_gating_func 3 is not supported (supported: 1 softmax, 2 sigmoid)"},
		{"deepseek2", "deepseek2.expert_group_count", uint32(3), "8 experts do not form 3 equal groups"},
		{"deepseek2", "deepseek2.expert_group_used_count", uint32(0), "0 groups of 4 are used"},
		{"deepseek2", "deepseek2.expert_used_count", uint32(5), "5 experts are to be chosen of the 4 that are allowed"},
		{"deepseek2", "deepseek2.rope.dimension_count", uint32(48), "heads of 48 key values, 48 of them rotated"},
		{"deepseek2", "deepseek2.rope.scaling.factor", float32(-2), "rope scaling factor -2"},
		{"sparse", "lite-sparse.base_architecture", "olmoe", `base_architecture is "olmoe", want one of: llama, qwen2, qwen3`},
		{"sparse", "lite-sparse.base_architecture", "lite-sparse", `base_architecture is "lite-sparse"`},
		{"sparse", "lite-sparse.expert_feed_forward_length", uint32(31), "4 experts of 31 neurons are not a network of 128"},
		{"sparse", "lite-sparse.tier.expert_count", []uint32{1, 1 << 31}, "want 1 to"},
		{"sparse", "lite-sparse.tier.expert_count", []uint32{4}, "has 1 elements, want 2"},
		{"sparse", "lite-sparse.tier_set.tiers", []string{"core", "core,west", "core,rest"}, `names the tier "west", which does not exist`},
		{"sparse", "lite-sparse.tier_set.expert_used_count", []uint32{2, 2, 4}, "2 experts are to be chosen of the 1 that are allowed"},
		{"sparse", "lite-sparse.tier_set.default", "all", `no tier set "all"`},
	} {
		d := describe(t, c.family, nil)
		d.keys[c.key] = c.value
		_, err := d.build(t)
		require.ErrorContains(t, err, c.want, "%s = %v", c.key, c.value)
	}
}

// TestBound computes the bound of every family from the file's tensors alone:
// all of the trunk but the rows of the embedding and of the routing heads that a
// token does not touch, and K of the largest experts at every layer.
func TestBound(t *testing.T) {
	each(t, func(t *testing.T, fresh func() *described) {
		d := fresh()
		m, err := d.build(t)
		require.NoError(t, err)
		for i := range m.Sets {
			set := &m.Sets[i]
			always, layers := 64, 0 // one row of the embedding
			for _, name := range d.order {
				n := 1
				for _, dim := range d.tensors[name].Dims {
					n *= dim
				}
				switch {
				case name == "token_embd.weight":
					if _, untied := d.tensors["output.weight"]; !untied {
						always += n
					}
				case strings.Contains(name, "_exps.weight"):
				case m.Arch == "lite" && strings.Contains(name, ".tier."): // rows of the heads on the way, below
				default:
					always += n
				}
				if strings.HasSuffix(name, "ffn_gate_exps.weight") && !strings.Contains(name, ".tier.") || strings.HasSuffix(name, ".tier.0.ffn_gate_exps.weight") {
					layers++
				}
			}
			theta := 0
			if layers > 0 {
				theta = 3 * 64 * 32
			}
			if m.Arch == model.SparseArch {
				require.Equal(t, map[string]int{"core": 1, "fast": 2, "full": 4}[set.Name], set.K())
			}
			if m.Arch == "lite" {
				theta = 3 * 64 * []int{32, 64, 128}[len(set.Tiers)-1]
				always += layers * 64 * (set.KTier*2 + set.KTier*set.KGroup*4) // 2 groups, 4 experts each
			}
			b := m.Bound(set)
			require.Equal(t, int64(always+layers*set.K()*theta), b.PActive, set.Name)
			require.Equal(t, set.K(), b.K)
			require.Equal(t, int64(theta), b.ThetaMax)
			require.Equal(t, len(m.Layers), b.Layers)
			require.InDelta(t, float64(always)/float64(len(m.Layers)), b.CDense, 1e-9)
		}
	})
}

// TestDescribeEveryFamily holds that the table has every family there is.
func TestDescribeEveryFamily(t *testing.T) {
	have := map[string]bool{}
	for _, v := range variants {
		m, err := describe(t, v.family, v.change).build(t)
		require.NoError(t, err)
		have[m.Arch] = true
	}
	require.ElementsMatch(t, model.Families(), slices.Collect(maps.Keys(have)))
	require.Len(t, synth.Families(), len(model.Families())+1, "mixtral is llama with experts")
}
