package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// format32 is a block of 32 values.
type format32 struct {
	name   string
	bytes  int
	bits   int // of the unsigned values; 8 are signed
	min    bool
	offset int // log2 of what is taken off an unsigned value; 0 for none
	high   int // where the fifth bits are
	values int // where the values are
}

var formats32 = []format32{
	{name: "Q4_0", bytes: 18, bits: 4, offset: 3, values: 2},
	{name: "Q4_1", bytes: 20, bits: 4, min: true, values: 4},
	{name: "Q5_0", bytes: 22, bits: 5, offset: 4, high: 2, values: 6},
	{name: "Q5_1", bytes: 24, bits: 5, min: true, high: 4, values: 8},
	{name: "Q8_0", bytes: 34, bits: 8, values: 2},
}

// format256 is a super-block of 256 values with integer sub-scales.
type format256 struct {
	name  string
	bytes int
	bits  int
}

var formats256 = []format256{
	{name: "Q4_K", bytes: 144, bits: 4},
	{name: "Q5_K", bytes: 176, bits: 5},
	{name: "Q6_K", bytes: 210, bits: 6},
}

// Where the parts of a super-block are (internal/quant/layout.go).
const (
	scalesK   = 4   // Q4_K, Q5_K: 12 bytes of scales and minima
	valuesQ4K = 16  // nibbles
	highQ5K   = 16  // fifth bits
	valuesQ5K = 48  // nibbles
	highQ6K   = 128 // upper two bits
	scalesQ6K = 192 // int8
	scaleQ6K  = 208 // the half that scales the block
)

// constant vectors of 32 bytes.
var constants struct {
	ones16, nibbles, bit4, bits45, spread, bitOf, high3 Mem
	scaleShift, scaleLow, scaleHigh                     Mem
	pairs                                               [4]Mem
	quantizeOrder, absolute, ones8                      Mem
}

func declareConstants() {
	c := &constants
	c.ones16 = words("ones16", 0x00010001)
	c.ones8 = words("ones8", 0x01010101)
	c.nibbles = words("nibbles", 0x0f0f0f0f)
	c.bit4 = words("bit4", 0x10101010)
	c.bits45 = words("bits45", 0x30303030)
	// Byte i of the values takes its bit from byte i/8 of four bytes.
	c.spread = words("spread", 0, 0, 0x01010101, 0x01010101, 0x02020202, 0x02020202, 0x03030303, 0x03030303)
	c.bitOf = words("bitOf", 0x08040201, 0x80402010)
	c.scaleShift = words("scaleShift", 0, 0, 0, 4)
	c.scaleLow = words("scaleLow", 0x3f3f3f3f, 0x0f0f0f0f, 0x3f3f3f3f, 0x0f0f0f0f)
	c.scaleHigh = words("scaleHigh", 0, 0x30303030, 0, 0x30303030)
	for k := range c.pairs {
		// Words 2k and 2k+1 of each half, as bytes, eight times each.
		lo := uint32(4*k) | uint32(4*k+1)<<8
		hi := uint32(4*k+2) | uint32(4*k+3)<<8
		lo, hi = lo|lo<<16, hi|hi<<16
		c.pairs[k] = words("pair"+string(rune('0'+k)), lo, lo, lo, lo, hi, hi, hi, hi)
	}
	c.quantizeOrder = words("quantizeOrder", 0, 4, 1, 5, 2, 6, 3, 7)
	c.absolute = words("absolute", 0x7fffffff)
}

// words is a read-only vector of eight 32-bit words; fewer are repeated.
func words(name string, v ...uint32) Mem {
	m := GLOBL(name, RODATA|NOPTR)
	for i := range 8 {
		DATA(4*i, U32(v[i%len(v)]))
	}
	return m
}

// unpack returns the 32 values of a block in order, a byte each: unsigned, or
// signed where the format is.
func (f format32) unpack(r row) VecVirtual {
	v := YMM()
	if f.bits == 8 {
		VMOVDQU(r(f.values), v)
		return v
	}
	t := YMM()
	VBROADCASTI128(r(f.values), v)
	VPSRLW(U8(4), v, t)
	VPBLENDD(U8(0xf0), t, v, v)
	VPAND(constants.nibbles, v, v)
	if f.bits == 5 {
		VPBROADCASTD(r(f.high), t)
		VPSHUFB(constants.spread, t, t)
		VPAND(constants.bitOf, t, t)
		VPCMPEQB(constants.bitOf, t, t)
		VPAND(constants.bit4, t, t)
		VPOR(t, v, v)
	}
	return v
}

// unpack returns values [32j, 32j+32) of a super-block, unsigned.
func (f format256) unpack(r row, j int) VecVirtual {
	v := YMM()
	switch f.bits {
	case 4:
		nibbles(r(valuesQ4K+32*(j/2)), j&1, v)
	case 5:
		h := YMM()
		nibbles(r(valuesQ5K+32*(j/2)), j&1, v)
		VMOVDQU(r(highQ5K), h)
		shift(h, 4-j)
		VPAND(constants.bit4, h, h)
		VPOR(h, v, v)
	case 6:
		half, k, h := j/4, j%4, YMM()
		nibbles(r(64*half+32*(k&1)), k/2, v)
		VMOVDQU(r(highQ6K+32*half), h)
		shift(h, 4-2*k)
		VPAND(constants.bits45, h, h)
		VPOR(h, v, v)
	}
	return v
}

// nibbles loads 32 bytes and keeps the low (0) or the high (1) nibbles.
func nibbles(m Mem, which int, v VecVirtual) {
	VMOVDQU(m, v)
	if which == 1 {
		VPSRLW(U8(4), v, v)
	}
	VPAND(constants.nibbles, v, v)
}

// shift moves words left by n, or right by -n. What crosses the border of a
// byte is masked by the caller.
func shift(v VecVirtual, n int) {
	switch {
	case n > 0:
		VPSLLW(U8(n), v, v)
	case n < 0:
		VPSRLW(U8(-n), v, v)
	}
}

// scalesAndMinima unpacks the 12 bytes of a Q4_K or Q5_K block: eight scales and then
// eight minima, a byte each.
func scalesAndMinima(m Mem) VecVirtual {
	v, x, y := XMM(), XMM(), XMM()
	VMOVDQU(m, v)
	VPSHUFD(U8(0b10_01_10_00), v, x) // a c b c
	VPSHUFD(U8(0b01_01_00_00), v, y) // a a b b
	VPSRLVD(constants.scaleShift, x, x)
	VPSRLD(U8(2), y, y)
	VPAND(constants.scaleLow, x, x)
	VPAND(constants.scaleHigh, y, y)
	VPOR(y, x, x)
	return x
}

// halves gathers the half at offset d of rows [lo, lo+n) and widens them.
func (r *rows) halves(lo, n, d int) VecVirtual {
	h, w := XMM(), YMM()
	VPXOR(h, h, h)
	for i := range n {
		VPINSRW(U8(i), r.at(lo+i, d), h, h)
	}
	VCVTPH2PS(h, w)
	return w
}
