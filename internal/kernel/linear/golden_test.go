package linear

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/quant"
)

// TestGolden holds every implementation to bits that are committed. A change of
// testdata/golden is a new profile (docs/format/numerics-linear.md).
func TestGolden(t *testing.T) {
	for _, impl := range kernel.Available() {
		datadriven.RunTest(t, "testdata/golden", func(t *testing.T, d *datadriven.TestData) string {
			var name string
			var rows, cols, n int
			d.ScanArgs(t, "type", &name)
			d.ScanArgs(t, "rows", &rows)
			d.ScanArgs(t, "cols", &cols)
			d.ScanArgs(t, "n", &n)
			typ, err := quant.ParseType(name)
			require.NoError(t, err)
			w, x := goldenMatrix(t, typ, rows, cols), make([]float32, n*cols)
			g := xorshift(2)
			for i := range x {
				x[i] = float32(int32(g.next())>>8) * 0x1p-20
			}
			return digest(product(impl, w, x, n, 0, rows, rows))
		})
	}
}

// xorshift is Marsaglia's generator: integers that are the same everywhere.
type xorshift uint32

func (x *xorshift) next() uint32 {
	*x ^= *x << 13
	*x ^= *x >> 17
	*x ^= *x << 5
	return uint32(*x)
}

// goldenMatrix is random blocks whose floats are between 2^-5 and 2^-4.
func goldenMatrix(t *testing.T, typ quant.Type, rows, cols int) Matrix {
	t.Helper()
	size, err := typ.RowBytes(cols)
	require.NoError(t, err)
	data, g := make([]byte, rows*size), xorshift(1)
	for i := range data {
		data[i] = byte(g.next() >> 8)
	}
	little := binary.LittleEndian
	eachFloat(typ, data, func(b []byte, as quant.Type) {
		switch as {
		case quant.F32:
			little.PutUint32(b, little.Uint32(b)&0x807fffff|122<<23)
		case quant.BF16:
			little.PutUint16(b, little.Uint16(b)&0x807f|122<<7)
		default:
			little.PutUint16(b, little.Uint16(b)&0x83ff|10<<10)
		}
	})
	m, err := NewMatrix(typ, rows, cols, data)
	require.NoError(t, err)
	return m
}

// digest is the first bytes of a hash of the bits.
func digest(x []float32) string {
	h := sha256.New()
	for _, b := range bits(x) {
		var le [4]byte
		binary.LittleEndian.PutUint32(le[:], b)
		h.Write(le[:])
	}
	return fmt.Sprintf("%x\n", h.Sum(nil)[:12])
}
