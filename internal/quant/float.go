package quant

import "math"

// HalfToFloat widens an IEEE 754 half exactly. A NaN keeps its payload and
// becomes quiet, as the processors' conversion does.
func HalfToFloat(h uint16) float32 {
	sign, exp, man := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&0x3ff
	switch {
	case exp == 31 && man != 0:
		return math.Float32frombits(sign | 0x7fc00000 | man<<13)
	case exp == 31:
		return math.Float32frombits(sign | 0x7f800000)
	case exp == 0:
		f := float32(man) / (1 << 24)
		return math.Float32frombits(math.Float32bits(f) | sign)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | man<<13)
}

// FloatToHalf rounds to the nearest half, ties to even; too large becomes
// infinite, and a NaN a quiet NaN.
func FloatToHalf(f float32) uint16 {
	b := math.Float32bits(f)
	sign, b := uint16(b>>16)&0x8000, b&0x7fffffff
	switch {
	case b > 0x7f800000:
		return sign | 0x7e00 | uint16(b>>13&0x1ff)
	case b >= 0x477ff000: // 65520 and more round to infinity
		return sign | 0x7c00
	case b < 0x38800000: // below the least normal half: count units of 2^-24
		// Adding 0.5 puts the value's last kept bit at 2^-24 and rounds
		// what is below it to even.
		u := math.Float32bits(math.Float32frombits(b) + 0.5)
		return sign | uint16(u-math.Float32bits(0.5)) //nolint:gosec // at most 0x400
	}
	b += 0xfff + b>>13&1 // round to even at bit 13
	return sign | uint16((b-112<<23)>>13)
}

// BFloatToFloat widens a bfloat16 exactly.
func BFloatToFloat(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// FloatToBFloat rounds to the nearest bfloat16, ties to even; a NaN stays one.
func FloatToBFloat(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}
