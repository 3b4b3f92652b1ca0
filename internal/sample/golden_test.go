package sample

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/kernel"
)

// goldenLogits are of integers and so of no platform: v tokens between -8 and
// 8, some equal.
func goldenLogits(v int) []float32 {
	x, state := make([]float32, v), uint32(1)
	for i := range x {
		state = state*1664525 + 1013904223 // Numerical Recipes' generator
		x[i] = float32(state>>20)/256 - 8
	}
	return x
}

// TestGolden holds tokens to those that are written down. A change to
// testdata/golden is a new profile (docs/format/numerics-sampling.md).
//
//	noise seed=S prompt=(…) sample=N position=P token=T
//	tokens vocab=V count=N [seed=S] [sample=N] [temperature=T] [top-k=K] [top-p=P] [min-p=P]
//
// noise prints the random bits and the noise of one candidate; tokens draws
// count tokens at the positions from 0, after the prompt (1, 2, 3).
func TestGolden(t *testing.T) {
	for _, impl := range kernel.Available() {
		datadriven.RunTest(t, "testdata/golden", func(t *testing.T, d *datadriven.TestData) string {
			o := Options{Kernels: impl}
			d.MaybeScanArgs(t, "seed", &o.Seed)
			d.MaybeScanArgs(t, "sample", &o.Sample)
			d.MaybeScanArgs(t, "top-k", &o.TopK)
			for name, dst := range map[string]*float32{
				"temperature": &o.Temperature, "top-p": &o.TopP, "min-p": &o.MinP, "repeat-penalty": &o.RepeatPenalty,
			} {
				var text string
				if d.MaybeScanArgs(t, name, &text) {
					_, err := fmt.Sscan(text, dst)
					require.NoError(t, err)
				}
			}
			s, err := New(o, []int32{1, 2, 3})
			require.NoError(t, err)
			switch d.Cmd {
			case "noise":
				var position int
				var token int32
				d.ScanArgs(t, "position", &position)
				d.ScanArgs(t, "token", &token)
				x := s.bits23(position, token)
				return fmt.Sprintf("key %#08x %#08x bits %#06x noise %#08x %.6f\n",
					s.key[0], s.key[1], x, math.Float32bits(gumbel(x)), gumbel(x))
			case "tokens":
				var vocab, count int
				d.ScanArgs(t, "vocab", &vocab)
				d.ScanArgs(t, "count", &count)
				return goldenTokens(t, s, vocab, count)
			}
			d.Fatalf(t, "unknown command %s", d.Cmd)
			return ""
		})
	}
}

func goldenTokens(t *testing.T, s *Sampler, vocab, count int) string {
	logits, history := goldenLogits(vocab), []int32{1, 2, 3}
	for position := range count {
		id, err := s.Next(logits, position, history, position)
		require.NoError(t, err)
		history = append(history, id)
	}
	return strings.Trim(fmt.Sprint(history[3:]), "[]") + "\n"
}
