package hser

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// floats reads n floats of any bits; what is missing is 0.
func floats(raw []byte, n int) ([]float32, []byte) {
	out := make([]float32, n)
	for i := range out {
		if len(raw) < 4 {
			return out, nil
		}
		out[i], raw = math.Float32frombits(binary.LittleEndian.Uint32(raw)), raw[4:]
	}
	return out, raw
}

// check holds a choice to what is true of every choice.
func check(t *testing.T, c *Config, set *TierSet, got []Choice) {
	t.Helper()
	require.Len(t, got, set.K())
	require.True(t, slices.IsSorted(indices(got)))
	require.Len(t, slices.Compact(indices(got)), set.K())
	for _, choice := range got {
		tier := c.Tiers[choice.Tier]
		require.Contains(t, set.Tiers, int(choice.Tier))
		require.EqualValues(t, (int(choice.Index)-tier.First)/tier.Experts, choice.Group)
		require.GreaterOrEqual(t, choice.Weight, float32(0))
		require.LessOrEqual(t, choice.Weight, float32(1.0001))
	}
}

func FuzzJoint(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, uint8(2), uint8(3), uint64(0), false)
	f.Add([]byte{255, 255, 255, 127, 0, 0, 128, 127}, uint8(9), uint8(0), uint64(3), true)
	f.Add([]byte{0, 0, 128, 127, 0, 0, 128, 255, 0, 0, 0, 0}, uint8(1), uint8(2), uint64(1), true)
	f.Fuzz(func(t *testing.T, raw []byte, k, limit uint8, seed uint64, sigmoid bool) {
		c := &Config{Mode: Joint, Normalize: true, Tiers: []Tier{{Groups: 2, Experts: 4}, {Groups: 1, Experts: 8, First: 8}, {Groups: 8, Experts: 1, First: 16}}}
		set := &TierSet{Tiers: []int{0, 2}, KTier: 1, KGroup: 1, KExpert: int(k)}
		if limit > 1 {
			c.LimitGroups, c.LimitUsed = 6, int(limit)
		}
		logits, raw := floats(raw, 24)
		var bias []float32
		if sigmoid {
			c.Score = Sigmoid
			bias, _ = floats(raw, 24)
		}
		var r Router
		got, err := r.Joint(c, nil, logits, bias, set, Key{Seed: seed})
		if err != nil {
			require.Empty(t, got)
			return
		}
		check(t, c, set, got)
	})
}

func FuzzNested(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, uint8(1), uint8(1), uint8(2), uint64(0))
	f.Add([]byte{255, 255, 255, 127, 0, 0, 128, 127}, uint8(2), uint8(2), uint8(3), uint64(9))
	f.Add([]byte{0, 0, 128, 127, 0, 0, 128, 255, 0, 0, 0, 0}, uint8(0), uint8(9), uint8(255), uint64(1))
	f.Fuzz(func(t *testing.T, raw []byte, kTier, kGroup, kExpert uint8, seed uint64) {
		c, set := native()
		set.Tiers = []int{0, 2}
		set.KTier, set.KGroup, set.KExpert = int(kTier), int(kGroup), int(kExpert)
		h := &heads{}
		h.tiers, raw = floats(raw, 3)
		for _, tier := range c.Tiers {
			var row []float32
			row, raw = floats(raw, tier.Groups)
			h.groups = append(h.groups, row)
			var rows [][]float32
			for range tier.Groups {
				row, raw = floats(raw, tier.Experts)
				rows = append(rows, row)
			}
			h.expert = append(h.expert, rows)
		}
		var r Router
		got, err := h.route(&r, c, set, Key{Seed: seed})
		var notANumber *NaNError
		switch {
		case err == nil:
			check(t, c, set, got)
		case set.Validate(c) == nil:
			require.ErrorAs(t, err, &notANumber, "a valid set fails for no other reason")
		}
	})
}
