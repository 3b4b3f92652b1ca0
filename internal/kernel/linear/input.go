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

// form is the rows quantised in blocks of one length: value = d * q.
type form struct {
	ready  bool
	block  int
	q      []int8    // n × cols
	d      []float32 // n × cols/block
	sums   []int16   // sums of 32 q: n × cols/32
	sums16 []int16   // sums of 16 q, for blocks of 256: n × cols/16
	bad    []int     // rows with infinities or NaNs
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

// Gather makes in a copy of rows of src, in that order, with every quantised
// form that src has: a row that several experts read is quantised once.
func (in *Input) Gather(src *Input, rows []int) {
	in.n, in.cols = len(rows), src.cols
	in.x = grow(in.x, in.n*in.cols)
	for i, r := range rows {
		copy(in.x[i*in.cols:(i+1)*in.cols], src.x[r*src.cols:])
	}
	for i := range in.forms {
		in.forms[i].gather(&src.forms[i], rows, in.cols)
	}
}

func (f *form) gather(src *form, rows []int, cols int) {
	f.ready = src.ready
	if !src.ready {
		return
	}
	f.resize(src.block, len(rows), cols)
	f.bad = f.bad[:0]
	for i, r := range rows {
		copyRow(f.q, src.q, i, r, cols)
		copyRow(f.d, src.d, i, r, cols/f.block)
		copyRow(f.sums, src.sums, i, r, cols/32)
		if f.block == quant.Block256 {
			copyRow(f.sums16, src.sums16, i, r, cols/16)
		}
	}
}

func copyRow[T any](dst, src []T, to, from, n int) {
	copy(dst[to*n:(to+1)*n], src[from*n:(from+1)*n])
}

func (f *form) resize(block, n, cols int) {
	f.block = block
	f.q = grow(f.q, n*cols)
	f.d = grow(f.d, n*(cols/block))
	f.sums = grow(f.sums, n*(cols/32))
	if block == quant.Block256 {
		f.sums16 = grow(f.sums16, n*(cols/16))
	}
}

// grow returns s with length n, keeping its memory when it is large enough.
// The content is unspecified.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// Prepare quantises all rows for weights of type t, unless that is done. It
// returns a *NonFiniteError naming the rows that hold an infinity or a NaN;
// the others are prepared, and those count as zeros.
func (k *Kernels) Prepare(in *Input, t quant.Type) error {
	which := formOf(t)
	if which < 0 {
		return nil
	}
	f := &in.forms[which]
	if !f.ready {
		f.resize(t.BlockLen(), in.n, in.cols)
		f.bad = f.bad[:0]
		for i := range in.n {
			if !k.quantizeRow(f, in.x[i*in.cols:(i+1)*in.cols], i) {
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
	q, d := f.q[row*n:(row+1)*n], f.d[row*(n/f.block):(row+1)*(n/f.block)]
	sums := f.sums[row*(n/32) : (row+1)*(n/32)]
	quantize := quantizeReference
	if k.impl == kernel.AVX2 {
		quantize = quantizeAVX2
	}
	ok := quantize(q, d, sums, x, f.block)
	if f.block == quant.Block256 {
		sum16(f.sums16[row*(n/16):(row+1)*(n/16)], q)
	}
	return ok
}

// minNormal is 2^-100: blocks whose values are all smaller become zeros, so
// that 127/absmax never overflows.
const minNormal = 0x0d800000

// quantizeReference is rule 3: per block, d = absmax/127 and
// q = round(x * (127/absmax)), ties to even; sums of each 32 q.
func quantizeReference(q []int8, d []float32, sums []int16, x []float32, block int) bool {
	finite := true
	for b := range d {
		v, out := x[b*block:(b+1)*block], q[b*block:(b+1)*block]
		var m uint32
		for _, f := range v {
			m = max(m, math.Float32bits(f)&0x7fffffff)
		}
		if m < minNormal || m >= 0x7f800000 {
			finite = finite && m < minNormal
			d[b] = 0
			clear(out)
			continue
		}
		absmax := math.Float32frombits(m)
		d[b] = absmax / 127
		inverse := 127 / absmax
		for i, f := range v {
			out[i] = int8(math.RoundToEven(float64(float32(f * inverse))))
		}
	}
	for i := range sums {
		var s int16
		for _, v := range q[i*32 : i*32+32] {
			s += int16(v)
		}
		sums[i] = s
	}
	return finite
}

func sum16(sums []int16, q []int8) {
	for i := range sums {
		var s int16
		for _, v := range q[i*16 : i*16+16] {
			s += int16(v)
		}
		sums[i] = s
	}
}
