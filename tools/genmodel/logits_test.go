package main

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite"
	"github.com/lite-llm/lite/internal/weights/synth"
)

// TestLogits runs a model of every family: its logits must be finite and about
// as far apart as the output head makes them.
func TestLogits(t *testing.T) {
	for _, family := range synth.Families() {
		for _, mix := range []string{"F32", "Q4_K_M"} {
			t.Run(family+"/"+mix, func(t *testing.T) {
				m, err := lite.Open(makeModel(t, "--family", family, "--quant", mix), lite.Options{Threads: 1, Context: 16})
				require.NoError(t, err)
				defer m.Close()
				positions := 0
				require.NoError(t, m.Logits(context.Background(), "", []int32{5, 300, 7, 401}, func(_ int, logits []float32) error {
					positions++
					require.Len(t, logits, 512)
					square := 0.0
					for _, x := range logits {
						require.False(t, math.IsNaN(float64(x)) || math.IsInf(float64(x), 0))
						square += float64(x) * float64(x) / 512
					}
					require.InDelta(t, 3, math.Sqrt(square), 1.2)
					return nil
				}, nil))
				require.Equal(t, 4, positions)
			})
		}
	}
}

// TestSkewedRouting counts the experts that the tokens of a model choose: with
// skew the same few take a larger part.
func TestSkewedRouting(t *testing.T) {
	top := func(skew string) float64 {
		m, err := lite.Open(makeModel(t, "--family", "olmoe", "--quant", "F32", "--experts", "64", "--experts-used", "8", "--skew", skew),
			lite.Options{Threads: 1, Context: 256})
		require.NoError(t, err)
		defer m.Close()
		var counts [64]int
		total := 0
		tokens := make([]int32, 256)
		for i := range tokens {
			tokens[i] = int32(i * 37 % 512)
		}
		require.NoError(t, m.Logits(context.Background(), "", tokens, func(int, []float32) error { return nil },
			func(layer, _ int, chosen []lite.Expert) {
				for _, e := range chosen {
					if layer == 0 {
						counts[e.Index]++
						total++
					}
				}
			}))
		most := 0
		for range 16 {
			at := 0
			for i, n := range counts {
				if n > counts[at] {
					at = i
				}
			}
			most += counts[at]
			counts[at] = 0
		}
		return float64(most) / float64(total)
	}
	flat, skewed := top("0"), top("0.8")
	require.Less(t, flat, 0.45, "a quarter of the experts")
	require.Greater(t, skewed, flat+0.15)
}
