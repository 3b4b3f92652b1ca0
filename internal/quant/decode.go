package quant

import (
	"encoding/binary"
	"math"
)

// The decoders write the values of one block. Every product is rounded before
// the addition, as ggml's plain C does without contraction.

func decodeF32(dst []float32, b []byte) {
	dst[0] = math.Float32frombits(binary.LittleEndian.Uint32(b))
}

func decodeF16(dst []float32, b []byte) { dst[0] = Half(b, 0) }

func decodeBF16(dst []float32, b []byte) { dst[0] = BFloatToFloat(binary.LittleEndian.Uint16(b)) }

func decodeQ4_0(dst []float32, b []byte) {
	var q [32]uint8
	Nibbles(&q, b[2:])
	scaleOffset(dst, &q, Half(b, 0), 8)
}

func decodeQ4_1(dst []float32, b []byte) {
	var q [32]uint8
	Nibbles(&q, b[4:])
	scaleMin(dst, &q, Half(b, 0), Half(b, 2))
}

func decodeQ5_0(dst []float32, b []byte) {
	var q [32]uint8
	Nibbles(&q, b[6:])
	FifthBits(&q, b[2:])
	scaleOffset(dst, &q, Half(b, 0), 16)
}

func decodeQ5_1(dst []float32, b []byte) {
	var q [32]uint8
	Nibbles(&q, b[8:])
	FifthBits(&q, b[4:])
	scaleMin(dst, &q, Half(b, 0), Half(b, 2))
}

func decodeQ8_0(dst []float32, b []byte) {
	d := Half(b, 0)
	for i := range dst {
		dst[i] = d * float32(int8(b[2+i])) //nolint:gosec // the byte is an int8
	}
}

func scaleOffset(dst []float32, q *[32]uint8, d float32, offset int) {
	for i := range dst {
		dst[i] = d * float32(int(q[i])-offset)
	}
}

func scaleMin(dst []float32, q *[32]uint8, d, m float32) {
	for i := range dst {
		dst[i] = float32(d*float32(q[i])) + m
	}
}

func decodeQ4_K(dst []float32, b []byte) {
	var q [256]uint8
	UnpackQ4K(&q, b)
	decodeK(dst, &q, b)
}

func decodeQ5_K(dst []float32, b []byte) {
	var q [256]uint8
	UnpackQ5K(&q, b)
	decodeK(dst, &q, b)
}

func decodeK(dst []float32, q *[256]uint8, b []byte) {
	d, dmin := Half(b, 0), Half(b, 2)
	for j := range 8 {
		sc, m := ScaleMin(b[4:16], j)
		scale, minimum := d*float32(sc), float32(dmin*float32(m))
		for i := j * 32; i < j*32+32; i++ {
			dst[i] = float32(scale*float32(q[i])) - minimum
		}
	}
}

func decodeQ6_K(dst []float32, b []byte) {
	var q [256]uint8
	UnpackQ6K(&q, b)
	d, scales := Half(b, 208), b[192:208]
	for i := range dst {
		sc := float32(int8(scales[i/16])) //nolint:gosec // the byte is an int8
		dst[i] = float32(d*sc) * float32(int(q[i])-32)
	}
}
