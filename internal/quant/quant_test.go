package quant_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/quant"
)

// blocks are n random blocks of a type whose scales are finite and not tiny,
// plus some whose scales are zero, negative, subnormal or the largest.
func blocks(typ quant.Type, n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, uint64(typ)))
	b := make([]byte, n*typ.BlockBytes())
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	odd := []uint16{0, 0x8000, 1, 0x83ff, 0x7bff, 0xfbff, 0x3c00}
	for i := range n {
		block := b[i*typ.BlockBytes():][:typ.BlockBytes()]
		for _, at := range scaleOffsets(typ) {
			scale := uint16(r.Uint32()) & 0xbfff // an exponent of at most 1: finite
			if i < len(odd) {
				scale = odd[i]
			}
			binary.LittleEndian.PutUint16(block[at:], scale)
		}
	}
	if typ == quant.F32 {
		for i := range n { // no NaN: the test compares bits of what is a number
			binary.LittleEndian.PutUint32(b[4*i:], r.Uint32()&0xbfffffff)
		}
	}
	return b
}

// scaleOffsets is where the halves of a block stand.
func scaleOffsets(typ quant.Type) []int {
	switch typ {
	case quant.F16, quant.BF16, quant.Q4_0, quant.Q5_0, quant.Q8_0:
		return []int{0}
	case quant.Q4_1, quant.Q5_1, quant.Q4_K, quant.Q5_K:
		return []int{0, 2}
	case quant.Q6_K:
		return []int{208}
	default:
		return nil
	}
}

// value is value i of a block by the formula of the format, read bit by bit
// from the layouts in ggml-common.h, each product rounded to float32.
func value(typ quant.Type, b []byte, i int) float32 {
	d := func(at int) float32 { return float32(half(binary.LittleEndian.Uint16(b[at:]))) }
	bit := func(at, k int) int { return int(b[at+k/8]) >> (k % 8) & 1 }
	// field is n bits from bit k on of the bytes at at, lowest first.
	field := func(at, k, n int) int {
		v := 0
		for j := range n {
			v |= bit(at, k+j) << j
		}
		return v
	}
	nibble := func(at int) int { return field(at, 8*(i%16)+4*(i/16), 4) } // of a block of 32
	switch typ {
	case quant.F32:
		return math.Float32frombits(binary.LittleEndian.Uint32(b))
	case quant.F16:
		return d(0)
	case quant.BF16:
		return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16)
	case quant.Q4_0:
		return d(0) * float32(nibble(2)-8)
	case quant.Q4_1:
		return float32(d(0)*float32(nibble(4))) + d(2)
	case quant.Q5_0:
		return d(0) * float32(nibble(6)+16*bit(2, i)-16)
	case quant.Q5_1:
		return float32(d(0)*float32(nibble(8)+16*bit(4, i))) + d(2)
	case quant.Q8_0:
		return d(0) * float32(int8(b[2+i]))
	case quant.Q4_K:
		q := field(16, 8*(i/64*32+i%32)+4*(i/32%2), 4)
		return valueK(b, field, i/32, q, d(0), d(2))
	case quant.Q5_K:
		q := field(48, 8*(i/64*32+i%32)+4*(i/32%2), 4) + 16*bit(16, 8*(i%32)+i/32)
		return valueK(b, field, i/32, q, d(0), d(2))
	default: // Q6_K
		h, j := i/128, i%128
		q := field(64*h, 8*(j%64)+4*(j/64), 4) + 16*field(128+32*h, 8*(j%32)+2*(j/32), 2)
		return float32(d(208)*float32(int8(b[192+i/16]))) * float32(q-32)
	}
}

// valueK is a value of a Q4_K or Q5_K block whose sub-block j has a scale and a
// minimum of six bits each.
func valueK(_ []byte, field func(at, k, n int) int, j, q int, d, dmin float32) float32 {
	scale, minimum := field(4, 8*j, 6), field(8, 8*j, 6)
	if j >= 4 {
		scale = field(12, 8*(j-4), 4) + 16*field(4, 8*(j-4)+6, 2)
		minimum = field(12, 8*(j-4)+4, 4) + 16*field(8, 8*(j-4)+6, 2)
	}
	return float32(float32(d*float32(scale))*float32(q)) - float32(dmin*float32(minimum))
}

