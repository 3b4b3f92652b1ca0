package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// class is what a tile needs to know about a panel.
type class struct {
	name   string
	super  bool // of 256 values with integer sub-scales
	bits   int
	min    bool
	offset int
}

func (f format32) class() class {
	return class{name: f.name, bits: f.bits, min: f.min, offset: f.offset}
}

func (f format256) class() class {
	return class{name: f.name, super: true, bits: f.bits, min: f.bits < 6}
}

// tile is 16 rows of weights by up to six rows of activations. Two vectors
// hold the 16 rows of one row of activations.
type tile struct {
	class
	n       int
	c, w    GPVirtual
	x, meta *rows6
	sum     []VecVirtual
	scales  GPVirtual
	spilled Mem
	spill   bool
}

// rows6 addresses up to six rows at a stride.
type rows6 struct{ a, b, stride GPVirtual }

func newRows6(a, stride GPVirtual, n int) *rows6 {
	r := &rows6{a: a, stride: stride}
	if n > 3 {
		r.b = GP64()
		LEAQ(Mem{Base: a, Index: stride, Scale: 2}, r.b)
		ADDQ(stride, r.b)
	}
	return r
}

func (r *rows6) at(i, d int) Mem {
	b := r.a
	if i >= 3 {
		b, i = r.b, i-3
	}
	if i == 0 {
		return Mem{Base: b, Disp: d}
	}
	return Mem{Base: b, Index: r.stride, Scale: uint8(i), Disp: d}
}

func (r *rows6) advance(n int) {
	ADDQ(U32(n), r.a)
	if r.b != nil {
		ADDQ(U32(n), r.b)
	}
}

// gemm writes the tile of n rows of activations.
func gemm(cl class, n int) {
	name := fmt.Sprintf("gemm%sx%d", cl.name, n)
	begin(name, "func(c *float32, w *byte, x *int8, ldx int, meta *byte, ldm, blocks int)",
		fmt.Sprintf("writes the product of a panel of %s and %d rows of activations to c [%d][16].", cl.name, n, n),
		"ldx and ldm are the bytes between rows.")
	t := &tile{class: cl, n: n, c: arg("c"), w: arg("w")}
	t.x, t.meta = newRows6(arg("x"), arg("ldx"), n), newRows6(arg("meta"), arg("ldm"), n)
	blocks := arg("blocks")
	// Sums of 4-bit values stay in 16 bits through 32 of them, and those of a
	// super-block go to memory when six rows of activations fill the registers.
	t.spill = cl.super && cl.bits == 4 && n > 3
	if t.spill {
		t.spilled = local(64 * n)
	}
	if cl.super {
		t.scales = GP64()
	}
	z := YMM()
	zero(z)
	for i := range 2 * n {
		VMOVUPS(z, at(t.c, 32*i))
	}
	loop(blocks, func() {
		if cl.super {
			t.superBlock()
		} else {
			t.block()
		}
	})
	end()
}

// clear begins the integer sums of a block.
func (t *tile) clear() {
	t.sum = vectors(2 * t.n)
	for i, s := range t.sum {
		switch {
		case !t.spill:
			zero(s)
		case i == 0:
			zero(s)
			VMOVDQU(s, t.spilled)
		default:
			VMOVDQU(t.sum[0], t.spilled.Offset(32*i))
		}
	}
}

// block is 32 values.
func (t *tile) block() {
	if t.bits == 4 {
		t.sum = t.narrow()
		for _, s := range t.sum {
			VPMADDWD(constants.ones16, s, s)
		}
	} else {
		t.clear()
		for q := 0; q < 8; q += t.step() {
			t.wide(q*quadBytes, 4*q, func(int) Mem { return constants.ones16 })
		}
	}
	for i := range t.n {
		dx, d := YMM(), YMM()
		VBROADCASTSS(t.meta.at(i, 0), dx)
		if t.offset > 0 {
			VPBROADCASTD(t.meta.at(i, 4), d)
			VPSLLD(U8(t.offset), d, d)
			VPSUBD(d, t.sum[2*i], t.sum[2*i])
			VPSUBD(d, t.sum[2*i+1], t.sum[2*i+1])
		}
		for h := range 2 {
			s := t.sum[2*i+h]
			VCVTDQ2PS(s, s)
			VMULPS(at(t.w, floatsAt32+32*h), dx, d)
			VMULPS(d, s, s)
			VADDPS(at(t.c, 64*i+32*h), s, s)
			if t.min {
				m := YMM()
				VMULPS(at(t.w, floatsAt32+64+32*h), dx, d)
				VPBROADCASTD(t.meta.at(i, 4), m)
				VCVTDQ2PS(m, m)
				VMULPS(m, d, d)
				VADDPS(d, s, s)
			}
			VMOVUPS(s, at(t.c, 64*i+32*h))
		}
	}
	ADDQ(U32(panel32), t.w)
	t.x.advance(32)
	t.meta.advance(8)
}

