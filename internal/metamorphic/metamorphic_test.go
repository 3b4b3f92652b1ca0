package metamorphic

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite"
	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/tiny"
)

// prompt is long enough for several chunks and two blocks of keys.
var prompt = func() []int32 {
	r := rand.New(rand.NewPCG(7, 7))
	ids := make([]int32, 150)
	for i := range ids {
		ids[i] = r.Int32N(2000) + 20
	}
	return ids
}()

// answer opens a model and returns the hashes of one answer.
func answer(t *testing.T, path string, o lite.Options, r lite.Request) string {
	t.Helper()
	m, err := lite.Open(path, o)
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	return generate(t, m.NewSession(), r)
}

func generate(t *testing.T, s *lite.Session, r lite.Request) string {
	t.Helper()
	r.Hash = true
	g := s.Generate(context.Background(), r)
	for range g.Tokens() {
	}
	require.NoError(t, g.Err())
	st := g.Stats()
	require.LessOrEqual(t, st.ActiveParamsMax, st.ActiveParamsBound)
	return g.TokensSHA256() + " " + g.LogitsSHA256()
}

// archTokens is the answer that every architecture gives; see TestArchHash.
const archTokens = "05b737d2a7dc740440b71b154f87417fc2ce5648b154e794aff10f4e8f8c9ee0 5ef3e1ae4476e1595adf8e066c18ccbafeb7b73e35a7c3663908814fd16736f6"

// TestArchHash compares a short answer of the embedded model with the one that
// is written down: builds for other processors run it under an emulator.
func TestArchHash(t *testing.T) {
	got := answer(t, tiny.Name, lite.Options{Kernels: "reference", Memory: 1 << 30}, lite.Request{
		Tokens: prompt[:12], MaxTokens: 6, IgnoreEnd: true, Sampling: lite.Sampling{Temperature: 0.8, TopP: 0.95, Seed: 3},
	})
	require.Equal(t, archTokens, got)
}

// knobs draws options and a way to ask, none of which may change the answer.
func knobs(r *rand.Rand) (lite.Options, string) {
	impls := kernel.Available()
	o := lite.Options{
		Chunk:   []int{1, 7, 16, 33, 127, 128, 129, 150, 512}[r.IntN(9)],
		Threads: 1 + r.IntN(3),
		Kernels: impls[r.IntN(len(impls))].String(),
		Context: []int{256, 300, 1024}[r.IntN(3)],
		Direct:  []lite.Direct{lite.DirectNever, lite.DirectAlways}[r.IntN(2)],
	}
	return o, fmt.Sprintf("%+v", o)
}

// model writes the embedded model to a file, so that its experts are read
// from a disk and not from memory.
func model(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	require.NoError(t, os.WriteFile(path, tiny.GGUF, 0o600))
	return path
}

// TestWalks draws many ways to compute one answer: the tier sets differ among
// themselves, and nothing else does.
func TestWalks(t *testing.T) {
	path, r := model(t), rand.New(rand.NewPCG(1, 2))
	want := map[string]string{}
	walks := 200
	if testing.Short() {
		walks = 20
	}
	for range walks {
		o, how := knobs(r)
		set := []string{"fast", "balanced", "full"}[r.IntN(3)]
		n := []int{1, 40, 127, 128, 129, 150}[r.IntN(6)]
		req := lite.Request{
			Tokens: prompt[:n], MaxTokens: 4, TierSet: set, IgnoreEnd: true,
			Sampling: lite.Sampling{Temperature: 1, TopK: 50, Seed: 11, RepeatPenalty: 1.1},
		}
		key := fmt.Sprint(set, n)
		// A budget between the floor and everything thrashes, or not.
		o.Memory = int64(1 << 30)
		m, err := lite.Open(path, o)
		require.NoError(t, err)
		if r.IntN(2) == 0 {
			p := m.Plan()
			o.Memory = p.Needs() - p.Experts + p.AllExperts/int64(1+r.IntN(30)) + 8<<20
			require.NoError(t, m.Close())
			m, err = lite.Open(path, o)
			require.NoError(t, err)
		}
		s := m.NewSession()
		if r.IntN(2) == 0 { // a past whose context is reused in part
			generate(t, s, lite.Request{Tokens: prompt[:1+r.IntN(n)], MaxTokens: 2, TierSet: set, IgnoreEnd: true})
		}
		got := generate(t, s, req)
		s.Close()
		require.NoError(t, m.Close())
		if want[key] == "" {
			want[key] = got
		}
		require.Equal(t, want[key], got, "%s %s", key, how)
	}
	require.Len(t, distinct(want), len(want), "different requests have different answers")
}

func distinct(m map[string]string) map[string]bool {
	d := map[string]bool{}
	for _, v := range m {
		d[v] = true
	}
	return d
}

// TestRoutingSeedIsPartOfTheRequest: it orders equal scores, which a trained
// model does not have, so that the answer stays.
func TestRoutingSeedMovesNothingWithoutTies(t *testing.T) {
	seed := uint64(5)
	req := lite.Request{Tokens: prompt[:40], MaxTokens: 4, IgnoreEnd: true}
	o := lite.Options{Memory: 1 << 30}
	want := answer(t, tiny.Name, o, req)
	o.RoutingSeed = &seed
	require.Equal(t, want, answer(t, tiny.Name, o, req))
}
