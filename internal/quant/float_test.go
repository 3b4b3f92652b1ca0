package quant_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/quant"
)

// requireBits holds that two rows are equal to the bit, zeros' signs included.
func requireBits(t *testing.T, want, got []float32, msg string) {
	t.Helper()
	require.Len(t, got, len(want), msg)
	for i := range want {
		require.Equal(t, math.Float32bits(want[i]), math.Float32bits(got[i]), "%s, value %d: %v and %v", msg, i, want[i], got[i])
	}
}

// half is a half's value by its definition (IEEE 754, 3.4), in float64.
func half(h uint16) float64 {
	sign, exp, man := 1.0, int(h>>10&31), float64(h&1023)
	if h>>15 == 1 {
		sign = -1
	}
	switch {
	case exp == 31 && man != 0:
		return math.NaN()
	case exp == 31:
		return sign * math.Inf(1)
	case exp == 0:
		return sign * math.Ldexp(man, -24)
	}
	return sign * math.Ldexp(1+man/1024, exp-15)
}

// TestHalves widens every half, and rounds it back to itself; a NaN becomes
// quiet and keeps its sign and the rest of its payload.
func TestHalves(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		got, want := quant.HalfToFloat(h), half(h)
		back := quant.FloatToHalf(got)
		if math.IsNaN(want) {
			require.Equal(t, uint32(h>>15)<<31|0x7fc00000|uint32(h&1023)<<13, math.Float32bits(got), "%04x", h)
			require.Equal(t, h|0x200, back, "%04x", h)
			continue
		}
		require.Equal(t, math.Float32bits(float32(want)), math.Float32bits(got), "%04x", h)
		require.Equal(t, h, back, "%04x", h)
	}
}

// TestHalfRounding takes the points around the middle between every two
// neighbouring halves: the middle goes to the even one, what is beside it to the
// nearer one.
func TestHalfRounding(t *testing.T) {
	for h := range uint16(0x7c00) {
		next := h + 1
		upper := half(next)
		if next == 0x7c00 {
			upper = 65536 // where the next one would be
		}
		middle := float32((half(h) + upper) / 2) // exact: 12 bits
		even := h + h&1
		for _, sign := range []uint16{0, 0x8000} {
			s := float32(1)
			if sign != 0 {
				s = -1
			}
			require.Equal(t, sign|even, quant.FloatToHalf(s*middle), "%04x", h)
			require.Equal(t, sign|h, quant.FloatToHalf(s*math.Nextafter32(middle, 0)), "%04x", h)
			require.Equal(t, sign|next, quant.FloatToHalf(s*math.Nextafter32(middle, 1e9)), "%04x", h)
		}
	}
	require.Equal(t, uint16(0x7c00), quant.FloatToHalf(math.MaxFloat32))
	require.Equal(t, uint16(0xfc00), quant.FloatToHalf(float32(math.Inf(-1))))
	require.Equal(t, uint16(0x8000), quant.FloatToHalf(-math.SmallestNonzeroFloat32))
}

// TestBFloats widens every bfloat16, and rounds it and its neighbours back.
func TestBFloats(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		f := quant.BFloatToFloat(h)
		bits := uint32(h) << 16
		require.Equal(t, bits, math.Float32bits(f))
		if f != f {
			require.Equal(t, h|0x40, quant.FloatToBFloat(f), "%04x: a quiet NaN", h)
			continue
		}
		require.Equal(t, h, quant.FloatToBFloat(f), "%04x", h)
		if h&0x7fff >= 0x7f80 {
			continue // nothing is beyond the infinities
		}
		require.Equal(t, h, quant.FloatToBFloat(math.Float32frombits(bits|0x7fff)), "%04x", h)
		require.Equal(t, h+h&1, quant.FloatToBFloat(math.Float32frombits(bits|0x8000)), "%04x: to even", h)
		require.Equal(t, h+1, quant.FloatToBFloat(math.Float32frombits(bits|0x8001)), "%04x", h)
	}
	// A NaN whose payload stands in the bits that are dropped stays one.
	require.Equal(t, uint16(0x7fc0), quant.FloatToBFloat(math.Float32frombits(0x7f800001)))
}
