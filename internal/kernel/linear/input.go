package linear

import (
	"fmt"
	"math"

	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/quant"
)

// Input is a batch of activation rows, with the quantised forms that weights
// need. Its buffers are kept, so that a steady state allocates nothing.
type Input struct {
	x       []float32 // n rows of cols values
	n, cols int
	forms   [2]form // in blocks of 32, and of 256
}

// The indices of Input.forms.
const (
	form32 = iota
	form256
)

// formOf is the form that weights of type t read, or -1 for floats.
func formOf(t quant.Type) int {
	switch t.BlockLen() {
	case quant.Block32:
		return form32
	case quant.Block256:
		return form256
	}
	return -1
}

// NonFiniteError says that rows hold an infinity or a NaN, which no int8 can
// stand for. It concerns those rows and no others.
type NonFiniteError struct {
	Rows []int
}

// Error implements error.
func (e *NonFiniteError) Error() string {
	return fmt.Sprintf("the activations of row %d are not finite: the model's weights or its activations overflowed", e.Rows[0])
}

// Set makes in the n rows of cols values of x, row i at x[i*cols:]. x is
// borrowed until the next Set.
func (in *Input) Set(x []float32, n, cols int) {
	in.x, in.n, in.cols = x[:n*cols], n, cols
	in.forms[form32].ready, in.forms[form256].ready = false, false
}

// Len is the number of rows.
func (in *Input) Len() int { return in.n }

// Cols is the number of values of a row.
func (in *Input) Cols() int { return in.cols }

// row is the float values of row i.
func (in *Input) row(i int) []float32 { return in.x[i*in.cols : (i+1)*in.cols] }

// Gather makes in a copy of rows of src, in that order, with every quantised
// form that src has: a row that several experts read is quantised once.
func (in *Input) Gather(src *Input, rows []int) {
	in.n, in.cols = len(rows), src.cols
	in.x = grow(in.x, in.n*in.cols)
	for i, r := range rows {
		copyRow(in.x, src.x, i, r, in.cols)
	}
	for i := range in.forms {
		in.forms[i].gather(&src.forms[i], rows, in.cols)
	}
}

// Prepare quantises all rows for weights of type t, unless that is done. It
// returns a *NonFiniteError naming the rows that hold an infinity or a NaN;
// the others are prepared, and blocks that are not finite count as zeros.
func (k *Kernels) Prepare(in *Input, t quant.Type) error {
	which := formOf(t)
	if which < 0 {
		return nil
	}
	f := &in.forms[which]
	if !f.ready {
		f.resize(t.BlockLen(), in.n, in.cols)
		for i := range in.n {
			if !k.quantizeRow(f, in.row(i), i) {
				f.bad = append(f.bad, i)
			}
		}
		f.ready = true
	}
	if len(f.bad) > 0 {
		return &NonFiniteError{Rows: f.bad}
	}
	return nil
}

// quantizeRow quantises one row and says whether all of it is finite.
func (k *Kernels) quantizeRow(f *form, x []float32, row int) bool {
	n := len(x)
	if n == 0 {
		return true
	}
	q, b := f.q[row*n:(row+1)*n], n/f.block
	if f.block == quant.Block32 {
		m := f.meta32[row*b : (row+1)*b]
		if k.impl == kernel.AVX2 {
			return quantize32AVX2(q, m, x)
		}
		return quantize32Reference(q, m, x)
	}
	m := f.meta256[row*b : (row+1)*b]
	if k.impl == kernel.AVX2 {
		return quantize256AVX2(q, m, x)
	}
	return quantize256Reference(q, m, x)
}

// Rule 3 quantises a block to zeros when all of its values are below 2^-100,
// so that 127/absmax never overflows, and refuses what is not finite.
const (
	minNormal = 0x0d800000 // 2^-100
	infinite  = 0x7f800000
)

func quantize32Reference(q []int8, meta []meta32, x []float32) bool {
	finite := true
	for b := range meta {
		d, ok := quantizeBlock(q[b*32:b*32+32], x[b*32:b*32+32])
		meta[b] = meta32{d: d, sum: int32(sum(q[b*32 : b*32+32]))}
		finite = finite && ok
	}
	return finite
}

func quantize256Reference(q []int8, meta []meta256, x []float32) bool {
	finite := true
	for b := range meta {
		d, ok := quantizeBlock(q[b*256:b*256+256], x[b*256:b*256+256])
		meta[b] = meta256{d: d}
		for i := range meta[b].sums16 {
			meta[b].sums16[i] = sum(q[b*256+i*16 : b*256+i*16+16])
		}
		for i := range meta[b].sums32 {
			meta[b].sums32[i] = meta[b].sums16[2*i] + meta[b].sums16[2*i+1]
		}
		finite = finite && ok
	}
	return finite
}

// quantizeBlock is rule 3: d = absmax/127 and q = x * (127/absmax), rounded to
// nearest, ties to even.
func quantizeBlock(q []int8, x []float32) (d float32, finite bool) {
	var m uint32
	for _, f := range x {
		m = max(m, math.Float32bits(f)&0x7fffffff)
	}
	if m < minNormal || m >= infinite {
		clear(q)
		return 0, m < minNormal
	}
	absmax := math.Float32frombits(m)
	inverse := 127 / absmax
	for i, f := range x {
		q[i] = int8(math.RoundToEven(float64(float32(f * inverse))))
	}
	return absmax / 127, true
}

func sum(q []int8) int16 {
	var s int16
	for _, v := range q {
		s += int16(v)
	}
	return s
}
