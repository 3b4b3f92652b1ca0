// Command asm writes the AVX2 kernels of package vec.
//
// Every kernel walks slices of one length, a multiple of 16, two vectors of
// eight float32 at a time. Each step is a separately rounded instruction in
// the order of the reference: none is fused.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// step is what one round of a loop handles: two vectors of eight float32.
const step = 16

func main() {
	ConstraintExpr("amd64,!purego")

	elementwise("expAVX2", "expAVX2 writes exp(x - shift).", "dst, x []float32, shift float32", func(a args, v VecVirtual, at Mem) {
		VSUBPS(a.scalar("shift"), v, v)
		exp(v)
	})
	elementwise("sigmoidAVX2", "sigmoidAVX2 writes 1/(1+exp(-x)).", "dst, x []float32", func(_ args, v VecVirtual, at Mem) {
		onePlusExpNegated(v)
		VDIVPS(v, load(one), v)
	})
	elementwise("siluMulAVX2", "siluMulAVX2 writes x/(1+exp(-x)) times up.", "dst, x, up []float32", func(a args, v VecVirtual, at Mem) {
		x := YMM()
		VMOVAPS(v, x)
		onePlusExpNegated(v)
		VDIVPS(v, x, v)
		VMULPS(a.like(at, "up"), v, v)
	})
	elementwise("addAVX2", "addAVX2 writes x+y.", "dst, x, y []float32", func(a args, v VecVirtual, at Mem) {
		VADDPS(a.like(at, "y"), v, v)
	})
	elementwise("mulAVX2", "mulAVX2 writes x*y.", "dst, x, y []float32", func(a args, v VecVirtual, at Mem) {
		VMULPS(a.like(at, "y"), v, v)
	})
	elementwise("scaleAVX2", "scaleAVX2 writes x*s.", "dst, x []float32, s float32", func(a args, v VecVirtual, at Mem) {
		VMULPS(a.scalar("s"), v, v)
	})
	elementwise("divAVX2", "divAVX2 writes x/s.", "dst, x []float32, s float32", func(a args, v VecVirtual, at Mem) {
		VDIVPS(a.scalar("s"), v, v)
	})
	elementwise("scaleMulAVX2", "scaleMulAVX2 writes x*s, rounded, times w.", "dst, x, w []float32, s float32", func(a args, v VecVirtual, at Mem) {
		VMULPS(a.scalar("s"), v, v)
		VMULPS(a.like(at, "w"), v, v)
	})
	elementwise("addScaledAVX2", "addScaledAVX2 writes y plus x*s, rounded.", "dst, x, y []float32, s float32", func(a args, v VecVirtual, at Mem) {
		VMULPS(a.scalar("s"), v, v)
		VADDPS(a.like(at, "y"), v, v)
	})
	elementwise("blendAVX2", "blendAVX2 writes x*s + y*t, each product rounded.", "dst, x, y []float32, s, t float32", func(a args, v VecVirtual, at Mem) {
		y := YMM()
		VMULPS(a.like(at, "y"), a.scalar("t"), y)
		VMULPS(a.scalar("s"), v, v)
		VADDPS(y, v, v)
	})

	lanewise("squaresAVX2", "squaresAVX2 adds the squares of x to 16 lanes.", func(v VecVirtual) { VMULPS(v, v, v) })
	lanewise("sumAVX2", "sumAVX2 adds x to 16 lanes.", func(VecVirtual) {})
	maximum()
	Generate()
}

// args are the loaded parameters of a kernel, by name.
type args struct {
	slices  map[string]Register
	scalars map[string]VecVirtual
}

func (a args) scalar(name string) VecVirtual { return a.scalars[name] }

// like is the same element as at, in another slice.
func (a args) like(at Mem, name string) Mem {
	at.Base = a.slices[name]
	return at
}

// elementwise writes a kernel that computes each element of dst from the same
// element of x and of the other slices.
func elementwise(name, doc, params string, body func(a args, v VecVirtual, at Mem)) {
	TEXT(name, NOSPLIT, "func("+params+")")
	Pragma("noescape")
	Doc(doc + " The slices have one length, a multiple of 16.")
	a := args{map[string]Register{}, map[string]VecVirtual{}}
	for _, p := range []string{"dst", "x", "y", "w", "up"} {
		if has(params, p) {
			a.slices[p] = Load(Param(p).Base(), GP64())
		}
	}
	for _, p := range []string{"shift", "s", "t"} {
		if has(params, p) {
			v := YMM()
			m, err := Param(p).Resolve()
			if err != nil {
				panic(err)
			}
			VBROADCASTSS(m.Addr, v)
			a.scalars[p] = v
		}
	}
	loop("x", func(i Register) {
		for half := range 2 {
			at := Mem{Base: a.slices["x"], Index: i, Scale: 4, Disp: 32 * half}
			v := YMM()
			VMOVUPS(at, v)
			body(a, v, at)
			VMOVUPS(v, a.like(at, "dst"))
		}
	})
	VZEROUPPER()
	RET()
}

// loop runs body for i = 0, 16, … below the length of a slice.
func loop(slice string, body func(i Register)) {
	i, n := GP64(), Load(Param(slice).Len(), GP64())
	XORQ(i, i)
	JMP(LabelRef("test"))
	Label("next")
	body(i)
	ADDQ(U8(step), i)
	Label("test")
	CMPQ(i, n)
	JLT(LabelRef("next"))
}

// lanewise writes a kernel that adds a function of x to 16 lanes: element i to
// lane i mod 16.
func lanewise(name, doc string, f func(v VecVirtual)) {
	TEXT(name, NOSPLIT, "func(acc *[16]float32, x []float32)")
	Pragma("noescape")
	Doc(doc + " The length is a multiple of 16.")
	acc, x := Load(Param("acc"), GP64()), Load(Param("x").Base(), GP64())
	sum := [2]VecVirtual{YMM(), YMM()}
	for h := range sum {
		VMOVUPS(Mem{Base: acc, Disp: 32 * h}, sum[h])
	}
	loop("x", func(i Register) {
		for h := range sum {
			v := YMM()
			VMOVUPS(Mem{Base: x, Index: i, Scale: 4, Disp: 32 * h}, v)
			f(v)
			VADDPS(v, sum[h], sum[h])
		}
	})
	for h := range sum {
		VMOVUPS(sum[h], Mem{Base: acc, Disp: 32 * h})
	}
	VZEROUPPER()
	RET()
}

// maximum writes the kernel of the largest element, which is exact in any
// order.
func maximum() {
	TEXT("maxAVX2", NOSPLIT, "func(x []float32) float32")
	Pragma("noescape")
	Doc("maxAVX2 is the largest of x, whose length is a positive multiple of 16.")
	x := Load(Param("x").Base(), GP64())
	m := [2]VecVirtual{YMM(), YMM()}
	for h := range m {
		VMOVUPS(Mem{Base: x, Disp: 32 * h}, m[h])
	}
	loop("x", func(i Register) {
		for h := range m {
			VMAXPS(Mem{Base: x, Index: i, Scale: 4, Disp: 32 * h}, m[h], m[h])
		}
	})
	VMAXPS(m[1], m[0], m[0])
	half := XMM()
	VEXTRACTF128(U8(1), m[0], half)
	low := m[0].AsX()
	VMAXPS(half, low, low)
	VPERMILPS(U8(0b01_00_11_10), low, half)
	VMAXPS(half, low, low)
	VPERMILPS(U8(0b10_11_00_01), low, half)
	VMAXPS(half, low, low)
	Store(low, ReturnIndex(0))
	VZEROUPPER()
	RET()
}
