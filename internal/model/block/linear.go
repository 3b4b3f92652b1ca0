package block

import (
	"errors"

	"github.com/lite-llm/lite/internal/kernel/linear"
	"github.com/lite-llm/lite/internal/par"
	"github.com/lite-llm/lite/internal/quant"
)

// Linear is y = W·x + b. Bias is nil when there is none.
type Linear struct {
	W    linear.Matrix
	Bias []float32
}

// Params is the number of parameters.
func (l Linear) Params() int { return l.W.Rows*l.W.Cols + len(l.Bias) }

// job is one product of a parallel region: all inputs times rows [lo, hi) of w.
type job struct {
	dst    []float32
	ldd    int
	w      linear.Matrix
	lo, hi int
	bias   []float32
}

// to is the job of a whole layer whose outputs stand densely in dst.
func (l Linear) to(dst []float32) job {
	return job{dst: dst, ldd: l.W.Rows, w: l.W, hi: l.W.Rows, bias: l.Bias}
}

// mulTask multiplies one input by several matrices. Workers share the output
// rows of each, which never changes a result: a dot product has one owner.
type mulTask struct {
	in   *linear.Input
	jobs []job
}

func (t *mulTask) run(st *Step, w int) {
	for i := range t.jobs {
		j := &t.jobs[i]
		lo, hi := par.Split(j.hi-j.lo, st.pool.Workers(), w, linear.RowAlign)
		if lo == hi {
			continue
		}
		// A job of rows [lo, hi) writes them from its dst on, hence the shift.
		st.Linear.Mul(j.dst, j.ldd, j.w.Slice(j.lo, j.hi), t.in, lo, hi, &st.workers[w].linear)
		if j.bias != nil {
			for r := range t.in.Len() {
				row := j.dst[r*j.ldd:]
				st.Vec.Add(row[lo:hi], row[lo:hi], j.bias[j.lo+lo:j.lo+hi])
			}
		}
	}
}

// multiply runs the jobs on one input, whose row i belongs to row rows[i] of
// the step: they count the parameters, and get the error when their
// activations are not finite.
func (st *Step) multiply(in *linear.Input, rows []int, jobs ...job) {
	params := 0
	for _, j := range jobs {
		params += (j.hi - j.lo) * j.w.Cols
		if j.bias != nil {
			params += j.hi - j.lo
		}
		st.prepare(in, rows, j.w.Type)
	}
	st.Count(rows, params)
	st.mul.in = in
	st.mul.jobs = append(st.mul.jobs[:0], jobs...)
	st.parallel(&st.mul)
}

// prepare quantises the input for weights of type t.
func (st *Step) prepare(in *linear.Input, rows []int, t quant.Type) {
	err := st.Linear.Prepare(in, t)
	if err == nil {
		return // as a rule; what follows allocates
	}
	if bad, ok := errors.AsType[*linear.NonFiniteError](err); ok {
		for _, i := range bad.Rows {
			st.fail(rows[i], err)
		}
	}
}

// failNonFinite fails the rows that workers found not to be finite.
func (st *Step) failNonFinite() {
	for i := range st.workers {
		w := &st.workers[i]
		for _, row := range w.bad {
			st.fail(row, &linear.NonFiniteError{Rows: []int{row}})
		}
		w.bad = w.bad[:0]
	}
}
