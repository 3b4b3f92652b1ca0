package main

import (
	"fmt"
	"math/bits"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// The rows of weights that a product with one row of activations takes at a
// time: as many as there are lanes of accumulators.
const (
	group32  = 8
	group256 = 4
)

const gemvSignature = "func(dst *float32, w *byte, x *int8, meta *byte, blocks, rows int)"

// apart returns the bytes between the rows that are worked on together, and
// between their outputs: rows/group rows. n becomes that number. Each lane then
// reads its own stretch of memory from its beginning to its end, which is what
// the processor's prefetcher recognises; rows that stand next to each other
// share a page and look to it like noise.
func apart(n, blocks GPVirtual, bytes, group int) (stride, lane GPVirtual) {
	stride, lane = GP64(), GP64()
	SHRQ(U8(bits.Len(uint(group))-1), n)
	IMUL3Q(U32(bytes), blocks, stride)
	IMULQ(n, stride)
	MOVQ(n, lane)
	SHLQ(U8(2), lane)
	return stride, lane
}

// distance is how many bytes ahead each row is prefetched: what memory takes to
// answer, at the speed of one core.
const distance = 1024

// ahead prefetches what follows a block of each row.
func ahead(r *rows, bytes, group int) {
	for i := range group {
		for k := 0; k < bytes; k += 64 {
			PREFETCHT0(r.at(i, distance+k))
		}
	}
}

// scatter stores four lanes of each vector, one after another, and moves dst on
// to the next output of the first lane.
func scatter(dst, lane GPVirtual, v ...Register) {
	to := GP64()
	MOVQ(dst, to)
	for i, x := range v {
		for k := range 4 {
			if i+k > 0 {
				ADDQ(lane, to)
			}
			VEXTRACTPS(U8(k), x, at(to, 0))
		}
	}
	ADDQ(U8(4), dst)
}

// gemv32 takes eight rows at a time, block by block. Rows i, i+n/8, i+2n/8 … of n
// are one group.
func gemv32(f format32) {
	begin("gemv"+f.name, gemvSignature,
		fmt.Sprintf("multiplies rows of %s, a multiple of %d, by one row of activations.", f.name, group32))
	dst, w, x0, meta0, blocks, n := arg("dst"), arg("w"), arg("x"), arg("meta"), arg("blocks"), arg("rows")
	stride, lane := apart(n, blocks, f.bytes, group32)
	stride3 := triple(stride)
	loop(n, func() {
		acc, b, x, meta := YMM(), GP64(), GP64(), GP64()
		zero(acc)
		r := newRows(w, stride, stride3)
		MOVQ(blocks, b)
		MOVQ(x0, x)
		MOVQ(meta0, meta)
		loop(b, func() {
			xv := YMM()
			VMOVDQU(at(x, 0), xv)
			ahead(r, f.bytes, group32)
			var half [2]VecVirtual
			for g := range half {
				s := make([]VecVirtual, 4)
				for i := range s {
					s[i] = f.dot(r.row(4*g+i), xv)
				}
				half[g] = addTree4(s)
			}
			sum := YMM()
			VPERM2I128(U8(0x20), half[1], half[0], sum)
			VPERM2I128(U8(0x31), half[1], half[0], half[0])
			VPADDD(half[0], sum, sum)
			t, d := YMM(), r.halves(0, 8, 0)
			if f.offset > 0 {
				VPBROADCASTD(at(meta, 4), t)
				VPSLLD(U8(f.offset), t, t)
				VPSUBD(t, sum, sum)
			}
			VCVTDQ2PS(sum, sum)
			VBROADCASTSS(at(meta, 0), t)
			VMULPS(t, d, d)
			VMULPS(sum, d, d)
			VADDPS(d, acc, acc)
			if f.min {
				m, s := r.halves(0, 8, 2), YMM()
				VPBROADCASTD(at(meta, 4), s)
				VCVTDQ2PS(s, s)
				VMULPS(t, m, m)
				VMULPS(s, m, m)
				VADDPS(m, acc, acc)
			}
			r.advance(f.bytes)
			ADDQ(U8(32), x)
			ADDQ(U8(8), meta)
		})
		high := XMM()
		VEXTRACTF128(U8(1), acc, high)
		scatter(dst, lane, acc.AsX(), high)
	})
	end()
}

// dot is eight partial sums of a block's values times xv.
func (f format32) dot(r row, xv VecVirtual) VecVirtual {
	v := f.unpack(r)
	if f.bits == 8 {
		// |w| times x with w's sign: 2 x 128 x 127 fits an int16, and -128
		// has no negative that a byte could hold.
		t := YMM()
		VPSIGNB(v, xv, t)
		VPABSB(v, v)
		VPMADDUBSW(t, v, v)
	} else {
		VPMADDUBSW(xv, v, v)
	}
	VPMADDWD(constants.ones16, v, v)
	return v
}

// gemv256 takes four rows at a time, super-block by super-block. Rows i, i+n/4,
// i+2n/4 … of n are one group.
func gemv256(f format256) {
	begin("gemv"+f.name, gemvSignature,
		fmt.Sprintf("multiplies rows of %s, a multiple of %d, by one row of activations.", f.name, group256))
	dst, w, x0, meta0, blocks, n := arg("dst"), arg("w"), arg("x"), arg("meta"), arg("blocks"), arg("rows")
	buf := local(group256 * (32 + 16))
	minima := func(i int) Mem { return buf.Offset(group256*32 + 16*i) }
	stride, lane := apart(n, blocks, f.bytes, group256)
	stride3 := triple(stride)
	loop(n, func() {
		acc, b, x, meta := XMM(), GP64(), GP64(), GP64()
		VPXOR(acc, acc, acc)
		MOVQ(blocks, b)
		MOVQ(x0, x)
		MOVQ(meta0, meta)
		r := &rows{w: w, stride: stride, stride3: stride3}
		loop(b, func() {
			ahead(r, f.bytes, group256)
			sum := vectors(group256)
			for i := range sum {
				f.prepare(r.row(i), buf.Offset(32*i), minima(i), meta, sum[i])
			}
			for j := range 8 {
				xv := YMM()
				VMOVDQU(at(x, 32*j), xv)
				for i := range sum {
					v, scale := f.unpack(r.row(i), j), YMM()
					VPMADDUBSW(xv, v, v)
					f.subscale(buf.Offset(32*i), j, scale)
					VPMADDWD(scale, v, v)
					VPADDD(v, sum[i], sum[i])
				}
			}
			is, ih := addTree4(sum), XMM()
			VEXTRACTI128(U8(1), is, ih)
			VPADDD(ih, is.AsX(), ih)
			VCVTDQ2PS(ih, ih)
			f.accumulate(r, ih, minima, meta, acc)
			ADDQ(U32(f.bytes), w)
			ADDQ(U32(256), x)
			ADDQ(U8(metaSize), meta)
		})
		scatter(dst, lane, acc)
	})
	end()
}

// The metadata of a super-block of activations (quantize.go).
const (
	metaSums16 = 0  // 16 sums of 16 values, int16
	metaSums32 = 32 // 8 sums of 32 values, int16
	metaScale  = 48 // float32
	metaSize   = 64
)

// prepare stores a row's sub-scales for subscale, and begins its sum with what
// does not depend on single values.
func (f format256) prepare(r row, scales, minima Mem, meta GPVirtual, sum VecVirtual) {
	if f.bits == 6 {
		s := YMM()
		VPMOVSXBW(r(scalesQ6K), s)
		VMOVDQU(s, scales)
		// The values are 32 too large: take off 32 times scale times sum.
		VPMADDWD(at(meta, metaSums16), s, s)
		VPSLLD(U8(5), s, s)
		zero(sum)
		VPSUBD(s, sum, sum)
		return
	}
	x, s, t := scalesAndMinima(r(scalesK)), YMM(), YMM()
	VPMOVZXBD(x, s)
	VPSLLD(U8(16), s, t)
	VPOR(t, s, s)
	VMOVDQU(s, scales)
	VPSRLDQ(U8(8), x, x)
	VPMOVZXBW(x, x)
	VPMADDWD(at(meta, metaSums32), x, x)
	VMOVDQU(x, minima)
	zero(sum)
}

// subscale loads the sub-scales of values [32j, 32j+32) as words.
func (f format256) subscale(scales Mem, j int, to VecVirtual) {
	if f.bits < 6 {
		VPBROADCASTD(scales.Offset(4*j), to)
		return
	}
	VBROADCASTI128(scales.Offset(16*(j/4)), to)
	VPSHUFB(constants.pairs[j%4], to, to)
}

// accumulate adds four rows' super-block to acc, given their sums as floats.
func (f format256) accumulate(r *rows, sums VecVirtual, minima func(int) Mem, meta GPVirtual, acc VecVirtual) {
	dx := XMM()
	VBROADCASTSS(at(meta, metaScale), dx)
	if f.bits == 6 {
		d := r.halves(0, 4, scaleQ6K).AsX()
		VMULPS(dx, d, d)
		VMULPS(sums, d, d)
		VADDPS(d, acc, acc)
		return
	}
	v, t := make([]VecVirtual, 4), XMM()
	for i := range v {
		v[i] = XMM()
		VMOVDQU(minima(i), v[i])
	}
	VPHADDD(v[1], v[0], v[0])
	VPHADDD(v[3], v[2], v[2])
	VPHADDD(v[2], v[0], v[0])
	VCVTDQ2PS(v[0], v[0])
	// d and dmin of four rows, next to each other in each.
	both, wide, hi, d, dmin := XMM(), YMM(), XMM(), XMM(), XMM()
	VMOVD(r.at(0, 0), both)
	for i := 1; i < 4; i++ {
		VPINSRD(U8(i), r.at(i, 0), both, both)
	}
	VCVTPH2PS(both, wide)
	VEXTRACTF128(U8(1), wide, hi)
	VSHUFPS(U8(0x88), hi, wide.AsX(), d)
	VSHUFPS(U8(0xdd), hi, wide.AsX(), dmin)
	VMULPS(dx, d, d)
	VMULPS(sums, d, d)
	VADDPS(d, acc, acc)
	VMULPS(dx, dmin, t)
	VMULPS(v[0], t, t)
	VSUBPS(t, acc, acc)
}
