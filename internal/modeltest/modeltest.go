// Package modeltest opens models for tests without the planning of the root
// package: from bytes in memory, with everything resident, or with experts
// behind a rung and a budget of the test's choice.
package modeltest

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/expert"
	"github.com/lite-llm/lite/internal/kernel/attn"
	"github.com/lite-llm/lite/internal/kv"
	"github.com/lite-llm/lite/internal/memory"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/rung"
	"github.com/lite-llm/lite/internal/rung/dram"
	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/weights"
	"github.com/lite-llm/lite/internal/weights/gguf"
	"github.com/lite-llm/lite/internal/weights/synth"
)

// Path is the name of the file in File.FS.
const Path = "model.gguf"

// File is a model's file and what it describes.
type File struct {
	Bytes []byte
	W     *weights.Model
}

// Open reads the description in a file's bytes.
func Open(t testing.TB, file []byte) *File {
	t.Helper()
	w, err := gguf.Open(vfs.Mem{Path: file}, Path)
	require.NoError(t, err)
	return &File{Bytes: file, W: w}
}

// Random is a file of that shape with random weights.
func Random(t testing.TB, shape synth.Shape, mix string, seed uint64) *File {
	t.Helper()
	return Open(t, Bytes(t, shape, mix, seed))
}

// Bytes are those of a file of that shape with random weights.
func Bytes(t testing.TB, shape synth.Shape, mix string, seed uint64) []byte {
	t.Helper()
	m, err := synth.ParseMix(mix)
	require.NoError(t, err)
	d, err := synth.New(shape, synth.Options{Mix: m, Seed: seed})
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, d.Write(&b))
	return b.Bytes()
}

// FS is a file system that holds the file.
func (f *File) FS() vfs.Mem { return vfs.Mem{Path: f.Bytes} }

// Tensor is the bytes of a tensor, in place: a test may change them before the
// model is built.
func (f *File) Tensor(t testing.TB, name string) []byte {
	t.Helper()
	x, ok := f.W.Tensor(name)
	require.True(t, ok, "tensor %s", name)
	return f.Bytes[x.Range.Off:][:x.Range.Len]
}

// Build builds the model on the file's own bytes.
func (f *File) Build(t testing.TB) *model.Model {
	t.Helper()
	m, err := model.Build(f.W.Source(), func(name string) []byte {
		x, _ := f.W.Tensor(name)
		return f.Bytes[x.Range.Off:][:x.Range.Len]
	})
	require.NoError(t, err)
	return m
}

// Store lends the experts of m where they are in memory.
func (f *File) Store(t testing.TB, m *model.Model) expert.Store {
	t.Helper()
	return f.StoreOf(t, m, dram.New(map[string][]byte{Path: f.Bytes}), 0)
}

// StoreOf lends the experts of m from a rung under a budget, which is not less
// than what a store needs.
func (f *File) StoreOf(t testing.TB, m *model.Model, r rung.Rung, budget int64) expert.Store {
	t.Helper()
	l := m.Layout(f.W.Stack)
	s, err := expert.New(expert.Options{Rung: r, Layout: l, Budget: base.ByteSize(max(budget, l.Floor(r.Align())))})
	require.NoError(t, err)
	return s
}

// Pool is room for sequences of that many positions together, in whole pages.
func Pool(m *model.Model, elem attn.Elem, positions int) *kv.Pool {
	return kv.NewPool(kv.NewLayout(elem, m.KVShapes()), kv.Pages(positions), memory.Alloc)
}

// Tokens are n tokens of m's vocabulary, by a seed.
func Tokens(m *model.Model, n int, seed uint64) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		seed = seed*6364136223846793005 + 1442695040888963407
		ids[i] = int32(seed >> 33 % uint64(m.Vocab)) //nolint:gosec // below the vocabulary
	}
	return ids
}
