package metamorphic

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/kernel/attn"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/weights/synth"
)

// subject is a small model whose answers must not depend on how they are
// computed.
type subject struct {
	name, family, mix string
	change            func(*synth.Shape) // nil for the family's tiny shape
	ties              bool               // every second routing row is the one before it
	elem              attn.Elem
	// weight is what a row costs, in rows of the smallest models.
	weight int
}

// subjects are all families, both kinds of attention and of routing, every
// block format (K-quants in the mixes in which they are published), and every
// type of keys and values.
var subjects = []subject{
	{name: "llama", family: "llama", mix: "F32", elem: attn.F32},
	{name: "qwen2", family: "qwen2", mix: "F16", elem: attn.F16},
	{name: "qwen3", family: "qwen3", mix: "Q4_1", elem: attn.BF16},
	{name: "mixtral", family: "mixtral", mix: "Q4_0", elem: attn.F16},
	{name: "olmoe", family: "olmoe", mix: "Q8_0", elem: attn.F16},
	{name: "ties", family: "olmoe", mix: "F32", elem: attn.F16, ties: true, change: func(s *synth.Shape) { s.ExpertsUsed = 3 }},
	{name: "qwen2moe", family: "qwen2moe", mix: "Q5_1", elem: attn.BF16},
	{name: "qwen3moe-q4km", family: "qwen3moe", mix: "Q4_K_M", elem: attn.F16, change: wide, weight: 8},
	{name: "qwen3moe-q5km", family: "qwen3moe", mix: "Q5_K_M", elem: attn.F16, change: wide, weight: 8},
	{name: "deepseek2", family: "deepseek2", mix: "Q5_0", elem: attn.F16, weight: 3},
	{name: "deepseek2-lite", family: "deepseek2", mix: "BF16", elem: attn.F32, weight: 3, change: func(s *synth.Shape) {
		s.QLora, s.ExpertGroups, s.GroupsUsed, s.Sigmoid, s.YarnFactor = 0, 0, 0, false, 0
	}},
	{name: "lite", family: "lite", mix: "Q8_0", elem: attn.F16},
	{name: "sparse", family: "sparse", mix: "F32", elem: attn.F16},
}

// wide has rows of a K-quant's super-block.
func wide(s *synth.Shape) { s.Dim, s.HeadDim, s.ExpertFF, s.Layers = 256, 64, 256, 1 }

// files are made once and never written to after that.
var files sync.Map // of *modeltest.File, by name

// file is the subject's file.
func (s *subject) file(t testing.TB) *modeltest.File {
	t.Helper()
	if f, ok := files.Load(s.name); ok {
		return f.(*modeltest.File)
	}
	shape := synth.Tiny(s.family)
	if s.change != nil {
		s.change(&shape)
	}
	f := modeltest.Random(t, shape, s.mix, 11)
	if s.ties {
		for _, name := range []string{"blk.0.ffn_gate_inp.weight", "blk.1.ffn_gate_inp.weight"} {
			pairRows(t, f, name, shape.Experts)
		}
	}
	files.Store(s.name, f)
	return f
}

// pairRows makes each odd one of n equal parts of a tensor the one before it.
func pairRows(t testing.TB, f *modeltest.File, name string, n int) {
	t.Helper()
	b := f.Tensor(t, name)
	size := len(b) / n
	require.Equal(t, len(b), size*n)
	for i := 1; i < n; i += 2 {
		copy(b[i*size:(i+1)*size], b[(i-1)*size:i*size])
	}
}

// request is tokens under a tier set.
type request struct {
	tokens []int32
	set    *hser.TierSet
}

// lengths of the requests: the first ones cross a block of keys.
var lengths = []int{150, 131, 40, 17, 9, 2}

// requests are those that are put to m; native models use all of their sets.
func requests(m *model.Model) []request {
	all := make([]request, len(lengths))
	for i, n := range lengths {
		all[i] = request{modeltest.Tokens(m, n, uint64(i)), &m.Sets[(len(m.Sets)-1+i)%len(m.Sets)]}
	}
	return all
}
