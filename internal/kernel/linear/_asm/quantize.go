package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// The least absmax of a block that is not all zeros, 2^-100, and infinity, as
// bits of float32.
const (
	leastNormal = 0x0d800000
	infinity    = 0x7f800000
)

// quantize writes the kernel that quantises a row in blocks of n values.
func quantize(n int) {
	begin(fmt.Sprintf("quantize%d", n), "func(q *int8, meta *byte, x *float32, blocks int) uint32",
		fmt.Sprintf("quantises blocks of %d values and returns the largest absolute value's bits.", n))
	q, meta, x, blocks := arg("q"), arg("meta"), arg("x"), arg("blocks")
	most := GP32()
	XORL(most, most)
	loop(blocks, func() {
		bits := absmax(x, n)
		CMPL(bits, most)
		CMOVLHI(bits, most)
		scaled, done := fmt.Sprintf("scaled%d", labels), fmt.Sprintf("done%d", labels)
		t := GP32()
		LEAL(Mem{Base: bits, Disp: -leastNormal}, t)
		CMPL(t, U32(infinity-leastNormal))
		JCS(LabelRef(scaled))
		blank(q, meta, n)
		JMP(LabelRef(done))
		Label(scaled)
		scale(q, meta, x, bits, n)
		Label(done)
		ADDQ(U32(n), q)
		ADDQ(U32(4*n), x)
		if n == 32 {
			ADDQ(U8(8), meta)
		} else {
			ADDQ(U8(metaSize), meta)
		}
	})
	Store(most, ReturnIndex(0))
	end()
}

// absmax is the largest of n values with their signs cleared, as integers.
func absmax(x GPVirtual, n int) GPVirtual {
	m, v := vectors(4), YMM()
	for i := 0; i < n/8; i++ {
		if i < 4 {
			VMOVDQU(at(x, 32*i), m[i])
			VPAND(constants.absolute, m[i], m[i])
			continue
		}
		VMOVDQU(at(x, 32*i), v)
		VPAND(constants.absolute, v, v)
		VPMAXSD(v, m[i%4], m[i%4])
	}
	VPMAXSD(m[1], m[0], m[0])
	VPMAXSD(m[3], m[2], m[2])
	VPMAXSD(m[2], m[0], m[0])
	a, t, bits := m[0].AsX(), XMM(), GP32()
	VEXTRACTI128(U8(1), m[0], t)
	VPMAXSD(t, a, a)
	VPSHUFD(U8(0x4e), a, t)
	VPMAXSD(t, a, a)
	VPSHUFD(U8(0xb1), a, t)
	VPMAXSD(t, a, a)
	VMOVD(a, bits)
	return bits
}

// blank writes a block of zeros.
func blank(q, meta GPVirtual, n int) {
	z := YMM()
	zero(z)
	for i := 0; i < n; i += 32 {
		VMOVDQU(z, at(q, i))
	}
	if n == 32 {
		VMOVQ(z.AsX(), at(meta, 0))
		return
	}
	VMOVDQU(z, at(meta, 0))
	VMOVDQU(z, at(meta, 32))
}

// scale quantises a block whose largest value has these bits.
func scale(q, meta, x, bits GPVirtual, n int) {
	m, limit, d, inverse, t := XMM(), XMM(), XMM(), YMM(), GP32()
	VMOVD(bits, m)
	MOVL(U32(0x42fe0000), t) // 127
	VMOVD(t, limit)
	VDIVSS(limit, m, d)
	VDIVSS(m, limit, limit)
	VBROADCASTSS(limit, inverse)
	for i := 0; i < n/32; i++ {
		v := vectors(4)
		for k := range v {
			VMULPS(at(x, 128*i+32*k), inverse, v[k])
			VCVTPS2DQ(v[k], v[k])
		}
		VPACKSSDW(v[1], v[0], v[0])
		VPACKSSDW(v[3], v[2], v[2])
		VPACKSSWB(v[2], v[0], v[0])
		order := YMM()
		VMOVDQU(constants.quantizeOrder, order)
		VPERMD(v[0], order, v[0])
		VMOVDQU(v[0], at(q, 32*i))
		s := YMM()
		VMOVDQU(constants.ones8, s)
		VPMADDUBSW(v[0], s, s)
		VPMADDWD(constants.ones16, s, s)
		storeSums(s, meta, i, n)
	}
	if n == 32 {
		VMOVSS(d, at(meta, 0))
	} else {
		z := XMM()
		VPXOR(z, z, z)
		VMOVSS(d, z, z)
		VMOVUPS(z, at(meta, metaScale))
	}
}

// storeSums stores the sums of 32 values, given the eight sums of four.
func storeSums(s VecVirtual, meta GPVirtual, i, n int) {
	hi, t := XMM(), XMM()
	VEXTRACTI128(U8(1), s, hi)
	VPHADDD(hi, s.AsX(), t) // 0+1 2+3 | 4+5 6+7
	VPHADDD(t, t, t)        // sum of the first 16, of the last 16
	if n == 256 {
		VPACKSSDW(t, t, hi)
		VMOVD(hi, at(meta, metaSums16+4*i))
	}
	VPHADDD(t, t, t)
	if n == 256 {
		VPEXTRW(U8(0), t, at(meta, metaSums32+2*i))
	} else {
		VMOVD(t, at(meta, 4))
	}
}
