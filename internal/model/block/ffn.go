package block

import (
	"context"

	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/kernel/linear"
	"github.com/lite-llm/lite/internal/par"
)

// FFN is a gated feed-forward network with SiLU (SwiGLU, Shazeer 2020):
// Down(silu(Gate·x) * Up·x).
type FFN struct {
	Gate, Up, Down Linear
}

// ffnBuffers hold one network's hidden activations at a time.
type ffnBuffers struct {
	gate, up []float32
	in       linear.Input
}

// Params implements FeedForward.
func (f *FFN) Params(*hser.TierSet) int { return f.Gate.Params() + f.Up.Params() + f.Down.Params() }

// Scratch implements FeedForward.
func (f *FFN) Scratch(int) int { return hiddenScratch(f.Gate.W.Cols, f.Gate.W.Rows) }

// hiddenScratch is the bytes of a row on its way through a network.
func hiddenScratch(dim, hidden int) int { return 8*hidden + quantized(hidden) + quantized(dim) }

// Forward implements FeedForward.
func (f *FFN) Forward(_ context.Context, st *Step, _ int, dst, x []float32) error {
	n := len(st.Rows)
	st.in.Set(x, n, f.Gate.W.Cols)
	f.apply(st, dst, &st.in, st.all[:n])
	return nil
}

// Hidden is the hidden activations of the last network that ran, silu(gate)·up,
// for each row that it ran on: borrowed until the next one runs.
func (st *Step) Hidden() []float32 { return st.ffn.gate }

// apply writes the network's output for each row of in, which belongs to
// row rows[i] of the step, to dst (len(rows) × dim).
func (f *FFN) apply(st *Step, dst []float32, in *linear.Input, rows []int) {
	b, hidden := &st.ffn, f.Gate.W.Rows
	b.gate = grow(b.gate, len(rows)*hidden)
	b.up = grow(b.up, len(rows)*hidden)
	st.multiply(in, rows, f.Gate.to(b.gate), f.Up.to(b.up))
	st.gate = gateTask{gate: b.gate, up: b.up}
	st.parallel(&st.gate)
	b.in.Set(b.gate, len(rows), hidden)
	st.multiply(&b.in, rows, f.Down.to(dst))
}

// gateTask is gate = silu(gate) * up, elementwise.
type gateTask struct{ gate, up []float32 }

func (t *gateTask) run(st *Step, w int) {
	lo, hi := par.Split(len(t.gate), st.pool.Workers(), w, linear.RowAlign)
	if lo < hi {
		st.Vec.SiLUMul(t.gate[lo:hi], t.gate[lo:hi], t.up[lo:hi])
	}
}
