package model_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/weights"
	"github.com/lite-llm/lite/internal/weights/synth"
)

// missing stands for a key or a tensor that is taken out of the file.
type missing struct{}

// nativeWith builds a small native model whose description has other values:
// of keys, or shapes ([]int) of tensors.
func nativeWith(t *testing.T, f *modeltest.File, change map[string]any) (*model.Model, error) {
	t.Helper()
	var kvs []weights.KV
	used := map[string]bool{}
	for key, v := range f.W.Meta.All() {
		if to, ok := change[key]; ok {
			used[key], v = true, to
		}
		if v != any(missing{}) {
			kvs = append(kvs, weights.KV{Key: key, Value: v})
		}
	}
	var tensors []weights.Tensor
	for x := range f.W.All() {
		to, ok := change[x.Name]
		used[x.Name] = used[x.Name] || ok
		if dims, ok := to.([]int); ok {
			x.Dims = dims
		}
		if to != any(missing{}) {
			tensors = append(tensors, x)
		}
	}
	for key, v := range change {
		if !used[key] {
			kvs = append(kvs, weights.KV{Key: key, Value: v})
		}
	}
	meta, err := weights.NewMeta(kvs)
	require.NoError(t, err)
	w, err := weights.New(meta, f.W.Objects, tensors)
	require.NoError(t, err)
	return model.Build(w.Source(), nil)
}

func nativeFile(t *testing.T) *modeltest.File {
	t.Helper()
	return modeltest.Random(t, synth.Tiny("lite"), "F32", 1)
}

func repeated[T any](v T, n int) []T { return slices.Repeat([]T{v}, n) }