// superBlock is 256 values: eight rounds of 32.
func (t *tile) superBlock() {
	t.clear()
	j := GP64()
	LEAQ(at(t.w, scalesAt), t.scales)
	MOVQ(U32(8), j)
	loop(j, func() {
		switch t.bits {
		case 4:
			for i, s := range t.narrow() {
				VPMADDWD(at(t.scales, 32*(i&1)), s, s)
				if t.spill {
					VPADDD(t.spilled.Offset(32*i), s, s)
					VMOVDQU(s, t.spilled.Offset(32*i))
				} else {
					VPADDD(s, t.sum[i], t.sum[i])
				}
			}
			ADDQ(U8(64), t.scales)
		case 5:
			for q := 0; q < 8; q += t.step() {
				t.wide(q*quadBytes, 4*q, func(h int) Mem { return at(t.scales, 32*h) })
			}
			ADDQ(U8(64), t.scales)
		case 6:
			for q := 0; q < 8; q += t.step() {
				t.wide(q*quadBytes, 4*q, func(h int) Mem { return at(t.scales, 64*(q/4)+32*h) })
			}
			ADDQ(U32(128), t.scales)
		}
		ADDQ(U32(8*quadBytes), t.w)
		t.x.advance(32)
	})
	// t.w stands behind the quads now, t.scales behind the scales.
	for i := range t.n {
		t.finish(i)
	}
	if t.bits == 6 {
		ADDQ(U32(panel6-scalesAt), t.w)
	} else {
		ADDQ(U32(panelK-scalesAt), t.w)
	}
	t.meta.advance(metaSize)
}

// finish adds a super-block to row i of c.
func (t *tile) finish(i int) {
	pairs, sums, floats := minimaAt-scalesAt, metaSums32, floatsAtK-scalesAt
	count := 4
	if t.bits == 6 {
		pairs, sums, floats, count = pairsAt-scalesAt, metaSums16, floatsAt6-scalesAt, 8
	}
	m, xv, p := vectors(2), YMM(), YMM()
	for k := range count {
		VPBROADCASTD(t.meta.at(i, sums+4*k), xv)
		for h := range m {
			if k == 0 {
				VPMADDWD(at(t.w, pairs+32*h), xv, m[h])
			} else {
				VPMADDWD(at(t.w, pairs+64*k+32*h), xv, p)
				VPADDD(p, m[h], m[h])
			}
		}
	}
	VBROADCASTSS(t.meta.at(i, metaScale), xv)
	for h := range m {
		s := t.sum[2*i+h]
		if t.spill {
			s = YMM()
			VMOVDQU(t.spilled.Offset(32*(2*i+h)), s)
		}
		if t.bits == 6 {
			VPSLLD(U8(5), m[h], m[h])
			VPSUBD(m[h], s, s)
		}
		VCVTDQ2PS(s, s)
		VMULPS(at(t.w, floats+32*h), xv, p)
		VMULPS(p, s, s)
		VADDPS(at(t.c, 64*i+32*h), s, s)
		if t.bits < 6 {
			VCVTDQ2PS(m[h], m[h])
			VMULPS(at(t.w, floats+64+32*h), xv, p)
			VMULPS(p, m[h], m[h])
			VSUBPS(m[h], s, s)
		}
		VMOVUPS(s, at(t.c, 64*i+32*h))
	}
}

// narrow multiplies eight quads and keeps the sums in 16 bits: eight pairs of
// 2 x 15 x 127 are 30,480.
func (t *tile) narrow() []VecVirtual {
	a, wv, xv, p := vectors(2*t.n), vectors(2), YMM(), YMM()
	for q := range 8 {
		VMOVDQU(at(t.w, q*quadBytes), wv[0])
		VMOVDQU(at(t.w, q*quadBytes+32), wv[1])
		for i := range t.n {
			VPBROADCASTD(t.x.at(i, 4*q), xv)
			for h := range wv {
				if q == 0 {
					VPMADDUBSW(xv, wv[h], a[2*i+h])
				} else {
					VPMADDUBSW(xv, wv[h], p)
					VPADDW(p, a[2*i+h], a[2*i+h])
				}
			}
		}
	}
	return a
}

// step is the number of quads whose pairs of products fit 16 bits together:
// two pairs of 2 x 63 x 127 are 32,004, one of 2 x 128 x 127 is 32,512.
func (t *tile) step() int {
	if t.bits == 8 {
		return 1
	}
	return 2
}

// wide multiplies step quads and adds them to the 32-bit sums, times scale.
func (t *tile) wide(w, x int, scale func(h int) Mem) {
	if t.bits == 8 {
		wv, xv, p := vectors(2), YMM(), YMM()
		VPABSB(at(t.w, w), wv[0])
		VPABSB(at(t.w, w+32), wv[1])
		for i := range t.n {
			VPBROADCASTD(t.x.at(i, x), xv)
			for h := range wv {
				VPSIGNB(at(t.w, w+32*h), xv, p)
				VPMADDUBSW(p, wv[h], p)
				VPMADDWD(scale(h), p, p)
				VPADDD(p, t.sum[2*i+h], t.sum[2*i+h])
			}
		}
		return
	}
	for h := range 2 {
		wv, p := vectors(2), vectors(2)
		VMOVDQU(at(t.w, w+32*h), wv[0])
		VMOVDQU(at(t.w, w+quadBytes+32*h), wv[1])
		for i := range t.n {
			for q := range 2 {
				VPBROADCASTD(t.x.at(i, x+4*q), p[q])
				VPMADDUBSW(p[q], wv[q], p[q])
			}
			VPADDW(p[1], p[0], p[0])
			VPMADDWD(scale(h), p[0], p[0])
			VPADDD(p[0], t.sum[2*i+h], t.sum[2*i+h])
		}
	}
}
