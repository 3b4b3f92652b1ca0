package quant

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Encode writes values as blocks of a type, appended to dst: the nearest number of
// a float type, and for Q8_0 the nearest multiple of d = absmax/127 in each block of
// 32, as ggml's reference does. It returns an *UnsupportedError for other types:
// making those well is the work of tools that weigh what matters.
func Encode(dst []byte, t Type, values []float32) ([]byte, error) {
	if len(values)%t.BlockLen() != 0 {
		return dst, fmt.Errorf("%d values are not whole blocks of %s", len(values), t)
	}
	switch t {
	case F32:
		for _, v := range values {
			dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
		}
	case F16:
		for _, v := range values {
			dst = binary.LittleEndian.AppendUint16(dst, FloatToHalf(v))
		}
	case BF16:
		for _, v := range values {
			dst = binary.LittleEndian.AppendUint16(dst, FloatToBFloat(v))
		}
	case Q8_0:
		for ; len(values) > 0; values = values[32:] {
			dst = encodeQ8_0(dst, values[:32])
		}
	default:
		return dst, &UnsupportedError{Type: t}
	}
	return dst, nil
}

func encodeQ8_0(dst []byte, block []float32) []byte {
	top := float32(0)
	for _, v := range block {
		top = max(top, float32(math.Abs(float64(v))))
	}
	d, inverse := top/127, float32(0)
	if d != 0 {
		inverse = 1 / d
	}
	dst = binary.LittleEndian.AppendUint16(dst, FloatToHalf(d))
	for _, v := range block {
		dst = append(dst, byte(int8(math.Round(float64(v*inverse))))) //nolint:gosec // −127 to 127
	}
	return dst
}