// TestNativeRefuses names the key or the tensor that is wrong, and what would
// be right, for whoever writes an exporter (docs/format/native.md).
func TestNativeRefuses(t *testing.T) {
	f := nativeFile(t) // xs, s and m of 2 groups × 4; fast {xs}, balanced {xs,s}, full {xs,s,m}
	many := make([]string, 65)
	for i := range many {
		many[i] = fmt.Sprint("t", i)
	}
	for _, c := range []struct {
		key   string
		value any
		want  string
	}{
		{"lite.tier.names", missing{}, "lite.tier.names has 0 names: want 1 to 65536"},
		{"lite.tier.names", []string{}, "lite.tier.names has 0 names: want 1 to 65536"},
		{"lite.tier.names", make([]string, 65537), "lite.tier.names has 65537 names: want 1 to 65536"},
		{"lite.tier.names", []string{"xs", "s", "s"}, `lite.tier.names has "s" twice`},
		{"lite.tier.names", []string{"xs", "", "m"}, `lite.tier.names: "" is no name: it may not be empty, begin or end with a space, or have a comma`},
		{"lite.tier.names", []string{"xs", "s,m", "m"}, `lite.tier.names: "s,m" is no name: it may not be empty, begin or end with a space, or have a comma`},
		{"lite.tier.names", []string{"xs", "s ", "m"}, `lite.tier.names: "s " is no name: it may not be empty, begin or end with a space, or have a comma`},
		{"lite.tier.names", "xs", `the model's metadata key "lite.tier.names" must be an array of strings, but is string`},
		{"lite.tier.names", []string{"xs", "s"}, "lite.tier.feed_forward_length has 3 elements, want 2: one for each name"},
		{"lite.tier.feed_forward_length", missing{}, "lite.tier.feed_forward_length has 0 elements, want 3: one for each name"},
		{"lite.tier.feed_forward_length", []uint32{32, 0, 128}, "lite.tier.feed_forward_length[1] is 0: want 1 to 16777216"},
		{"lite.tier.feed_forward_length", []uint32{32, math.MaxUint32, 128}, "lite.tier.feed_forward_length[1] is 4294967295: want 1 to 16777216"},
		{"lite.tier.feed_forward_length", []uint32{32, 96, 128}, "tensor blk.0.tier.1.ffn_gate_exps.weight has the shape [64 64 8], want [64 96 8]"},
		{"lite.tier.group_count", missing{}, "lite.tier.group_count has 0 elements, want 3: one for each name"},
		{"lite.tier.group_count", []uint32{2, 2, 0}, "lite.tier.group_count[2] is 0: want 1 to 16777216"},
		{"lite.tier.group_count", []uint32{2, 3, 2}, "tensor blk.0.tier.1.ffn_group_inp.weight has the shape [64 2], want [64 3]"},
		{"lite.tier.expert_count", missing{}, "lite.tier.expert_count has 0 elements, want 3: one for each name"},
		{"lite.tier.expert_count", []uint32{4, 4}, "lite.tier.expert_count has 2 elements, want 3: one for each name"},
		{"lite.tier.expert_count", []uint32{4, 0, 4}, "lite.tier.expert_count[1] is 0: want 1 to 16777216"},
		{"lite.tier.expert_count", []int32{4, -1, 4}, `the model's metadata key "lite.tier.expert_count" must be integers of at least 0, but is negative ones`},
		{"lite.tier.expert_count", []uint32{4, 5, 4}, "tensor blk.0.tier.1.ffn_expert_inp.weight has the shape [64 8], want [64 10]"},
		{"lite.tier.expert_count", repeated(uint32(1<<24), 3), "tensor blk.0.tier.0.ffn_expert_inp.weight has the shape [64 8], want [64 33554432]"},
		{"lite.routing.mode", "joint", `lite.routing.mode "joint" is not supported (supported: nested)`},
		{"lite.routing.score", "sigmoid", `lite.routing.score "sigmoid" is not supported (supported: softmax)`},
		{"lite.routing.normalize", uint32(1), `the model's metadata key "lite.routing.normalize" must be a boolean, but is uint32`},
		{"lite.routing.seed", int32(-1), `the model's metadata key "lite.routing.seed" must be an integer of at least 0, but is -1`},
		{"lite.tier_set.names", missing{}, "lite.tier_set.names has 0 names: want 1 to 64"},
		{"lite.tier_set.names", many, "lite.tier_set.names has 65 names: want 1 to 64"},
		{"lite.tier_set.names", []string{"a", "b", "a"}, `lite.tier_set.names has "a" twice`},
		{"lite.tier_set.tiers", missing{}, "lite.tier_set.tiers has 0 elements, want 3: one for each name"},
		{"lite.tier_set.tiers", []string{"xs", "xs,huge", "xs,s,m"}, `tier set "balanced" names the tier "huge", which does not exist`},
		{"lite.tier_set.tiers", []string{"", "xs,s", "xs,s,m"}, `tier set "fast" names the tier "", which does not exist`},
		{"lite.tier_set.tiers", []string{"xs", "s,xs", "xs,s,m"}, `tier set: "balanced": tiers must ascend, each once; 0 follows 1`},
		{"lite.tier_set.tiers", []string{"xs", "xs,xs", "xs,s,m"}, `tier set: "balanced": tiers must ascend, each once; 0 follows 0`},
		{"lite.tier_set.tier_used_count", missing{}, "lite.tier_set.tier_used_count has 0 elements, want 3: one for each name"},
		{"lite.tier_set.tier_used_count", []uint32{1, 3, 3}, `tier set "balanced": 3 tiers are to be chosen of the 2 that are allowed`},
		{"lite.tier_set.tier_used_count", []uint32{1, 0, 3}, "lite.tier_set.tier_used_count[1] is 0: want 1 to 16777216"},
		{"lite.tier_set.group_used_count", []uint32{1, 1, 3}, `tier set "full": 3 groups are to be chosen of the 2 that are allowed`},
		{"lite.tier_set.expert_used_count", []uint32{2, 5, 2}, `tier set "balanced": 5 experts are to be chosen of the 4 that are allowed`},
		{"lite.tier_set.expert_used_count", []uint32{2, 2}, "lite.tier_set.expert_used_count has 2 elements, want 3: one for each name"},
		{"lite.tier_set.default", "huge", `lite.tier_set.default: there is no tier set "huge"; this model has: fast, balanced, full`},
		{"lite.vocab_size", uint32(511), "lite.vocab_size is 511 and token_embd.weight has 512 rows"},
		{"lite.block_count", missing{}, "lite.block_count is missing or zero"},
		{"lite.block_count", uint32(0), "lite.block_count is missing or zero"},
		{"lite.block_count", uint32(3), "tensor blk.2.attn_norm.weight is missing"},
		{"lite.block_count", uint32(5000), "lite.block_count is 5000, more than the limit of 4096"},
		{"lite.embedding_length", uint32(1 << 24), "tensor token_embd.weight has the shape [64 512], want [16777216 512]"},
		{"lite.context_length", missing{}, "lite.context_length is missing or zero"},
		{"lite.attention.head_count", missing{}, "lite.attention.head_count is missing or zero"},
		{"lite.attention.head_count_kv", uint32(3), "4 query heads cannot share 3 key heads"},
		{"lite.attention.head_count_kv", uint32(0), "4 query heads cannot share 0 key heads"},
		{"lite.attention.key_length", uint32(0), "attention heads of 0 and 16 values: want at least 1"},
		{"lite.attention.value_length", uint32(0), "attention heads of 16 and 0 values: want at least 1"},
		{"lite.attention.layer_norm_rms_epsilon", float32(-1), "lite.attention.layer_norm_rms_epsilon is -1: want 0 to 1"},
		{"lite.attention.layer_norm_rms_epsilon", float32(math.NaN()), "lite.attention.layer_norm_rms_epsilon is NaN"},
		{"lite.rope.dimension_count", uint32(7), "rope over 7 values: want an even number of at most 65536"},
		{"lite.rope.dimension_count", uint32(32), "rope over 32 values of heads that have 16"},
		{"lite.rope.freq_base", float32(0), "rope base 0: want more than 1"},
		{"lite.rope.scaling.type", "longrope", `rope scaling "longrope" is not supported (supported: none, linear, yarn)`},
		{"blk.1.ffn_tier_inp.weight", missing{}, "tensor blk.1.ffn_tier_inp.weight is missing"},
		{"blk.1.ffn_tier_inp.weight", []int{64, 2}, "tensor blk.1.ffn_tier_inp.weight has the shape [64 2], want [64 3]"},
		{"blk.1.tier.2.ffn_down_exps.weight", missing{}, "tensor blk.1.tier.2.ffn_down_exps.weight is missing"},
		{"blk.1.tier.2.ffn_down_exps.weight", []int{128, 64, 7}, "tensor blk.1.tier.2.ffn_down_exps.weight has the shape [128 64 7], want [128 64 8]"},
	} {
		name := fmt.Sprint(c.key, "=", c.value)
		t.Run(name[:min(len(name), 80)], func(t *testing.T) {
			_, err := nativeWith(t, f, map[string]any{c.key: c.value})
			require.EqualError(t, err, "lite: "+c.want)
		})
	}
}

