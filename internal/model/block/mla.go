package block

import (
	"errors"

	"github.com/lite-llm/lite/internal/kernel/linear"
	"github.com/lite-llm/lite/internal/kernel/vec"
	"github.com/lite-llm/lite/internal/kv"
	"github.com/lite-llm/lite/internal/par"
)

// MLA is multi-head latent attention (DeepSeek-V2, section 2.1), absorbed in
// prefill and in decode: queries are carried into the latent space of the
// keys, so that all heads attend to one vector per position, and the
// attention output is carried out of it. A second algebraic form would give a
// second result (docs/format/numerics.md, rule 7).
type MLA struct {
	Heads      int
	Nope, Rot  int // values of a query head without and with rotation
	Latent, DV int // values of the latent vector, and of a value head

	// Q projects to Heads × (Nope + Rot). With a low-rank query, QDown and
	// QNorm come before it.
	QDown Linear
	QNorm []float32
	Q     Linear
	// KVDown projects to Latent + Rot; KVNorm scales the latent part.
	KVDown Linear
	KVNorm []float32
	// KUp[h] carries a query head into the latent space (Latent × Nope), VUp[h]
	// carries the head's output out of it (DV × Latent).
	KUp, VUp []linear.Matrix
	O        Linear

	Eps   float32
	Rope  *vec.Rope
	Scale float32
}

// Shape implements Attention. The value is the latent part of the key.
func (a *MLA) Shape() kv.Shape { return kv.Shape{Heads: 1, DK: a.Latent + a.Rot, DV: a.Latent} }

// Params implements Attention.
func (a *MLA) Params() int {
	return a.QDown.Params() + a.Q.Params() + a.KVDown.Params() + a.O.Params() + a.between()
}

// between is the number of parameters that are not in a projection of the
// residual stream: the norms and the per-head matrices.
func (a *MLA) between() int {
	return len(a.QNorm) + len(a.KVNorm) + a.Heads*(a.Nope+a.DV)*a.Latent
}

// Scratch implements Attention.
func (a *MLA) Scratch(rows, workers int) int {
	latent := a.Heads * (2*a.Latent + a.Rot)
	row := 4*(latent+a.Q.W.Rows+a.Q.W.Cols+a.Heads*a.DV+a.Latent+a.Rot) + 8*a.Rope.Dims() +
		quantized(a.KVDown.W.Cols) + quantized(max(a.O.W.Cols, a.Q.W.Cols))
	carried := max(a.Nope, a.Latent)
	return rows*row + workers*(rows*(4*carried+quantized(carried))+foldScratch(a.Heads, a.Latent))
}

// Forward implements Attention.
func (a *MLA) Forward(st *Step, layer int, dst, x []float32) {
	n, dk := len(st.Rows), a.Latent+a.Rot
	rows := st.all[:n]
	t := &st.mla
	t.a, t.layer, t.angles = a, layer, st.anglesOf(a.Rope)
	t.raw = grow(t.raw, n*a.Q.W.Rows)
	st.k = grow(st.k, n*dk)
	st.q = grow(st.q, n*a.Heads*dk)
	t.latent = grow(t.latent, n*a.Heads*a.Latent)
	st.out = grow(st.out, n*a.Heads*a.DV)

	st.in.Set(x, n, a.KVDown.W.Cols)
	if a.QNorm == nil {
		st.multiply(&st.in, rows, a.Q.to(t.raw), a.KVDown.to(st.k))
	} else {
		t.low = grow(t.low, n*a.QDown.W.Rows)
		st.multiply(&st.in, rows, a.QDown.to(t.low), a.KVDown.to(st.k))
		rank := len(a.QNorm)
		for r := range n {
			low := t.low[r*rank : (r+1)*rank]
			st.Vec.RMSNorm(low, low, a.QNorm, a.Eps)
		}
		st.in2.Set(t.low, n, rank)
		st.multiply(&st.in2, rows, a.Q.to(t.raw))
	}
	st.Count(rows, a.between())

	for t.stage = range mlaStages {
		st.parallel(t)
	}
	st.failNonFinite()
	st.in2.Set(st.out, n, a.O.W.Cols)
	st.multiply(&st.in2, rows, a.O.to(dst))
}

