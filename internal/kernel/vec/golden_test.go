package vec

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/kernel"
)

// TestGolden holds every implementation to bits that are committed. A change of
// testdata/golden is a new profile (docs/format/numerics-vector.md).
func TestGolden(t *testing.T) {
	for _, impl := range kernel.Available() {
		datadriven.RunTest(t, "testdata/golden", func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "row":
				return goldenRow(t, d, For(impl))
			case "scalar":
				return goldenScalar(t, d)
			case "rope":
				return goldenRope(t, d)
			}
			t.Fatalf("unknown command %q", d.Cmd)
			return ""
		})
	}
}

// integers is a row of multiples of 2^-20 times a scale, from integer
// arithmetic alone (Marsaglia's xorshift), so that it is the same everywhere.
func integers(seed uint32, n int, scale float32) []float32 {
	x, row := seed*2654435769|1, make([]float32, n)
	for i := range row {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		row[i] = float32(int32(x)>>8) * 0x1p-20 * scale
	}
	return row
}

// goldenRow runs an operation over rows of n values within ±8.
func goldenRow(t *testing.T, d *datadriven.TestData, k *Kernels) string {
	var name string
	var n int
	d.ScanArgs(t, "op", &name)
	d.ScanArgs(t, "n", &n)
	for _, op := range operations {
		if op.name == name {
			dst := make([]float32, n)
			op.run(k, dst, input{integers(1, n, 1), integers(2, n, 1), integers(3, n, 1), 0.3, 1.7})
			return digest(t, dst)
		}
	}
	t.Fatalf("unknown operation %q", name)
	return ""
}

// goldenScalar runs a scalar function over n values.
func goldenScalar(t *testing.T, d *datadriven.TestData) string {
	var name string
	var n int
	d.ScanArgs(t, "f", &name)
	d.ScanArgs(t, "n", &n)
	f, x := Exp32, integers(4, n, 13) // within ±104
	if name == "log" {
		f = Log32
		for i := range x {
			x[i] = math.Float32frombits(math.Float32bits(x[i]) &^ (1 << 31))
		}
	}
	for i, v := range x {
		x[i] = f(v)
	}
	return digest(t, x)
}

// goldenRope rotates rows of two heads at many positions.
func goldenRope(t *testing.T, d *datadriven.TestData) string {
	c := RopeConfig{Interleaved: d.HasArg("interleaved")}
	d.ScanArgs(t, "dims", &c.Dims)
	d.ScanArgs(t, "base", &c.Base)
	var scaling Scaling
	if d.HasArg("yarn") {
		scaling, c.OriginalContext, c.BetaFast, c.BetaSlow = RopeYaRN, 4096, 32, 1
		d.ScanArgs(t, "yarn", &c.Factor)
	}
	c.Scaling = scaling
	if d.HasArg("factors") {
		for i := range c.Dims / 2 {
			c.FreqFactors = append(c.FreqFactors, 1+float32(i)/4)
		}
	}
	rope, err := NewRope(c)
	require.NoError(t, err)
	cos, sin := make([]float32, c.Dims/2), make([]float32, c.Dims/2)
	var all []float32
	for pos := 0; pos < 1<<24; pos = pos*2 + 1 {
		rope.At(pos, cos, sin)
		x := integers(5, 2*(c.Dims+2), 1)
		rope.Apply(x, cos, sin, 2, c.Dims+2)
		all = append(append(append(all, cos...), sin...), x...)
	}
	return digest(t, all)
}

// digest prints the first values, to see, and the hash of all, to compare.
func digest(t *testing.T, x []float32) string {
	h := sha256.New()
	for _, v := range x {
		require.False(t, math.IsNaN(float64(v)))
		require.NoError(t, binary.Write(h, binary.LittleEndian, math.Float32bits(v)))
	}
	return fmt.Sprintf("%08x %08x %08x\n%x\n", math.Float32bits(x[0]), math.Float32bits(x[1]), math.Float32bits(x[len(x)-1]), h.Sum(nil))
}
