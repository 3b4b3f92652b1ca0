package lite_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite"
)

// TestBoundOfTiny compares what inspect prints with a calculation by hand.
func TestBoundOfTiny(t *testing.T) {
	m, err := lite.Open("tiny", lite.Options{Memory: 1 << 30, Threads: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	const (
		dim, layers, vocab = 192, 6, 2048
		// 6 query heads share 3 key and value heads of 32 values.
		attention = dim*192 + dim*96 + dim*96 + 192*dim // q, k, v, o: 110,592
		norms     = 2 * dim
		once      = dim + vocab*dim + dim // embedding row, output head, last norm: 393,600
		// Bytes of the heads of 2 groups and of 4 experts, in F32.
		groupHead, expertHead = 2 * dim * 4, 4 * dim * 4
	)
	want := []lite.SetInfo{
		{
			// Routing rows of a layer: 4 tiers, 2 groups of one tier, 4
			// experts of one group. Experts: 3 matrices of 192 × 32.
			Name: "fast", Tiers: []string{"xs"}, KTier: 1, KGroup: 1, KExpert: 2, L: layers,
			CDense: attention + norms + (4+2+4)*dim + once/6.0, // 178,496
			K:      2, ThetaMax: 3 * 192 * 32,                  // 18,432
			PActive:     1_292_160,                                              // 6·(178,496 + 2·18,432)
			ExpertBytes: layers * (2*18_432/32*34 + 1*groupHead + 1*expertHead), // blocks of 32 values in 34 bytes
		},
		{
			// 4 tiers, 2 groups of two tiers, 4 experts of two groups.
			Name: "balanced", Tiers: []string{"xs", "s", "m"}, KTier: 2, KGroup: 1, KExpert: 2, L: layers,
			CDense: attention + norms + (4+4+8)*dim + once/6.0, // 179,648
			K:      4, ThetaMax: 3 * 192 * 128,                 // 73,728
			PActive:     2_847_360,                                              // 6·(179,648 + 4·73,728)
			ExpertBytes: layers * (4*73_728/32*22 + 2*groupHead + 2*expertHead), // blocks of 32 values in 22 bytes
		},
		{
			// 4 tiers, 2 groups of three tiers, 4 experts of three groups.
			Name: "full", Tiers: []string{"xs", "s", "m", "l"}, KTier: 3, KGroup: 1, KExpert: 2, L: layers,
			CDense: attention + norms + (4+6+12)*dim + once/6.0, // 180,800
			K:      6, ThetaMax: 3 * 192 * 256,                  // 147,456
			PActive:     6_393_216,                                               // 6·(180,800 + 6·147,456)
			ExpertBytes: layers * (6*147_456/32*22 + 3*groupHead + 3*expertHead), // blocks of 32 values in 22 bytes
		},
	}
	require.Equal(t, want, m.Info().Sets)
	require.Equal(t, "full", m.Info().DefaultSet)

	active := map[string]int64{}
	for _, set := range want {
		require.InDelta(t, float64(set.PActive), float64(set.L)*(set.CDense+float64(set.K)*float64(set.ThetaMax)), 0.5)
		g := m.Generate(context.Background(), lite.Request{Prompt: "And it came to pass", TierSet: set.Name, MaxTokens: 3})
		for range g.Tokens() {
		}
		require.NoError(t, g.Err())
		require.Equal(t, set.PActive, g.Stats().ActiveParamsBound)
		active[set.Name] = g.Stats().ActiveParamsMax
	}
	require.Equal(t, want[0].PActive, active["fast"], "all experts of the set have one size: every token reaches the bound")
	// Two tiers of {xs, s, m}, three of {xs, s, m, l}: the bound counts the
	// largest of them as often as there are tiers, and a token has it once.
	expert := func(ff int64) int64 { return 3 * dim * ff }
	require.LessOrEqual(t, active["balanced"], want[1].PActive-2*layers*(expert(128)-expert(64)))
	require.LessOrEqual(t, active["full"], want[2].PActive-2*layers*(2*expert(256)-expert(128)-expert(64)))
	require.Greater(t, active["full"], active["balanced"])
	require.Greater(t, active["balanced"], active["fast"])
}
