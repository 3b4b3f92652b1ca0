package attn

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/kernel"
)

// TestGolden holds every implementation to bits that are committed. A change of
// testdata/golden is a new profile (docs/format/numerics-attention.md).
func TestGolden(t *testing.T) {
	for _, impl := range kernel.Available() {
		datadriven.RunTest(t, "testdata/golden", func(t *testing.T, d *datadriven.TestData) string {
			require.Equal(t, "attend", d.Cmd)
			var name string
			var dk, dv int
			var lens, sinks []string
			d.ScanArgs(t, "elem", &name)
			d.ScanArgs(t, "dk", &dk)
			d.ScanArgs(t, "dv", &dv)
			for _, a := range d.CmdArgs {
				switch a.Key {
				case "lens":
					lens = a.Vals
				case "sinks":
					sinks = a.Vals
				}
			}
			e, err := ParseElem(name)
			require.NoError(t, err)
			return golden(t, impl, e, dk, dv, numbers(t, lens), numbers(t, sinks))
		})
	}
}

func numbers(t *testing.T, text []string) []int {
	var n []int
	for _, s := range text {
		v, err := strconv.Atoi(s)
		require.NoError(t, err)
		n = append(n, v)
	}
	return n
}

// golden attends over integers and prints the first outputs, to see, and the
// hash of all, to compare.
func golden(t *testing.T, impl kernel.Impl, e Elem, dk, dv int, lens, sinks []int) string {
	next, longest := integers(uint32(dk*dv)), 0
	for _, n := range lens {
		longest = max(longest, n)
	}
	c := newCache(next, e, dk, dv, longest)
	q, out := row(next, len(lens)*dk), make([]float32, len(lens)*dv)
	var logits []float32
	for _, s := range sinks {
		logits = append(logits, float32(s))
	}
	var s Scratch
	For(impl).AttendSinks(out, dv, q, dk, len(lens), c.kv, lens, logits, 0.25, &s)
	h := sha256.New()
	for _, v := range out {
		require.False(t, math.IsNaN(float64(v)))
		require.NoError(t, binary.Write(h, binary.LittleEndian, math.Float32bits(v)))
	}
	return fmt.Sprintf("%08x %08x %08x\n%x\n", math.Float32bits(out[0]), math.Float32bits(out[1]), math.Float32bits(out[dv-1]), h.Sum(nil))
}
