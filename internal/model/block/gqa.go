package block

import (
	"github.com/lite-llm/lite/internal/kernel/attn"
	"github.com/lite-llm/lite/internal/kernel/vec"
	"github.com/lite-llm/lite/internal/kv"
	"github.com/lite-llm/lite/internal/par"
)

// GQA is grouped-query attention (Ainslie et al., 2023): Heads query heads
// share KVHeads key and value heads, with rotary positions.
type GQA struct {
	Heads, KVHeads int
	DK, DV         int // values of a key and of a value head
	Q, K, V, O     Linear
	// QNorm and KNorm scale queries and keys to unit mean square before the
	// rotation: each head apart (DK weights, Qwen 3) or the whole row (OLMoE).
	// They are nil when the family has none.
	QNorm, KNorm []float32
	Eps          float32
	Rope         *vec.Rope
	Scale        float32 // of the scores, usually 1/sqrt(DK)
}

// Shape implements Attention.
func (a *GQA) Shape() kv.Shape { return kv.Shape{Heads: a.KVHeads, DK: a.DK, DV: a.DV} }

// Params implements Attention.
func (a *GQA) Params() int {
	return a.Q.Params() + a.K.Params() + a.V.Params() + a.O.Params() + len(a.QNorm) + len(a.KNorm)
}

// Scratch implements Attention.
func (a *GQA) Scratch(rows, workers int) int {
	row := 4*(a.Heads+a.KVHeads)*(a.DK+a.DV) + quantized(a.Q.W.Cols) + quantized(a.O.W.Cols) + 8*a.Rope.Dims()
	return rows*row + workers*foldScratch(max(attendTile, a.Heads/a.KVHeads), a.DV)
}

// foldScratch is the bytes that attention takes for queries of one head at a
// time: scores of a block, and values at each level of the fold.
func foldScratch(queries, dv int) int { return 4*queries*(attn.BlockLen+3*dv) + 32*queries }

// quantized is the bytes of a row of cols values in both quantised forms.
func quantized(cols int) int { return 3 * cols }

// Forward implements Attention.
func (a *GQA) Forward(st *Step, layer int, dst, x []float32) {
	n := len(st.Rows)
	rows := st.all[:n]
	st.q = grow(st.q, n*a.Heads*a.DK)
	st.k = grow(st.k, n*a.KVHeads*a.DK)
	st.v = grow(st.v, n*a.KVHeads*a.DV)
	st.out = grow(st.out, n*a.Heads*a.DV)

	st.in.Set(x, n, a.Q.W.Cols)
	st.multiply(&st.in, rows, a.Q.to(st.q), a.K.to(st.k), a.V.to(st.v))
	st.Count(rows, len(a.QNorm)+len(a.KNorm))

	st.gqa = gqaTask{a: a, layer: layer, angles: st.anglesOf(a.Rope)}
	st.parallel(&st.gqa)
	st.gqa.attend = true
	st.parallel(&st.gqa)

	st.in2.Set(st.out, n, a.O.W.Cols)
	st.multiply(&st.in2, rows, a.O.to(dst))
}

// gqaTask first places the rows (norms, rotation, append to the KV cache),
// then attends.
type gqaTask struct {
	a      *GQA
	layer  int
	angles *angles
	attend bool
}

func (t *gqaTask) run(st *Step, w int) {
	if t.attend {
		t.attendHeads(st, w)
		return
	}
	lo, hi := par.Split(len(st.Rows), st.pool.Workers(), w, 1)
	for r := lo; r < hi; r++ {
		t.place(st, r)
	}
}

// place turns a row's projections into what attention reads.
func (t *gqaTask) place(st *Step, r int) {
	a := t.a
	q := st.q[r*a.Heads*a.DK : (r+1)*a.Heads*a.DK]
	k := st.k[r*a.KVHeads*a.DK : (r+1)*a.KVHeads*a.DK]
	v := st.v[r*a.KVHeads*a.DV : (r+1)*a.KVHeads*a.DV]
	a.norm(st, q, a.QNorm)
	a.norm(st, k, a.KNorm)
	cos, sin := t.angles.at(r)
	a.Rope.Apply(q, cos, sin, a.Heads, a.DK)
	a.Rope.Apply(k, cos, sin, a.KVHeads, a.DK)
	row := st.Rows[r]
	row.Seq.Append(t.layer, row.Pos, k, v)
}

// norm scales x by the norm's weights, which are as long as a head or as the
// whole row.
func (a *GQA) norm(st *Step, x, weight []float32) {
	for n := len(weight); n > 0 && len(x) > 0; x = x[n:] {
		st.Vec.RMSNorm(x[:n], x[:n], weight, a.Eps)
	}
}

// attendTile is the most query vectors of one head that one call works on:
// small enough to share a prompt between workers, large enough to widen each
// key and value once for many queries.
const attendTile = 32

// attendHeads works on the worker's share of (span, head, tile of rows).
func (t *gqaTask) attendHeads(st *Step, w int) {
	item := 0
	for _, span := range st.Spans {
		for lo := span.Lo; lo < span.Hi; lo += attendTile {
			hi := min(lo+attendTile, span.Hi)
			for h := range t.a.KVHeads {
				if item++; item%st.pool.Workers() == w {
					t.attendTile(st, &st.workers[w], h, lo, hi)
				}
			}
		}
	}
}

// attendTile attends with all query heads of one KV head, rows [lo, hi).
func (t *gqaTask) attendTile(st *Step, w *worker, head, lo, hi int) {
	a := t.a
	group := a.Heads / a.KVHeads
	view := st.Rows[lo].Seq.View(t.layer, head)
	ldq, ldo := a.Heads*a.DK, a.Heads*a.DV
	q := st.q[lo*ldq+head*group*a.DK:]
	out := st.out[lo*ldo+head*group*a.DV:]
	if hi-lo == 1 {
		// One row: the heads that share the keys are the queries.
		w.lens = w.lens[:0]
		for range group {
			w.lens = append(w.lens, st.Rows[lo].Pos+1)
		}
		st.Kernels.Attn.Attend(out, a.DV, q, a.DK, group, view, w.lens, a.Scale, &w.attn)
		return
	}
	w.lens = w.lens[:0]
	for r := lo; r < hi; r++ {
		w.lens = append(w.lens, st.Rows[r].Pos+1)
	}
	for g := range group {
		st.Kernels.Attn.Attend(out[g*a.DV:], ldo, q[g*a.DK:], ldq, hi-lo, view, w.lens, a.Scale, &w.attn)
	}
}
