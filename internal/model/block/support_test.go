package block_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/kernel/attn"
	"github.com/lite-llm/lite/internal/kernel/linear"
	"github.com/lite-llm/lite/internal/kernel/vec"
	"github.com/lite-llm/lite/internal/kv"
	"github.com/lite-llm/lite/internal/memory"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/model/block"
	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/par"
	"github.com/lite-llm/lite/internal/quant"
	"github.com/lite-llm/lite/internal/weights/synth"
)

// bench is a model, and a step over rows of one sequence of it.
type bench struct {
	f    *modeltest.File
	m    *model.Model
	st   *block.Step
	pool *par.Pool
}

func newBench(t *testing.T, shape synth.Shape, mix string) *bench {
	t.Helper()
	f := modeltest.Random(t, shape, mix, 5)
	m := f.Build(t)
	pool, store := par.New(2), f.Store(t, m)
	t.Cleanup(func() {
		pool.Close()
		require.NoError(t, store.Close())
	})
	k := kernel.Reference
	return &bench{f, m, block.NewStep(block.Kernels{Linear: linear.For(k), Vec: vec.For(k), Attn: attn.For(k)}, pool, store), pool}
}

// begin starts a pass of n rows of a new sequence, at positions from 0 on.
func (b *bench) begin(t *testing.T, n int, set *hser.TierSet) {
	t.Helper()
	pages := modeltest.Pool(b.m, attn.F32, n)
	seq := pages.NewSequence()
	require.NoError(t, seq.Reserve(n))
	rows := make([]block.Row, n)
	for i := range rows {
		rows[i] = block.Row{Seq: seq, Pos: i, Set: set}
	}
	b.st.Begin(rows, []block.Span{{Lo: 0, Hi: n}})
	t.Cleanup(func() { closePool(t, pages, seq) })
}

func closePool(t *testing.T, pages *kv.Pool, seq *kv.Sequence) {
	t.Helper()
	seq.Close()
	require.NoError(t, pages.Close(memory.Free))
}

// tensor is a tensor's values.
func (b *bench) tensor(t *testing.T, name string) []float64 {
	t.Helper()
	x, ok := b.f.W.Tensor(name)
	require.True(t, ok, name)
	v := make([]float32, x.Elements())
	quant.Dequantize(x.Type, v, b.f.Tensor(t, name))
	return widen(v)
}

// random are n values with mean 0 and variance 1.
func random(n int, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

func widen(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

// The naive arithmetic, in float64 with the machine's own functions.

// mul is W·x for a matrix of rows of len(x) values.
func mul(w, x []float64) []float64 {
	out := make([]float64, len(w)/len(x))
	for r := range out {
		for i, v := range x {
			out[r] += float64(w[r*len(x)+i] * v)
		}
	}
	return out
}

func add(a, b []float64) []float64 {
	for i := range b {
		a[i] += b[i]
	}
	return a
}

func dot(a, b []float64) (sum float64) {
	for i := range a {
		sum += float64(a[i] * b[i])
	}
	return sum
}

// norm scales pieces of len(weight) values to unit mean square.
func norm(x, weight []float64, eps float64) []float64 {
	n := len(weight)
	for at := 0; at < len(x); at += n {
		r := 1 / math.Sqrt(dot(x[at:at+n], x[at:at+n])/float64(n)+eps)
		for i := range n {
			x[at+i] *= r * weight[i]
		}
	}
	return x
}

// rotate turns the first dims values of x by a position.
func rotate(x []float64, dims, pos int, base float64, interleaved bool) {
	for i := range dims / 2 {
		a, b := i, i+dims/2
		if interleaved {
			a, b = 2*i, 2*i+1
		}
		sin, cos := math.Sincos(float64(pos) * math.Pow(base, -2*float64(i)/float64(dims)))
		x[a], x[b] = float64(x[a]*cos)-float64(x[b]*sin), float64(x[a]*sin)+float64(x[b]*cos)
	}
}

// attend is softmax(scale·K·q)·V over rows of keys and values.
func attend(q []float64, keys, values [][]float64, scale float64) []float64 {
	w, top, sum := make([]float64, len(keys)), math.Inf(-1), 0.0
	for i, k := range keys {
		w[i] = dot(q, k) * scale
		top = max(top, w[i])
	}
	out := make([]float64, len(values[0]))
	for i := range w {
		w[i] = math.Exp(w[i] - top)
		sum += w[i]
	}
	for i, v := range values {
		for j := range v {
			out[j] += w[i] / sum * v[j]
		}
	}
	return out
}

// requireClose holds a row to the naive one, relative to its root mean square.
func requireClose(t *testing.T, want []float64, got []float32, within float64, msg string) {
	t.Helper()
	require.Len(t, got, len(want))
	diff := make([]float64, len(want))
	for i := range want {
		diff[i] = want[i] - float64(got[i])
	}
	require.Less(t, math.Sqrt(dot(diff, diff)/dot(want, want)), within, msg)
}
