package quant

import "encoding/binary"

// The layouts of a block, in bytes. d and dmin are IEEE halves, little-endian.
//
//	Q4_0  | d 2 | 16 bytes: low nibble value i, high nibble value i+16 |            value = d*(q-8)
//	Q4_1  | d 2 | m 2 | 16 bytes of nibbles |                                       value = d*q + m
//	Q5_0  | d 2 | 4: bit i is bit 4 of value i | 16 bytes of nibbles |              value = d*(q-16)
//	Q5_1  | d 2 | m 2 | 4: fifth bits | 16 bytes of nibbles |                       value = d*q + m
//	Q8_0  | d 2 | 32 int8 |                                                        value = d*q
//	Q4_K  | d 2 | dmin 2 | 12: scales and minima, 6 bits each | 128 of nibbles |    value = d*sc*q - dmin*m
//	Q5_K  | d 2 | dmin 2 | 12 | 32: fifth bits | 128 of nibbles |                   value = d*sc*q - dmin*m
//	Q6_K  | 128: low nibbles | 64: upper 2 bits | 16 int8 scales | d 2 |            value = d*sc*(q-32)
const (
	SizeQ4_0 = 2 + 16
	SizeQ4_1 = 2 + 2 + 16
	SizeQ5_0 = 2 + 4 + 16
	SizeQ5_1 = 2 + 2 + 4 + 16
	SizeQ8_0 = 2 + 32
	SizeQ4_K = 2 + 2 + 12 + 128
	SizeQ5_K = 2 + 2 + 12 + 32 + 128
	SizeQ6_K = 128 + 64 + 16 + 2
)

// Half reads the half at offset at of a block.
func Half(block []byte, at int) float32 { return HalfToFloat(binary.LittleEndian.Uint16(block[at:])) }

// Nibbles unpacks 16 bytes to 32 values of four bits: low nibbles first.
func Nibbles(dst *[32]uint8, src []byte) {
	for i, b := range src[:16] {
		dst[i], dst[i+16] = b&15, b>>4
	}
}

// FifthBits adds the fifth bits of a Q5_0 or Q5_1 block to its nibbles.
func FifthBits(q *[32]uint8, src []byte) {
	bits := binary.LittleEndian.Uint32(src)
	for i := range q {
		q[i] |= uint8(bits>>i&1) << 4
	}
}

// ScaleMin unpacks scale and minimum j (0 to 7) of the 12 bytes of a Q4_K or
// Q5_K block: the first four pairs in the low six bits of bytes j and j+4, the
// others split between a nibble of byte j+4 and two top bits.
func ScaleMin(s []byte, j int) (scale, minimum uint8) {
	if j < 4 {
		return s[j] & 63, s[j+4] & 63
	}
	return s[j+4]&15 | s[j-4]>>6<<4, s[j+4]>>4 | s[j]>>6<<4
}

// UnpackQ4K unpacks the 256 four-bit values of a Q4_K block: of each 32 bytes
// the low nibbles come first.
func UnpackQ4K(dst *[256]uint8, block []byte) {
	qs := block[16:SizeQ4_K]
	for c := range 4 {
		for i, b := range qs[c*32 : c*32+32] {
			dst[c*64+i], dst[c*64+32+i] = b&15, b>>4
		}
	}
}

// UnpackQ5K unpacks the 256 five-bit values of a Q5_K block. Bit 2c of fifth
// byte i belongs to value 64c+i, bit 2c+1 to value 64c+32+i.
func UnpackQ5K(dst *[256]uint8, block []byte) {
	high, qs := block[16:48], block[48:SizeQ5_K]
	for c := range 4 {
		for i, b := range qs[c*32 : c*32+32] {
			dst[c*64+i] = b&15 | high[i]>>(2*c)&1<<4
			dst[c*64+32+i] = b>>4 | high[i]>>(2*c+1)&1<<4
		}
	}
}

// UnpackQ6K unpacks the 256 six-bit values of a Q6_K block, still offset by
// 32. Each half of 128 values takes 64 bytes of nibbles and 32 of top bits.
func UnpackQ6K(dst *[256]uint8, block []byte) {
	for half := range 2 {
		low, high := block[half*64:half*64+64], block[128+half*32:128+half*32+32]
		out := dst[half*128 : half*128+128]
		for i, h := range high {
			out[i] = low[i]&15 | h&3<<4
			out[i+32] = low[i+32]&15 | h>>2&3<<4
			out[i+64] = low[i]>>4 | h>>4&3<<4
			out[i+96] = low[i+32]>>4 | h>>6<<4
		}
	}
}
