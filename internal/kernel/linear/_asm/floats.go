package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// floats writes the product of some rows of float weights with some rows of
// activations, in 16 virtual lanes along the row: two vectors for each output.
func floats(elem string, nw, nx int) {
	name := fmt.Sprintf("dot%s_%dx%d", elem, nw, nx)
	begin(name, "func(c *float32, ldc int, w *byte, ldw int, x *float32, ldx, n int)",
		fmt.Sprintf("writes the products of %d rows of %s and %d rows of activations of n values,", nw, elem, nx),
		"a multiple of 16. ldw and ldx are the bytes between rows, ldc the floats.")
	c, ldc := arg("c"), arg("ldc")
	w, x := newRows6(arg("w"), arg("ldw"), nw), newRows6(arg("x"), arg("ldx"), nx)
	n := arg("n")
	SHLQ(U8(2), ldc)
	acc := make([][]VecVirtual, nw*nx)
	for i := range acc {
		acc[i] = vectors(2)
		zero(acc[i][0])
		zero(acc[i][1])
	}
	size := 2
	if elem == "F32" {
		size = 4
	}
	SHRQ(U8(4), n)
	loop(n, func() {
		if nx == 1 {
			PREFETCHT0(w.at(0, 1024))
			if nw > 1 {
				for i := 1; i < nw; i++ {
					PREFETCHT0(w.at(i, 1024))
				}
			}
		}
		for h := range 2 {
			wv, p := make([]VecVirtual, nw), YMM()
			for i := range wv {
				wv[i] = widen(elem, w.at(i, 8*size*h))
			}
			for k := range nx {
				for i := range wv {
					VMULPS(x.at(k, 32*h), wv[i], p)
					VADDPS(p, acc[k*nw+i][h], acc[k*nw+i][h])
				}
			}
		}
		w.advance(16 * size)
		x.advance(64)
	})
	for k := range nx {
		for i := range nw {
			VMOVSS(laneTree(acc[k*nw+i]), at(c, 4*i))
		}
		if k < nx-1 {
			ADDQ(ldc, c)
		}
	}
	end()
}

// widen loads eight values as float32, which is exact.
func widen(elem string, m Mem) VecVirtual {
	v := YMM()
	switch elem {
	case "F16":
		VCVTPH2PS(m, v)
	case "BF16":
		VPMOVZXWD(m, v)
		VPSLLD(U8(16), v, v)
	default:
		VMOVUPS(m, v)
	}
	return v
}

// laneTree adds lanes i and i+8, then i+4, i+2 and i+1.
func laneTree(v []VecVirtual) VecVirtual {
	x, t := XMM(), XMM()
	VADDPS(v[1], v[0], v[0])
	VEXTRACTF128(U8(1), v[0], x)
	VADDPS(x, v[0].AsX(), x)
	VPERMILPD(U8(1), x, t)
	VADDPS(t, x, x)
	VMOVSHDUP(x, t)
	VADDSS(t, x, x)
	return x
}
