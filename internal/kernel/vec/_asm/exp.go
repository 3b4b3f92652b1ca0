package main

import (
	"math"
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// constant is a float32 repeated through a vector, laid into read-only data
// when it is first used.
type constant struct {
	name string
	bits uint32
	mem  *Mem
}

func float(name string, v float32) *constant {
	return &constant{name: name, bits: math.Float32bits(v)}
}

// The constants of Exp32 in exp.go of package vec.
var (
	expMax   = float("expMax", 88.72284)
	expMin   = float("expMin", -103.97208)
	log2e    = float("log2e", 1.44269504)
	ln2High  = float("ln2High", 0.693359375)
	ln2Low   = float("ln2Low", -2.12194440e-4)
	rounding = float("rounding", 12582912)
	one      = float("one", 1)
	infinity = float("infinity", float32(math.Inf(1)))
	nan      = &constant{name: "nan", bits: 0x7fc00000}
	sign     = &constant{name: "sign", bits: 1 << 31}
	bias     = &constant{name: "bias", bits: 127}

	polynomial = []*constant{
		float("expC0", 1.9875691500e-4),
		float("expC1", 1.3981999507e-3),
		float("expC2", 8.3334519073e-3),
		float("expC3", 4.1665795894e-2),
		float("expC4", 1.6666665459e-1),
		float("expC5", 5.0000001201e-1),
	}
)

// vector is the constant's place in memory. Data sections can be laid between
// the instructions of a function.
func vector(c *constant) Mem {
	if c.mem == nil {
		m := GLOBL(c.name, RODATA|NOPTR)
		for i := range 8 {
			DATA(4*i, U32(c.bits))
		}
		c.mem = &m
	}
	return *c.mem
}

func load(c *constant) VecVirtual {
	v := YMM()
	VMOVUPS(vector(c), v)
	return v
}

// exp replaces v by its exponential, instruction for instruction as Exp32.
func exp(v VecVirtual) {
	n, r, p, t := YMM(), YMM(), YMM(), YMM()
	VMULPS(vector(log2e), v, n)
	VADDPS(vector(rounding), n, n)
	VSUBPS(vector(rounding), n, n)
	VMULPS(vector(ln2High), n, t)
	VSUBPS(t, v, r)
	VMULPS(vector(ln2Low), n, t)
	VSUBPS(t, r, r)
	VMULPS(vector(polynomial[0]), r, p)
	for i, c := range polynomial[1:] {
		if i > 0 {
			VMULPS(r, p, p)
		}
		VADDPS(vector(c), p, p)
	}
	VMULPS(r, r, t)
	VMULPS(t, p, p)
	VADDPS(r, p, p)
	VADDPS(vector(one), p, p)
	VCVTPS2DQ(n, n)
	VPSRAD(U8(1), n, t)
	VPSUBD(t, n, n)
	power2(t)
	power2(n)
	VMULPS(t, p, p)
	VMULPS(n, p, p)
	limits(v, p)
}

// power2 turns eight integers n into 2^n.
func power2(n VecVirtual) {
	VPADDD(vector(bias), n, n)
	VPSLLD(U8(23), n, n)
}

// The predicates of VCMPPS that are used, quiet ones.
const (
	unordered = 0x03
	less      = 0x11
	greater   = 0x1e
)

// limits replaces x by p, where x is in the range of the exponential.
func limits(x, p VecVirtual) {
	mask := YMM()
	VCMPPS(U8(less), vector(expMin), x, mask)
	VANDNPS(p, mask, p)
	VCMPPS(U8(greater), vector(expMax), x, mask)
	VBLENDVPS(mask, vector(infinity), p, p)
	VCMPPS(U8(unordered), x, x, mask)
	VBLENDVPS(mask, vector(nan), p, x)
}

// onePlusExpNegated replaces v by 1 + exp(-v).
func onePlusExpNegated(v VecVirtual) {
	VXORPS(vector(sign), v, v)
	exp(v)
	VADDPS(vector(one), v, v)
}

// has tells whether a parameter list declares a name.
func has(params, name string) bool {
	for _, f := range strings.FieldsFunc(params, func(r rune) bool { return r == ',' || r == ' ' }) {
		if f == name {
			return true
		}
	}
	return false
}
