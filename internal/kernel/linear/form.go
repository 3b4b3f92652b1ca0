package linear

import (
	"github.com/lite-llm/lite/internal/quant"
)

// form is rows of activations quantised in blocks of one length: value = d·q.
// The fields of a block beside its values stand together, as the kernels read
// them.
type form struct {
	ready   bool
	block   int
	q       []int8    // n × cols
	meta32  []meta32  // n × cols/32, for blocks of 32
	meta256 []meta256 // n × cols/256, for blocks of 256
	bad     []int     // rows with infinities or NaNs
}

// meta32 is what belongs to a block of 32 values.
type meta32 struct {
	d   float32
	sum int32 // of the 32 q
}

// meta256 is what belongs to a block of 256 values. The sums stand where
// weights need them in pairs.
type meta256 struct {
	sums16 [16]int16 // of 16 q each
	sums32 [8]int16  // of 32 q each
	d      float32
	_      [3]float32 // one cache line
}

// resize makes room for n rows; the content is unspecified.
func (f *form) resize(block, n, cols int) {
	f.block = block
	f.q = grow(f.q, n*cols)
	if block == quant.Block32 {
		f.meta32 = grow(f.meta32, n*(cols/32))
	} else {
		f.meta256 = grow(f.meta256, n*(cols/256))
	}
	f.bad = f.bad[:0]
}

// gather makes f a copy of rows of src, where src is ready.
func (f *form) gather(src *form, rows []int, cols int) {
	f.ready = src.ready
	if !src.ready {
		return
	}
	f.resize(src.block, len(rows), cols)
	for i, r := range rows {
		copyRow(f.q, src.q, i, r, cols)
		if f.block == quant.Block32 {
			copyRow(f.meta32, src.meta32, i, r, cols/32)
		} else {
			copyRow(f.meta256, src.meta256, i, r, cols/256)
		}
	}
}

func copyRow[T any](dst, src []T, to, from, n int) {
	copy(dst[to*n:(to+1)*n], src[from*n:(from+1)*n])
}

// grow returns s with length n, keeping its memory when it is large enough.
// The content is unspecified.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
