package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// A panel is sixteen rows of weights, block after block. A quad is four
// consecutive values of a row; a block's quads come first, [quad][16 rows][4],
// then what the class of its format says:
//
//	32   d [16]f32, minimum [16]f32
//	K    scales [8][16][2]i16 (each twice), minima [4][16][2]i16 (pairs), d [16]f32, dmin [16]f32
//	6    scales [16][16][2]i16 (each twice), scales [8][16][2]i16 (pairs), d [16]f32
const (
	panelRows  = 16
	quadBytes  = 4 * panelRows
	panel32    = 8*quadBytes + 2*4*panelRows
	panelK     = 64*quadBytes + 8*64 + 4*64 + 2*4*panelRows
	panel6     = 64*quadBytes + 16*64 + 8*64 + 4*panelRows
	scalesAt   = 64 * quadBytes
	minimaAt   = scalesAt + 8*64
	pairsAt    = scalesAt + 16*64
	floatsAtK  = minimaAt + 4*64
	floatsAt6  = pairsAt + 8*64
	floatsAt32 = 8 * quadBytes
)

const packSignature = "func(dst *byte, w *byte, stride, blocks int)"

// packRows calls body for both halves of the sixteen rows of every block.
func packRows(bytes, panel int, body func(r *rows, dst GPVirtual, half int)) {
	dst, w0, stride, blocks := arg("dst"), arg("w"), arg("stride"), arg("blocks")
	stride3 := triple(stride)
	loop(blocks, func() {
		w := GP64()
		MOVQ(w0, w)
		for half := range 2 {
			r := newRows(w, stride, stride3)
			body(r, dst, half)
			if half == 0 {
				LEAQ(Mem{Base: w, Index: stride, Scale: 8}, w)
			}
		}
		ADDQ(U32(panel), dst)
		ADDQ(U32(bytes), w0)
	})
	end()
}

// storeQuads transposes 32 values of eight rows to eight quads.
func storeQuads(v []VecVirtual, dst GPVirtual, quad, half int) {
	for i, q := range transpose8(v) {
		VMOVDQU(q, at(dst, (quad+i)*quadBytes+32*half))
	}
}

func pack32(f format32) {
	begin("pack"+f.name, packSignature, fmt.Sprintf("unpacks blocks of 16 rows of %s to panels.", f.name))
	packRows(f.bytes, panel32, func(r *rows, dst GPVirtual, half int) {
		v := make([]VecVirtual, 8)
		for i := range v {
			v[i] = f.unpack(r.row(i))
		}
		storeQuads(v, dst, 0, half)
		VMOVUPS(r.halves(0, 8, 0), at(dst, floatsAt32+32*half))
		if f.min {
			VMOVUPS(r.halves(0, 8, 2), at(dst, floatsAt32+64+32*half))
		}
	})
}

func pack256(f format256) {
	begin("pack"+f.name, packSignature, fmt.Sprintf("unpacks super-blocks of 16 rows of %s to panels.", f.name))
	size := panelK
	if f.bits == 6 {
		size = panel6
	}
	tmp := local(16 * 8)
	packRows(f.bytes, size, func(r *rows, dst GPVirtual, half int) {
		f.packValues(r, dst, half)
		if f.bits == 6 {
			packScales6(r, dst, half)
		} else {
			packScalesK(r, dst, half, tmp)
		}
	})
}

func (f format256) packValues(r *rows, dst GPVirtual, half int) {
	if f.bits == 4 {
		// Transposing first lets both nibbles share the work.
		for c := range 4 {
			v := vectors(8)
			for i := range v {
				VMOVDQU(r.at(i, valuesQ4K+32*c), v[i])
			}
			for i, q := range transpose8(v) {
				low := YMM()
				VPAND(constants.nibbles, q, low)
				VMOVDQU(low, at(dst, (16*c+i)*quadBytes+32*half))
				VPSRLW(U8(4), q, q)
				VPAND(constants.nibbles, q, q)
				VMOVDQU(q, at(dst, (16*c+8+i)*quadBytes+32*half))
			}
		}
		return
	}
	for j := range 8 {
		v := make([]VecVirtual, 8)
		for i := range v {
			v[i] = f.unpack(r.row(i), j)
		}
		storeQuads(v, dst, 8*j, half)
	}
}

// packScalesK stores scales, minima and the two floats of eight rows.
func packScalesK(r *rows, dst GPVirtual, half int, tmp Mem) {
	for i := range 8 {
		VMOVDQU(scalesAndMinima(r.at(i, scalesK)), tmp.Offset(16*i))
	}
	load := func(offset int) []VecVirtual {
		v := vectors(8)
		for i := range v {
			VPMOVZXBD(tmp.Offset(16*i+offset), v[i])
		}
		return transpose8(v)
	}
	for i, v := range load(0) {
		twice(v)
		VMOVDQU(v, at(dst, scalesAt+64*i+32*half))
	}
	v := load(8)
	for i := 0; i < 8; i += 2 {
		VPSLLD(U8(16), v[i+1], v[i+1])
		VPOR(v[i], v[i+1], v[i])
		VMOVDQU(v[i], at(dst, minimaAt+32*i+32*half))
	}
	a, b := XMM(), XMM()
	VMOVD(r.at(0, 0), a)
	VMOVD(r.at(4, 0), b)
	for i := 1; i < 4; i++ {
		VPINSRD(U8(i), r.at(i, 0), a, a)
		VPINSRD(U8(i), r.at(4+i, 0), b, b)
	}
	wa, wb, d := YMM(), YMM(), YMM()
	VCVTPH2PS(a, wa)
	VCVTPH2PS(b, wb)
	for k, order := range []U8{0x88, 0xdd} {
		VSHUFPS(order, wb, wa, d)
		VPERMPD(U8(0b11_01_10_00), d, d) // lanes are 0 1 4 5 | 2 3 6 7
		VMOVUPS(d, at(dst, floatsAtK+64*k+32*half))
	}
}

// twice makes the low word of each pair the high one too.
func twice(v VecVirtual) {
	t := YMM()
	VPSLLD(U8(16), v, t)
	VPBLENDW(U8(0xaa), t, v, v)
}

// packScales6 stores the scales of eight rows, and the float.
func packScales6(r *rows, dst GPVirtual, half int) {
	for part := range 2 {
		v := vectors(8)
		for i := range v {
			VPMOVSXBD(r.at(i, scalesQ6K+8*part), v[i])
		}
		v = transpose8(v)
		for i := 0; i < 8; i += 2 {
			pair := YMM()
			VPSLLD(U8(16), v[i+1], pair)
			VPBLENDW(U8(0xaa), pair, v[i], pair)
			VMOVDQU(pair, at(dst, pairsAt+64*(4*part+i/2)+32*half))
			for k := range 2 {
				twice(v[i+k])
				VMOVDQU(v[i+k], at(dst, scalesAt+64*(8*part+i+k)+32*half))
			}
		}
	}
	VMOVUPS(r.halves(0, 8, scaleQ6K), at(dst, floatsAt6+32*half))
}
