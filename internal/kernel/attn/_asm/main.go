// Command asm writes the AVX2 kernels of package attn: tiles of c += a·b where
// b is stored as F16, BF16 or F32.
//
// A tile keeps its part of c in registers. Every element of c is one chain, a
// product and then an addition for each row of b, ascending; the lanes are
// columns of b.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	ConstraintExpr("amd64,!purego")
	// Eight accumulators keep both adders busy while an addition's result is
	// on its way; the narrow tiles serve what is left of a row of b.
	tile(4, 16)
	tile(3, 16)
	tile(2, 32)
	tile(2, 16)
	tile(1, 64)
	tile(1, 16)
	tile(1, 8)
	Generate()
}

// operands are what one round of a tile works on.
type operands struct {
	a    []Mem        // the next element of each row of a
	b    Register     // the next row of b
	acc  [][]Register // rows × vectors of eight columns
	rows int
	vecs int
}

// tile writes the kernel for rows × cols elements of c.
func tile(rows, cols int) {
	name := fmt.Sprintf("accumulate%dx%d", rows, cols)
	TEXT(name, NOSPLIT, "func(c *float32, ldc int, a *float32, lda int, b *byte, ldb, n int, elem uint8)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s adds the product of a, %d rows of n, and b, n rows of %d columns, to c.", name, rows, cols),
		"ldc and lda are in elements, ldb in bytes.")
	c := pointers(Load(Param("c"), GP64()), Load(Param("ldc"), GP64()), rows)
	a := pointers(Load(Param("a"), GP64()), Load(Param("lda"), GP64()), rows)
	b, ldb, n := Load(Param("b"), GP64()), Load(Param("ldb"), GP64()), Load(Param("n"), GP64())
	o := operands{a: a.mem, b: b, rows: rows, vecs: cols / 8}
	for r := range rows {
		o.acc = append(o.acc, nil)
		for v := range o.vecs {
			y := YMM()
			VMOVUPS(c.mem[r].Offset(32*v), y)
			o.acc[r] = append(o.acc[r], y)
		}
	}
	elem := Load(Param("elem"), GP8())
	CMPB(elem, U8(1))
	JEQ(LabelRef("bf16"))
	JHI(LabelRef("f32"))
	for _, e := range []string{"f16", "bf16", "f32"} {
		Label(e)
		round(o, e)
		ADDQ(ldb, b)
		for _, p := range a.bases {
			ADDQ(U8(4), p)
		}
		DECQ(n)
		JNZ(LabelRef(e))
		if e != "f32" {
			JMP(LabelRef("store"))
		}
	}
	Label("store")
	for r := range rows {
		for v, y := range o.acc[r] {
			VMOVUPS(y, c.mem[r].Offset(32*v))
		}
	}
	VZEROUPPER()
	RET()
}

// strided addresses up to four rows of float32.
type strided struct {
	bases []Register
	mem   []Mem
}

func pointers(base, ld Register, rows int) strided {
	s := strided{bases: []Register{base}}
	if rows > 1 {
		SHLQ(U8(2), ld)
	}
	for r := range min(rows, 3) {
		m := Mem{Base: base}
		if r > 0 {
			m = Mem{Base: base, Index: ld, Scale: uint8(r)}
		}
		s.mem = append(s.mem, m)
	}
	if rows == 4 {
		last := GP64()
		LEAQ(Mem{Base: base, Index: ld, Scale: 2}, last)
		ADDQ(ld, last)
		s.bases = append(s.bases, last)
		s.mem = append(s.mem, Mem{Base: last})
	}
	return s
}

// round adds one row of b, times the next element of every row of a.
func round(o operands, e string) {
	if o.rows == 1 {
		x := YMM()
		VBROADCASTSS(o.a[0], x)
		for v := range o.vecs {
			w := widen(o.b, v, e)
			VMULPS(x, w, w)
			VADDPS(w, o.acc[0][v], o.acc[0][v])
		}
		return
	}
	var w []VecVirtual
	for v := range o.vecs {
		w = append(w, widen(o.b, v, e))
	}
	x, p := YMM(), YMM()
	for r := range o.rows {
		VBROADCASTSS(o.a[r], x)
		for v := range o.vecs {
			VMULPS(x, w[v], p)
			VADDPS(p, o.acc[r][v], o.acc[r][v])
		}
	}
}

// widen loads eight columns as float32, which is exact.
func widen(b Register, v int, e string) VecVirtual {
	y := YMM()
	switch e {
	case "f16":
		VCVTPH2PS(Mem{Base: b, Disp: 16 * v}, y)
	case "bf16":
		VPMOVZXWD(Mem{Base: b, Disp: 16 * v}, y)
		VPSLLD(U8(16), y, y)
	default:
		VMOVUPS(Mem{Base: b, Disp: 32 * v}, y)
	}
	return y
}