// The stages of an MLA layer between its projections.
const (
	mlaPlace  = iota // rotate, norm and append the keys; rotate the queries
	mlaAbsorb        // carry the queries into the latent space, a head at a time
	mlaAttend        // all heads of a row over the latent keys
	mlaEmerge        // carry the outputs out of it, a head at a time
	mlaStages
)

// mlaTask holds the buffers between the stages.
type mlaTask struct {
	a      *MLA
	layer  int
	angles *angles
	stage  int
	low    []float32 // low-rank queries: rows × rank
	raw    []float32 // queries as projected: rows × Heads × (Nope + Rot)
	latent []float32 // attention outputs: rows × Heads × Latent
}

func (t *mlaTask) run(st *Step, w int) {
	n := len(st.Rows)
	if t.stage == mlaPlace || t.stage == mlaAttend {
		lo, hi := par.Split(n, st.pool.Workers(), w, 1)
		for r := lo; r < hi; r++ {
			if t.stage == mlaPlace {
				t.place(st, r)
			} else {
				t.attend(st, &st.workers[w], r)
			}
		}
		return
	}
	lo, hi := par.Split(t.a.Heads, st.pool.Workers(), w, 1)
	for h := lo; h < hi; h++ {
		a, dk := t.a, t.a.Latent+t.a.Rot
		if t.stage == mlaAbsorb {
			t.carry(st, w, a.KUp[h], t.raw, h*(a.Nope+a.Rot), a.Heads*(a.Nope+a.Rot), st.q[h*dk:], a.Heads*dk)
		} else {
			t.carry(st, w, a.VUp[h], t.latent, h*a.Latent, a.Heads*a.Latent, st.out[h*a.DV:], a.Heads*a.DV)
		}
	}
}

// place stores a row's key, latent part first, and rotates its queries.
func (t *mlaTask) place(st *Step, r int) {
	a, dk := t.a, t.a.Latent+t.a.Rot
	cos, sin := t.angles.at(r)
	k := st.k[r*dk : (r+1)*dk]
	st.Vec.RMSNorm(k[:a.Latent], k[:a.Latent], a.KVNorm, a.Eps)
	a.Rope.Apply(k[a.Latent:], cos, sin, 1, a.Rot)
	row := st.Rows[r]
	row.Seq.Append(t.layer, row.Pos, k, k[:a.Latent])
	for h := range a.Heads {
		from := t.raw[(r*a.Heads+h)*(a.Nope+a.Rot)+a.Nope:][:a.Rot]
		to := st.q[(r*a.Heads+h)*dk+a.Latent:][:a.Rot]
		copy(to, from)
		a.Rope.Apply(to, cos, sin, 1, a.Rot)
	}
}

// attend lets all heads of one row attend: they share the keys.
func (t *mlaTask) attend(st *Step, w *worker, r int) {
	a, dk := t.a, t.a.Latent+t.a.Rot
	w.lens = w.lens[:0]
	for range a.Heads {
		w.lens = append(w.lens, st.Rows[r].Pos+1)
	}
	st.Kernels.Attn.Attend(t.latent[r*a.Heads*a.Latent:], a.Latent, st.q[r*a.Heads*dk:], dk, a.Heads,
		st.Rows[r].Seq.View(t.layer, 0), w.lens, a.Scale, &w.attn)
}

// carry multiplies one head's slice of every row (from x[at], stride ld) by m.
func (t *mlaTask) carry(st *Step, w int, m linear.Matrix, x []float32, at, ld int, dst []float32, ldd int) {
	me, n := &st.workers[w], len(st.Rows)
	me.tmp = grow(me.tmp, n*m.Cols)
	for r := range n {
		copy(me.tmp[r*m.Cols:(r+1)*m.Cols], x[r*ld+at:])
	}
	me.in.Set(me.tmp, n, m.Cols)
	if err := st.Linear.Prepare(&me.in, m.Type); err != nil {
		if bad, ok := errors.AsType[*linear.NonFiniteError](err); ok {
			me.bad = append(me.bad, bad.Rows...)
		}
	}
	st.Linear.Mul(dst, ldd, m, &me.in, 0, m.Rows, &me.linear)
}