// TestNativeExpertsAreThere: a file may name any number of experts, and has to
// hold the tensors of them.
func TestNativeExpertsAreThere(t *testing.T) {
	_, err := nativeWith(t, nativeFile(t), map[string]any{
		"lite.tier.group_count": repeated(uint32(1<<24), 3), "lite.tier.expert_count": repeated(uint32(1<<24), 3),
	})
	require.EqualError(t, err, "lite: tensor blk.0.tier.0.ffn_group_inp.weight has the shape [64 2], want [64 16777216]")
}

// TestNativeDefaults: keys that may be absent.
func TestNativeDefaults(t *testing.T) {
	m, err := nativeWith(t, nativeFile(t), map[string]any{
		"lite.routing.mode": missing{}, "lite.routing.score": missing{}, "lite.routing.normalize": missing{},
		"lite.routing.seed": missing{}, "lite.tier_set.default": missing{}, "lite.attention.head_count_kv": uint32(2),
		"lite.attention.key_length": missing{}, "lite.attention.value_length": missing{}, "lite.rope.dimension_count": missing{},
		"lite.rope.freq_base": missing{}, "lite.attention.layer_norm_rms_epsilon": missing{}, "general.name": missing{},
	})
	require.NoError(t, err)
	require.Equal(t, "fast", m.DefaultSet, "the first one")
	require.Zero(t, m.RoutingSeed)
	require.InDelta(t, 1e-5, m.Eps, 1e-12)
}

// TestNativeSurvivesAnyValue puts every hostile value under every key: the
// model is refused, or what was built can be asked for its sets and bounds.
func TestNativeSurvivesAnyValue(t *testing.T) {
	f := nativeFile(t)
	hostile := []any{
		missing{},
		true, "", "xs,s,m,xs", strings.Repeat("x", 1<<16), uint8(1), uint32(0), uint32(1), uint32(3), uint32(1 << 24),
		uint64(math.MaxUint64), int32(-1), int64(math.MinInt64), float32(0), float32(math.Inf(-1)), math.NaN(), math.MaxFloat64,
		[]string{},
		[]string{"", "", ""},
		[]string{"xs", "s", "m"},
		repeated("xs", 1000),
		[]uint32{},
		[]uint32{0, 0, 0},
		[]uint32{1, 1, 1},
		[]uint32{math.MaxUint32, 1, 1},
		repeated(uint32(1<<24), 3), repeated(uint64(math.MaxUint64), 3), repeated(int64(-1), 3),
		repeated(float32(1), 3),
		[]bool{true},
	}
	accepted := 0
	for key := range f.W.Meta.Keys() {
		if !strings.HasPrefix(key, "lite.") {
			continue
		}
		for _, v := range hostile {
			m, err := nativeWith(t, f, map[string]any{key: v})
			if err != nil {
				require.NotContains(t, err.Error(), "\n")
				continue
			}
			accepted++
			for i := range m.Sets {
				b := m.Bound(&m.Sets[i])
				require.Positive(t, b.PActive, "%s = %v", key, v)
				require.Positive(t, b.K)
			}
		}
	}
	require.Greater(t, accepted, 20, "some values are good ones")
}

// TestNativeErrorsAreTyped for who asks for a set or reads a value.
func TestNativeErrorsAreTyped(t *testing.T) {
	f := nativeFile(t)
	_, err := nativeWith(t, f, map[string]any{"lite.tier_set.default": "huge"})
	_, ok := errors.AsType[*model.SetError](err)
	require.True(t, ok)
	_, err = nativeWith(t, f, map[string]any{"lite.tier.group_count": "two"})
	_, ok = errors.AsType[*weights.KeyTypeError](err)
	require.True(t, ok)
}
