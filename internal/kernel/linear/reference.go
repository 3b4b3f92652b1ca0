package linear

import (
	"encoding/binary"
	"math"

	"github.com/lite-llm/lite/internal/quant"
)

// mulReference is the definition of Mul.
func mulReference(dst []float32, ldd int, w Matrix, in *Input, r0, r1 int) {
	for r := r0; r < r1; r++ {
		row := w.Row(r)
		for i := range in.n {
			dst[i*ldd+r] = dot(w.Type, row, in, i)
		}
	}
}

// dot is the product of a row of weights and row i of the input.
func dot(t quant.Type, row []byte, in *Input, i int) float32 {
	which := formOf(t)
	if which < 0 {
		return dotFloat(t, row, in.row(i))
	}
	f, n := &in.forms[which], in.cols
	q := f.q[i*n : (i+1)*n]
	if which == form32 {
		return dot32(t, row, q, f.meta32[i*(n/32):(i+1)*(n/32)])
	}
	return dot256(t, row, q, f.meta256[i*(n/256):(i+1)*(n/256)])
}

// dot32 is rule 3 for blocks of 32. The integer sum is exact, so that its
// order is free; the chain of blocks ascends.
func dot32(t quant.Type, row []byte, q []int8, meta []meta32) float32 {
	var acc float32
	var w block32
	size := t.BlockBytes()
	for b, x := range meta {
		w.unpack(t, row[b*size:(b+1)*size])
		var sum int32
		for i, q := range q[b*32 : b*32+32] {
			sum += int32(w.q[i]) * int32(q)
		}
		acc += float32(float32(w.d*x.d) * float32(sum))
		if w.hasMin {
			acc += float32(float32(w.min*x.d) * float32(x.sum))
		}
	}
	return acc
}

// block32 is one block of 32 weights: value = d*q, plus min when it has one.
type block32 struct {
	q      [32]int8
	d, min float32
	hasMin bool
}

func (w *block32) unpack(t quant.Type, b []byte) {
	var u [32]uint8
	w.d, w.hasMin = quant.Half(b, 0), false
	offset := uint8(0)
	switch t {
	default: // Q8_0
		copy(u[:], b[2:])
	case quant.Q4_0:
		quant.Nibbles(&u, b[2:])
		offset = 8
	case quant.Q5_0:
		quant.Nibbles(&u, b[6:])
		quant.FifthBits(&u, b[2:])
		offset = 16
	case quant.Q4_1:
		quant.Nibbles(&u, b[4:])
		w.min, w.hasMin = quant.Half(b, 2), true
	case quant.Q5_1:
		quant.Nibbles(&u, b[8:])
		quant.FifthBits(&u, b[4:])
		w.min, w.hasMin = quant.Half(b, 2), true
	}
	for i, v := range u {
		w.q[i] = int8(v - offset) //nolint:gosec // two's complement on purpose
	}
}

// dot256 is rule 3 for super-blocks of 256: the integer sub-scales belong to
// the exact sum.
func dot256(t quant.Type, row []byte, q []int8, meta []meta256) float32 {
	var acc float32
	var w block256
	size := t.BlockBytes()
	for b := range meta {
		x := &meta[b]
		w.unpack(t, row[b*size:(b+1)*size])
		var sum, minima int32
		for i, q := range q[b*256 : b*256+256] {
			sum += int32(w.q[i]) * int32(q)
		}
		acc += float32(float32(w.d*x.d) * float32(sum))
		if w.hasMin {
			for j, m := range w.mins {
				minima += int32(m) * int32(x.sums32[j])
			}
			acc -= float32(float32(w.min*x.d) * float32(minima))
		}
	}
	return acc
}

// block256 is one super-block: value = d*q - min*mins[i/32], with the integer
// sub-scales multiplied into q.
type block256 struct {
	q      [256]int16
	mins   [8]uint8
	d, min float32
	hasMin bool
}

func (w *block256) unpack(t quant.Type, b []byte) {
	var u [256]uint8
	switch t {
	default: // Q4_K
		quant.UnpackQ4K(&u, b)
	case quant.Q5_K:
		quant.UnpackQ5K(&u, b)
	case quant.Q6_K:
		quant.UnpackQ6K(&u, b)
		w.d, w.hasMin = quant.Half(b, 208), false
		for i, v := range u {
			w.q[i] = (int16(v) - 32) * int16(int8(b[192+i/16])) //nolint:gosec // the byte is an int8
		}
		return
	}
	w.d, w.min, w.hasMin = quant.Half(b, 0), quant.Half(b, 2), true
	for j := range 8 {
		scale, m := quant.ScaleMin(b[4:16], j)
		w.mins[j] = m
		for i := j * 32; i < j*32+32; i++ {
			w.q[i] = int16(u[i]) * int16(scale)
		}
	}
}

// lanes is the number of virtual lanes of rules 4 and 6.
const lanes = 16

// dotFloat is rule 4: element k goes to lane k mod 16, product then addition,
// and the lanes are added as a halving tree.
func dotFloat(t quant.Type, row []byte, x []float32) float32 {
	var acc [lanes]float32
	for k, v := range x {
		acc[k%lanes] += float32(weight(t, row, k) * v)
	}
	return tree(&acc)
}

// weight is element k of a row of floats.
func weight(t quant.Type, row []byte, k int) float32 {
	switch t {
	case quant.F16:
		return quant.Half(row, 2*k)
	case quant.BF16:
		return quant.BFloatToFloat(binary.LittleEndian.Uint16(row[2*k:]))
	default:
		return math.Float32frombits(binary.LittleEndian.Uint32(row[4*k:]))
	}
}

// tree adds lanes i and i+8, then i+4, i+2 and i+1.
func tree(acc *[lanes]float32) float32 {
	for half := lanes / 2; half > 0; half /= 2 {
		for i := range half {
			acc[i] += acc[i+half]
		}
	}
	return acc[0]
}