// TestDecoders compares every decoder with the format's formula.
func TestDecoders(t *testing.T) {
	const n = 200
	for _, typ := range quant.Types() {
		t.Run(typ.String(), func(t *testing.T) {
			raw, values := blocks(typ, n, 1), typ.BlockLen()
			got := make([]float32, n*values)
			quant.Dequantize(typ, got, raw)
			want := make([]float32, n*values)
			for i := range want {
				want[i] = value(typ, raw[i/values*typ.BlockBytes():], i%values)
			}
			requireBits(t, want, got, typ.String())
		})
	}
}

// golden are hashes of decoded blocks, little-endian: the bits of every format,
// to notice a change of the formula and of its test together.
var golden = map[quant.Type]string{
	quant.F32:  "88d65a4e47a65c99",
	quant.F16:  "902a749ce0cabf68",
	quant.Q4_0: "de9b4a2b297f9737",
	quant.Q4_1: "5a92dfa5d47a6a55",
	quant.Q5_0: "6fe7be20f3451763",
	quant.Q5_1: "5cae0c5c5afe17e2",
	quant.Q8_0: "fd7af5fe53cddd90",
	quant.Q4_K: "f64978293edbb77b",
	quant.Q5_K: "d4a24db900eeaa73",
	quant.Q6_K: "3357767649162274",
	quant.BF16: "94f15c69a2c96b02",
}

func TestGolden(t *testing.T) {
	for _, typ := range quant.Types() {
		got := make([]float32, 100*typ.BlockLen())
		quant.Dequantize(typ, got, blocks(typ, 100, 2))
		h := sha256.New()
		require.NoError(t, binary.Write(h, binary.LittleEndian, got))
		require.Equal(t, golden[typ], hex.EncodeToString(h.Sum(nil)[:8]), typ.String())
	}
}

// TestSizes holds the sizes of blocks to bits per value, as the field knows
// them, and rows to whole blocks.
func TestSizes(t *testing.T) {
	bits := map[quant.Type]float64{
		quant.F32: 32, quant.F16: 16, quant.BF16: 16, quant.Q4_0: 4.5, quant.Q4_1: 5, quant.Q5_0: 5.5, quant.Q5_1: 6,
		quant.Q8_0: 8.5, quant.Q4_K: 4.5, quant.Q5_K: 5.5, quant.Q6_K: 6.5625,
	}
	require.Len(t, quant.Types(), len(bits))
	for _, typ := range quant.Types() {
		require.True(t, typ.Supported())
		require.InDelta(t, bits[typ], 8*float64(typ.BlockBytes())/float64(typ.BlockLen()), 0, typ.String())
		n, err := typ.RowBytes(3 * typ.BlockLen())
		require.NoError(t, err)
		require.Equal(t, 3*typ.BlockBytes(), n)
		for _, cols := range []int{0, -typ.BlockLen(), typ.BlockLen() + 1} {
			if _, err = typ.RowBytes(cols); cols <= 0 || typ.BlockLen() > 1 {
				require.ErrorContains(t, err, fmt.Sprintf("a row of %d values is not a multiple of %s's block", cols, typ))
			}
		}
		parsed, err := quant.ParseType(strings.ToLower(typ.String()))
		require.NoError(t, err)
		require.Equal(t, typ, parsed)
	}
}

// TestUnsupported holds that other formats have a name and nothing else.
func TestUnsupported(t *testing.T) {
	for typ, name := range map[quant.Type]string{10: "Q2_K", 11: "Q3_K", 20: "IQ4_NL", 39: "MXFP4", 999: "type 999"} {
		require.Equal(t, name, typ.String())
		require.False(t, typ.Supported())
		require.Zero(t, typ.BlockLen())
		require.Zero(t, typ.BlockBytes())
		_, err := typ.RowBytes(256)
		require.ErrorContains(t, err, name+" is not supported (supported: F32, F16, Q4_0,")
		quant.Dequantize(typ, make([]float32, 8), nil) // does nothing
	}
	_, err := quant.ParseType("Q2_K")
	require.ErrorContains(t, err, `block format "Q2_K" is unknown; supported: F32,`)
	err = &quant.UnsupportedError{Type: 10, Tensor: "blk.0.ffn_up.weight"}
	require.ErrorContains(t, err, "tensor blk.0.ffn_up.weight is stored as Q2_K, which is not supported (supported: F32,")
}

// TestPartial holds that only whole blocks are decoded.
func TestPartial(t *testing.T) {
	raw := blocks(quant.Q8_0, 2, 3)
	dst := make([]float32, 63)
	dst[32], dst[62] = 7, 7
	quant.Dequantize(quant.Q8_0, dst, raw)
	require.InDelta(t, 7, dst[32], 0)
	require.InDelta(t, 7, dst[62], 0)
}
