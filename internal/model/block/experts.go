package block

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/lite-llm/lite/internal/expert"
	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/kernel/linear"
	"github.com/lite-llm/lite/internal/par"
	"github.com/lite-llm/lite/internal/quant"
)

// Slab says how one projection of every expert of a pool is stored: Rows ×
// Cols values of a type each.
type Slab struct {
	Type       quant.Type
	Rows, Cols int
}

// Params is the number of parameters of one expert's projection.
func (s Slab) Params() int { return s.Rows * s.Cols }

// Pool is a run of experts of one shape within a layer: all of a flat model's,
// or one tier's. Their canonical indices are [First, First + Count).
type Pool struct {
	First, Count   int
	Gate, Up, Down Slab
}

// Params is the number of parameters of one expert.
func (p *Pool) Params() int { return p.Gate.Params() + p.Up.Params() + p.Down.Params() }

// poolScratch is the bytes of a row that k experts of these pools work on:
// their outputs, its copy among an expert's rows, the widest network, and the
// notes on each choice.
func poolScratch(pools []Pool, k int) int {
	hidden, dim := 0, 0
	for i := range pools {
		hidden, dim = max(hidden, pools[i].Gate.Rows), pools[i].Gate.Cols
	}
	return 4*dim*(k+1) + 128*k + hiddenScratch(dim, hidden) + quantized(dim)
}

// The parts of an expert's lease, in order.
const (
	PartGate = iota
	PartUp
	PartDown
	Parts
)

// moeBuffers hold the routing and the expert outputs of one layer at a time.
type moeBuffers struct {
	scores  []float32
	chosen  []hser.Choice // all rows' choices, row after row
	ends    []int         // ends[r] is where row r's choices end
	order   []int32       // choices sorted by expert, then row
	slots   []int32       // slots[i] is where choice i's output stands
	ids     []expert.ID
	runs    []run // one per id
	rows    []int // rows of the expert at work
	sub     linear.Input
	outputs []float32 // slots × dim
	shared  []float32
}

// run is the part of moeBuffers.order that chose one expert.
type run struct{ lo, hi int32 }

// begin forgets the last layer's routing.
func (b *moeBuffers) begin() {
	b.chosen, b.ends = b.chosen[:0], b.ends[:0]
}

// row returns the choices of row r.
func (b *moeBuffers) row(r int) []hser.Choice {
	lo := 0
	if r > 0 {
		lo = b.ends[r-1]
	}
	return b.chosen[lo:b.ends[r]]
}

// group sorts the choices by expert, so that each expert is leased once and
// multiplies all of its rows together.
func (b *moeBuffers) group(layer int) {
	b.order, b.slots = grow(b.order, len(b.chosen)), grow(b.slots, len(b.chosen))
	for i := range b.order {
		b.order[i] = int32(i)
	}
	slices.SortFunc(b.order, func(i, j int32) int {
		if d := int(b.chosen[i].Index) - int(b.chosen[j].Index); d != 0 {
			return d
		}
		return int(i - j)
	})
	b.ids, b.runs = b.ids[:0], b.runs[:0]
	for at, i := range b.order {
		at := int32(at)
		b.slots[i] = at
		id := expert.ID{Layer: int32(layer), Index: b.chosen[i].Index} //nolint:gosec // a layer's number
		if n := len(b.ids); n == 0 || b.ids[n-1] != id {
			b.ids = append(b.ids, id)
			b.runs = append(b.runs, run{lo: at})
		}
		b.runs[len(b.runs)-1].hi = at + 1
	}
}

// rowOf is the row that made choice i.
func (b *moeBuffers) rowOf(i int32) int {
	r, _ := slices.BinarySearchFunc(b.ends, int(i), func(end, i int) int {
		if end > i {
			return 1
		}
		return -1
	})
	return r
}

// runExperts executes every chosen expert on its rows of in (the step's rows)
// as its bytes become readable, and leaves the outputs in b.outputs, a slot of
// dim values for each choice.
func (st *Step) runExperts(ctx context.Context, layer int, pools []Pool, in *linear.Input, dim int) error {
	b := &st.moe
	b.group(layer)
	b.outputs = grow(b.outputs, len(b.chosen)*dim)
	if st.Routed != nil {
		for r := range b.ends {
			st.Routed(layer, r, b.row(r))
		}
	}
	batch := st.Store.Acquire(b.ids)
	defer batch.Close()
	if st.Asked != nil {
		st.Asked(layer, b.ids)
	}
	for {
		lease, err := batch.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		at, _ := slices.BinarySearchFunc(b.ids, lease.ID(), func(a, id expert.ID) int { return int(a.Index - id.Index) })
		st.runExpert(lease, pools, in, b.runs[at], dim)
		lease.Release()
	}
}

