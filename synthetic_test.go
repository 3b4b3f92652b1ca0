package lite_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite"
)

// synthetic is a model of two small layers whose experts do not fit the least
// memory together.
const synthetic = "synth:2e9,layers=2,dim=256,ff=256"

// TestSyntheticModelsHaveOneAnswer: whatever the memory, the threads, the chunk,
// the reads in flight and whether anything is kept.
func TestSyntheticModelsHaveOneAnswer(t *testing.T) {
	want := ""
	for i, o := range []lite.Options{
		{Memory: 1 << 30},
		{Memory: 1 << 30, Threads: 1, Chunk: 3},
		{Memory: 1 << 30, Chunk: 1, ReadDepth: 1, NoCache: true},
		{Memory: least(t), Measure: true},
		{Memory: least(t), Threads: 2, Chunk: 17, Kernels: "reference"},
	} {
		m, err := lite.Open(synthetic, o)
		require.NoError(t, err)
		g := m.Generate(context.Background(), lite.Request{Tokens: []int32{5, 600, 71, 8, 99}, MaxTokens: 6, IgnoreEnd: true})
		for range g.Tokens() {
		}
		require.NoError(t, g.Err())
		if want == "" {
			want = g.TokensSHA256()
		}
		require.Equal(t, want, g.TokensSHA256(), "%d: %+v", i, o)
		require.Positive(t, g.Stats().ReadBytes["synthetic"])
		if times := m.Times(); o.Measure {
			require.Positive(t, times.Router)
			require.Positive(t, times.Experts)
		} else {
			require.Zero(t, times)
		}
		if o.NoCache {
			require.Zero(t, g.Stats().ExpertHits)
			require.Zero(t, g.Stats().ResidentExpertBytes)
		}
		require.NoError(t, m.Close())
	}
}

// least is the least memory that the model runs in.
func least(t *testing.T) int64 {
	t.Helper()
	_, err := lite.Open(synthetic, lite.Options{Memory: 1 << 20})
	var me *lite.MemoryError
	require.ErrorAs(t, err, &me)
	return me.Need
}

// TestNothingIsLinearInExperts opens a model of 10^12 experts and runs it: one bit
// for each of them would be 125 GB.
func TestNothingIsLinearInExperts(t *testing.T) {
	const limit = 512 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m, err := lite.Open("synth:2e17,layers=2,dim=256,ff=256", lite.Options{Memory: limit, Context: 512})
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	info := m.Info()
	experts := 0.0
	for _, tier := range info.Tiers {
		experts += float64(info.Layers) * float64(tier.Groups) * float64(tier.Experts)
	}
	require.InEpsilon(t, 1e12, experts, 0.05)
	require.InEpsilon(t, 2e17, float64(info.Params), 0.05)
	require.LessOrEqual(t, info.Plan.Needs(), int64(limit))
	g := m.Generate(context.Background(), lite.Request{Tokens: []int32{5, 600}, MaxTokens: 2, IgnoreEnd: true})
	for range g.Tokens() {
	}
	require.NoError(t, g.Err())
	require.LessOrEqual(t, g.Stats().ActiveParamsMax, g.Stats().ActiveParamsBound)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(limit), "of what was ever allocated, %d tiers included", len(info.Tiers))
}

// TestSyntheticIsSaid wherever a model is named.
func TestSyntheticIsSaid(t *testing.T) {
	m, err := lite.Open("synth:1e15", lite.Options{Memory: 512 << 20})
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	info := m.Info()
	require.True(t, strings.HasPrefix(info.Name, "synthetic, "), info.Name)
	require.InEpsilon(t, 1e15, float64(info.Params), 0.01)
	_, err = lite.Pack(context.Background(), "synth:1e9", t.TempDir(), lite.PackOptions{})
	require.ErrorContains(t, err, "nothing to pack")
	for _, name := range []string{"synth:", "synth:12", "synth:1e15,wide=1"} {
		_, err := lite.Open(name, lite.Options{})
		require.ErrorContains(t, err, fmt.Sprintf("%q names no synthetic model", name))
	}
}

// TestSyntheticOfALargeTrunk opens a model whose trunk is large enough that ways of
// reading it are tried, and whose bytes would fit the page cache if they were a file.
func TestSyntheticOfALargeTrunk(t *testing.T) {
	m, err := lite.Open("synth:2e8,dim=4096,ff=32", lite.Options{Memory: 1 << 30, Context: 128, Chunk: 16})
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	require.False(t, m.Plan().Direct)
	require.NotEmpty(t, m.Plan().Measured.Reads)
}
