package metamorphic

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/kernel/attn"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/weights/synth"
)

// paired is a model each odd expert of which has the routing row of the one
// before it: scores that are equal whatever the input. With twins the experts
// themselves are equal too, so that it does not matter which one runs.
func paired(t *testing.T, family string, twins bool) (*modeltest.File, *model.Model) {
	t.Helper()
	shape := synth.Tiny(family)
	shape.ExpertsUsed = 3
	f := modeltest.Random(t, shape, "F32", 21)
	for x := range f.W.All() {
		switch {
		case x.Dim(1) == 8 && len(x.Dims) == 2: // a head of eight experts
			pairRows(t, f, x.Name, 8)
		case twins && x.Dim(2) == 8:
			pairRows(t, f, x.Name, 8)
		}
	}
	return f, f.Build(t)
}

// pairsOf replaces every choice by its pair.
func pairsOf(chosen []hser.Choice) []hser.Choice {
	out := make([]hser.Choice, len(chosen))
	for i, c := range chosen {
		c.Index /= 2
		out[i] = c
	}
	return out
}

// seeds are routing seeds beside 0.
var seeds = []uint64{1, 2, 1 << 63}

// TestRoutingSeedMovesTies: under another seed other ones of equal experts are
// chosen, and nothing else changes: where twins stand for each other, weights
// and logits keep their bits through all layers.
func TestRoutingSeedMovesTies(t *testing.T) {
	for _, family := range []string{"olmoe", "mixtral", "qwen2moe", "lite"} {
		t.Run(family, func(t *testing.T) {
			f, m := paired(t, family, true)
			all := []request{{modeltest.Tokens(m, 60, 0), &m.Sets[len(m.Sets)-1]}}
			want, plain := outcomes(t, f, m, attn.F16, all, 0)
			for _, c := range plain {
				require.True(t, c.Index%2 == 0 || has(plain, c.Index-1), "without a seed the lower id comes first")
			}
			differ := 0
			for _, seed := range seeds {
				got, chosen := outcomes(t, f, m, attn.F16, all, seed)
				require.Equal(t, pairsOf(plain), pairsOf(chosen), "seed %d moved more than ties", seed)
				for pos := range got[0] {
					require.Equal(t, want[0][pos].logits, got[0][pos].logits, "seed %d, position %d", seed, pos)
				}
				for i := range chosen {
					if chosen[i].Index != plain[i].Index {
						differ++
					}
				}
			}
			require.Greater(t, differ, len(plain)/4, "half of the last choices are ties that a seed moves")
		})
	}
}

func has(chosen []hser.Choice, index int64) bool {
	for _, c := range chosen {
		if c.Index == index {
			return true
		}
	}
	return false
}

// TestRoutingSeedIsPartOfTheResult: where equal scores lead to different
// experts, another seed gives another result, and the same seed the same.
func TestRoutingSeedIsPartOfTheResult(t *testing.T) {
	f, m := paired(t, "olmoe", false)
	all := requestsOf(m, 0)
	seen := map[uint64]bool{}
	for _, seed := range append([]uint64{0}, seeds...) {
		got, _ := outcomes(t, f, m, attn.F16, all, seed)
		again, _ := outcomes(t, f, m, attn.F16, all, seed)
		require.Equal(t, got, again)
		seen[got[0][lengths[0]-1].logits] = true
	}
	require.Len(t, seen, 4)
}

// TestRoutingSeedWithoutTies: where no scores are equal a seed moves nothing.
func TestRoutingSeedWithoutTies(t *testing.T) {
	for i := range subjects {
		s := &subjects[i]
		if s.ties {
			continue
		}
		f := s.file(t)
		m := f.Build(t)
		want, plain := outcomes(t, f, m, s.elem, requestsOf(m, 0), 0)
		got, chosen := outcomes(t, f, m, s.elem, requestsOf(m, 0), 77)
		require.Equal(t, want, got, s.name)
		require.Equal(t, plain, chosen, s.name)
	}
}