// runExpert executes one expert on the rows that chose it.
func (st *Step) runExpert(lease expert.Lease, pools []Pool, in *linear.Input, run run, dim int) {
	b := &st.moe
	b.rows = b.rows[:0]
	size := int64(0)
	for part := range Parts {
		size += int64(len(lease.Part(part)))
	}
	for _, i := range b.order[run.lo:run.hi] {
		r := b.rowOf(i)
		b.rows = append(b.rows, r)
		st.ExpertBytes[r] += size
	}
	p := poolOf(pools, int(lease.ID().Index))
	f := FFN{
		Gate: Linear{W: p.Gate.of(lease.Part(PartGate))},
		Up:   Linear{W: p.Up.of(lease.Part(PartUp))},
		Down: Linear{W: p.Down.of(lease.Part(PartDown))},
	}
	if len(b.rows) < in.Len() {
		// The rows keep the quantised form that the router's input got, so
		// that a row is quantised once and not once per expert.
		st.prepare(in, st.all[:in.Len()], p.Gate.Type)
		st.prepare(in, st.all[:in.Len()], p.Up.Type)
		b.sub.Gather(in, b.rows)
		in = &b.sub
	}
	f.apply(st, b.outputs[int(run.lo)*dim:int(run.hi)*dim], in, b.rows)
}

// of is the matrix of one expert's projection.
func (s Slab) of(data []byte) linear.Matrix {
	return linear.Matrix{Type: s.Type, Rows: s.Rows, Cols: s.Cols, Data: data}
}

// poolOf returns the pool that holds the expert of that index. There are as
// many pools as tiers.
func poolOf(pools []Pool, index int) *Pool {
	lo, hi := 0, len(pools)-1
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); pools[mid].First+pools[mid].Count <= index {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return &pools[lo]
}

// combineTask adds each row's expert outputs in the model's order (rule 8).
type combineTask struct {
	dst    []float32
	dim    int
	nested bool
}

func (t *combineTask) run(st *Step, w int) {
	lo, hi := par.Split(len(st.Rows), st.pool.Workers(), w, 1)
	for r := lo; r < hi; r++ {
		dst := t.dst[r*t.dim : (r+1)*t.dim]
		clear(dst)
		if t.nested {
			t.addNested(st, &st.workers[w], dst, r)
		} else {
			t.addChain(st, dst, r, 0, len(st.moe.row(r)))
		}
	}
}

// addChain adds the outputs of choices [lo, hi) of row r to acc, by ascending
// index: acc = acc + float32(w*y).
func (t *combineTask) addChain(st *Step, acc []float32, r, lo, hi int) {
	b := &st.moe
	first := b.ends[r] - len(b.row(r))
	for i := first + lo; i < first+hi; i++ {
		slot := int(b.slots[i])
		st.Vec.AddScaled(acc, b.outputs[slot*t.dim:(slot+1)*t.dim], b.chosen[i].Weight)
	}
}

// addNested adds a group's experts to a group vector, groups to a tier vector,
// and tiers to dst, so that a group or a tier may be computed elsewhere and
// still give the same bits.
func (t *combineTask) addNested(st *Step, w *worker, dst []float32, r int) {
	w.tmp, w.tmp2 = grow(w.tmp, t.dim), grow(w.tmp2, t.dim)
	chosen := st.moe.row(r)
	for lo := 0; lo < len(chosen); {
		tier := chosen[lo].Tier
		clear(w.tmp2)
		for lo < len(chosen) && chosen[lo].Tier == tier {
			hi := lo + 1
			for hi < len(chosen) && chosen[hi].Tier == tier && chosen[hi].Group == chosen[lo].Group {
				hi++
			}
			clear(w.tmp)
			t.addChain(st, w.tmp, r, lo, hi)
			st.Vec.Add(w.tmp2, w.tmp2, w.tmp)
			lo = hi
		}
		st.Vec.Add(dst, dst, w.tmp2)
	}
}
