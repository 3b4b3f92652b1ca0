package model_test

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/weights"
	"github.com/lite-llm/lite/internal/weights/gguf"
	"github.com/lite-llm/lite/internal/weights/synth"
)

// described is a file's description that a test can damage.
type described struct {
	keys    map[string]any
	tensors map[string]gguf.Info
	order   []string // of the tensors
}

// describe is the description of a small model of that family.
func describe(t testing.TB, family string, change func(*synth.Shape)) *described {
	t.Helper()
	if change == nil {
		if d, ok := plain.Load(family); ok {
			return d.(*described).clone()
		}
	}
	d := newDescription(t, family, change)
	if change == nil {
		plain.Store(family, d.clone())
	}
	return d
}

// plain are the descriptions that were made already, by family.
var plain sync.Map

func (d *described) clone() *described {
	return &described{keys: maps.Clone(d.keys), tensors: maps.Clone(d.tensors), order: slices.Clone(d.order)}
}

func newDescription(t testing.TB, family string, change func(*synth.Shape)) *described {
	t.Helper()
	shape := synth.Tiny(family)
	if change != nil {
		change(&shape)
	}
	mix, err := synth.ParseMix("Q8_0")
	require.NoError(t, err)
	m, err := synth.New(shape, synth.Options{Mix: mix})
	require.NoError(t, err)
	d := &described{keys: map[string]any{}, tensors: map[string]gguf.Info{}}
	for _, kv := range m.Keys() {
		if !strings.HasPrefix(kv.Key, "tokenizer.") {
			d.keys[kv.Key] = kv.Value
		}
	}
	for _, info := range m.Infos() {
		d.tensors[info.Name] = info
		d.order = append(d.order, info.Name)
	}
	return d
}

// source is what a builder reads.
func (d *described) source(t testing.TB) model.Source {
	t.Helper()
	var kvs []weights.KV
	for _, k := range slices.Sorted(maps.Keys(d.keys)) {
		kvs = append(kvs, weights.KV{Key: k, Value: d.keys[k]})
	}
	meta, err := weights.NewMeta(kvs)
	require.NoError(t, err)
	var tensors []weights.Tensor
	for _, name := range d.order {
		if x, ok := d.tensors[name]; ok {
			tensors = append(tensors, weights.Tensor{Name: name, Type: x.Type, Dims: x.Dims})
		}
	}
	w, err := weights.New(meta, nil, tensors)
	require.NoError(t, err)
	return w.Source()
}

// build builds the model without its weights.
func (d *described) build(t testing.TB) (*model.Model, error) {
	t.Helper()
	return model.Build(d.source(t), nil)
}

// variants are the families with what their files may or may not have.
var variants = map[string]struct {
	family string
	change func(*synth.Shape)
}{
	"llama":     {"llama", nil},
	"tied":      {"llama", func(s *synth.Shape) { s.Tied = true }},
	"mixtral":   {"mixtral", nil},
	"olmoe":     {"olmoe", nil},
	"qwen2":     {"qwen2", nil},
	"qwen2moe":  {"qwen2moe", nil},
	"qwen3":     {"qwen3", nil},
	"qwen3moe":  {"qwen3moe", nil},
	"deepseek2": {"deepseek2", nil},
	"v2-lite": {"deepseek2", func(s *synth.Shape) {
		s.QLora, s.ExpertGroups, s.GroupsUsed, s.Sigmoid, s.YarnFactor = 0, 0, 0, false, 0
	}},
	"lite":   {"lite", nil},
	"sparse": {"sparse", nil},
}

// each calls f with a fresh description of every variant.
func each(t *testing.T, f func(t *testing.T, fresh func() *described)) {
	for name, v := range variants {
		t.Run(name, func(t *testing.T) {
			d := describe(t, v.family, v.change)
			f(t, d.clone)
		})
	}
}
