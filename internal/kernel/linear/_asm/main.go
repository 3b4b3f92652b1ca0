// Command asm writes the AVX2 kernels of package linear.
//
// A product with one row of activations reads blocks as files store them
// (gemv.go); with several, sixteen rows of weights are unpacked once to a panel
// (pack.go) that tiles of up to six rows of activations share (gemm.go). The
// integer part is exact in any order; the float part follows the chain of
// blocks, a product and then an addition, with a row of weights for each lane.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	ConstraintExpr("amd64,!purego")
	declareConstants()
	for _, f := range formats32 {
		gemv32(f)
		pack32(f)
		for _, n := range tileRows {
			gemm(f.class(), n)
		}
	}
	for _, f := range formats256 {
		gemv256(f)
		pack256(f)
		for _, n := range tileRows {
			gemm(f.class(), n)
		}
	}
	quantize(32)
	quantize(256)
	for _, e := range []string{"F32", "F16", "BF16"} {
		for _, t := range [][2]int{{4, 1}, {2, 3}, {2, 2}, {1, 3}, {1, 2}, {1, 1}} {
			floats(e, t[0], t[1])
		}
	}
	Generate()
}

// tileRows are the rows of activations that the tiles of a product take.
var tileRows = []int{6, 4, 2, 1}

func begin(name, signature, doc string, more ...string) {
	TEXT(name, NOSPLIT, signature)
	Pragma("noescape")
	Doc(append([]string{name + " " + doc}, more...)...)
}

func end() {
	VZEROUPPER()
	RET()
}

func arg(name string) GPVirtual { return Load(Param(name), GP64()).(GPVirtual) }

func at(b Register, d int) Mem { return Mem{Base: b, Disp: d} }

func vectors(n int) []VecVirtual {
	v := make([]VecVirtual, n)
	for i := range v {
		v[i] = YMM()
	}
	return v
}

func zero(v VecVirtual) { VPXOR(v, v, v) }

// local is n bytes of the stack frame aligned to 64. Go aligns the stack to 8
// only, and a vector across two cache lines is slow.
func local(n int) Mem {
	l, r := AllocLocal(n+64), GP64()
	LEAQ(l.Offset(63), r)
	ANDQ(I8(-64), r)
	return Mem{Base: r}
}

var labels int

// loop repeats body until n, which is at least one, reaches zero.
func loop(n Register, body func()) {
	labels++
	label := fmt.Sprintf("loop%d", labels)
	Label(label)
	body()
	DECQ(n)
	JNZ(LabelRef(label))
}

// rows addresses up to eight rows at a stride.
type rows struct {
	w, w4, stride, stride3 GPVirtual
}

// newRows addresses rows from w on. Advance moves it along them.
func newRows(w, stride, stride3 GPVirtual) *rows {
	r := &rows{w: w, w4: GP64(), stride: stride, stride3: stride3}
	LEAQ(Mem{Base: w, Index: stride, Scale: 4}, r.w4)
	return r
}

func triple(stride GPVirtual) GPVirtual {
	t := GP64()
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, t)
	return t
}

// at is d bytes into row i.
func (r *rows) at(i, d int) Mem {
	b := r.w
	if i >= 4 {
		b = r.w4
	}
	switch i & 3 {
	case 0:
		return Mem{Base: b, Disp: d}
	case 3:
		return Mem{Base: b, Index: r.stride3, Scale: 1, Disp: d}
	}
	return Mem{Base: b, Index: r.stride, Scale: uint8(i & 3), Disp: d}
}

func (r *rows) advance(n int) {
	ADDQ(U32(n), r.w)
	ADDQ(U32(n), r.w4)
}

// row is the address d bytes into one row.
type row func(d int) Mem

func (r *rows) row(i int) row { return func(d int) Mem { return r.at(i, d) } }

// transpose8 transposes an 8 x 8 matrix of 32-bit words.
func transpose8(v []VecVirtual) []VecVirtual {
	t, u, o := vectors(8), vectors(8), vectors(8)
	for i := range 4 {
		VPUNPCKLDQ(v[2*i+1], v[2*i], t[2*i])
		VPUNPCKHDQ(v[2*i+1], v[2*i], t[2*i+1])
	}
	for i := range 2 {
		VPUNPCKLQDQ(t[4*i+2], t[4*i], u[4*i])
		VPUNPCKHQDQ(t[4*i+2], t[4*i], u[4*i+1])
		VPUNPCKLQDQ(t[4*i+3], t[4*i+1], u[4*i+2])
		VPUNPCKHQDQ(t[4*i+3], t[4*i+1], u[4*i+3])
	}
	for i := range 4 {
		VPERM2I128(U8(0x20), u[i+4], u[i], o[i])
		VPERM2I128(U8(0x31), u[i+4], u[i], o[i+4])
	}
	return o
}

// addTree4 sums each of four vectors of int32 within halves: lane i of each
// half of the result is the sum of v[i]'s half.
func addTree4(v []VecVirtual) VecVirtual {
	t := YMM()
	pair := func(a, b VecVirtual) {
		VPUNPCKHDQ(b, a, t)
		VPUNPCKLDQ(b, a, a)
		VPADDD(t, a, a)
	}
	pair(v[0], v[1])
	pair(v[2], v[3])
	VPUNPCKHQDQ(v[2], v[0], t)
	VPUNPCKLQDQ(v[2], v[0], v[0])
	VPADDD(t, v[0], v[0])
	return v[0]
}
