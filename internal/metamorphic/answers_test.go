package metamorphic

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite"
	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/tiny"
	"github.com/lite-llm/lite/internal/vfs"
)

// answer opens a model and returns the hashes of one answer.
func answer(t testing.TB, path string, o lite.Options, r lite.Request) string {
	t.Helper()
	m, err := lite.Open(path, o)
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	s := m.NewSession()
	defer s.Close()
	hash, _ := generate(t, s, r)
	return hash
}

// generate returns the hashes and the tokens of an answer, and holds what ran
// to the bound.
func generate(t testing.TB, s *lite.Session, r lite.Request) (string, []int32) {
	t.Helper()
	r.Hash = true
	g := s.Generate(context.Background(), r)
	for range g.Tokens() {
	}
	require.NoError(t, g.Err())
	st := g.Stats()
	require.LessOrEqual(t, st.ActiveParamsMax, st.ActiveParamsBound)
	require.LessOrEqual(t, st.ExpertBytesMax, st.ExpertBytesBound)
	return g.TokensSHA256() + " " + g.LogitsSHA256(), g.IDs()
}

// options draws options, none of which may change an answer.
func options(r *rand.Rand, path string) lite.Options {
	impls := kernel.Available()
	impl := impls[len(impls)-1]
	if r.IntN(6) == 0 {
		impl = impls[0]
	}
	o := lite.Options{
		Chunk:   []int{1, 7, 16, 33, 127, 128, 129, 150, 512}[r.IntN(9)],
		Threads: 1 + r.IntN(3),
		Kernels: impl.String(),
		Context: []int{256, 300, 512}[r.IntN(3)],
		Direct:  []lite.Direct{lite.DirectNever, lite.DirectAlways}[r.IntN(2)],
		Memory:  1 << 30,

		ReadDepth: r.IntN(6), // 0 measures
	}
	if r.IntN(4) == 0 {
		o.Threads = 0 // measures
	}
	if path == tiny.Name { // it is in memory whatever is asked
		o.Direct = lite.DirectAuto
	}
	return o
}

// open opens a model, half of the time under a budget between the floor and
// everything, which thrashes or not.
func open(t testing.TB, r *rand.Rand, path string) (*lite.Model, lite.Options) {
	t.Helper()
	o := options(r, path)
	m, err := lite.Open(path, o)
	if _, refused := errors.AsType[*vfs.DirectError](err); refused { // as tmpfs did before Linux 6.6
		o.Direct = lite.DirectNever
		m, err = lite.Open(path, o)
	}
	require.NoError(t, err)
	if p := m.Plan(); r.IntN(2) == 0 && p.AllExperts > 0 {
		o.Memory = p.Needs() - p.Experts + p.AllExperts/int64(1+r.IntN(30)) + 8<<20
		require.NoError(t, m.Close())
		m, err = lite.Open(path, o)
		require.NoError(t, err)
	}
	return m, o
}

// answers is how many ways TestAnswers tries with each model.
const answers, answersShort = 8, 2

// TestAnswers asks in many ways through the public API: options, budgets,
// sessions with a past, answers in one piece and in two across a restart.
// Different requests have different answers, and each has one.
func TestAnswers(t *testing.T) {
	paths := map[string]string{"tiny": filepath.Join(t.TempDir(), "tiny.gguf")}
	require.NoError(t, os.WriteFile(paths["tiny"], tiny.GGUF, 0o600))
	for i := range subjects {
		s := &subjects[i]
		paths[s.name] = filepath.Join(t.TempDir(), s.name+".gguf")
		require.NoError(t, os.WriteFile(paths[s.name], s.file(t).Bytes, 0o600))
	}
	n := answers
	if testing.Short() {
		n = answersShort
	}
	for name, path := range paths {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, uint64(len(name))))
			want := map[string]string{}
			for range n {
				ask(t, r, path, want)
			}
			seen := map[string]bool{}
			for _, hash := range want {
				seen[hash] = true
			}
			require.Len(t, seen, len(want), "different requests have different answers")
		})
	}
}

// ask asks one request in one way, and compares with the answer in want.
func ask(t *testing.T, r *rand.Rand, path string, want map[string]string) {
	m, o := open(t, r, path)
	sets := m.TierSets()
	set, n := sets[r.IntN(len(sets))], []int{3, 40, 130}[r.IntN(3)]
	req := lite.Request{
		Tokens: tokens(n, m.Vocabulary()), MaxTokens: 4, TierSet: set, IgnoreEnd: true,
		Sampling: lite.Sampling{Temperature: 1, TopK: 50, Seed: 11, RepeatPenalty: 1.1},
	}
	key, how := fmt.Sprint(set, n), fmt.Sprintf("%s %s %d: %+v", path, set, n, o)
	s := m.NewSession()
	if r.IntN(2) == 0 { // a past whose context is used again in part
		past := req
		past.Tokens, past.MaxTokens = req.Tokens[:1+r.IntN(n)], 2
		generate(t, s, past)
	}
	got, _ := generate(t, s, req)
	if want[key] == "" {
		want[key] = got
	}
	require.Equal(t, want[key], got, how)

	// The most likely tokens, in one piece and in two: the second goes on from
	// the first one's text, in the same session or after a restart.
	req.Sampling = lite.Sampling{}
	_, whole := generate(t, s, req)
	first := req
	first.MaxTokens = 1 + r.IntN(3)
	_, begun := generate(t, s, first)
	rest := req
	rest.Tokens, rest.MaxTokens = append(req.Tokens[:n:n], begun...), 4-len(begun)
	if r.IntN(2) == 0 {
		s.Close()
		require.NoError(t, m.Close())
		m, o = open(t, r, path)
		s = m.NewSession()
	}
	_, ended := generate(t, s, rest)
	require.Equal(t, whole, append(begun, ended...), "%s, and then %+v", how, o)
	s.Close()
	require.NoError(t, m.Close())
}

// tokens are the first n of a prompt, in a vocabulary of that size.
func tokens(n, vocab int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = prompt[i] % int32(vocab)
	}
	return ids
}

// TestNoise: at a temperature that levels all tokens the noise alone decides.
// It belongs to the whole request: another prompt or another seed draws
// otherwise, and the same one the same, whatever was asked before.
func TestNoise(t *testing.T) {
	s := &subjects[0]
	path := filepath.Join(t.TempDir(), "model.gguf")
	require.NoError(t, os.WriteFile(path, s.file(t).Bytes, 0o600))
	m, err := lite.Open(path, lite.Options{Memory: 1 << 30, Context: 256})
	require.NoError(t, err)
	defer m.Close()
	session := m.NewSession()
	defer session.Close()
	ask := func(prompt []int32, seed uint64) string {
		_, ids := generate(t, session, lite.Request{
			Tokens: prompt, MaxTokens: 8, IgnoreEnd: true, Sampling: lite.Sampling{Temperature: 1e6, Seed: seed},
		})
		return fmt.Sprint(ids)
	}
	seen := map[string]bool{}
	for i := range 8 {
		a, b := tokens(20, 512), tokens(20, 512)
		b[i] = (b[i] + 1) % 512 // as long, and different in one token
		for _, seed := range []uint64{0, 1} {
			once := ask(b, seed)
			seen[once] = true
			if i == 0 {
				seen[ask(a, seed)] = true
			}
			require.Equal(t, once, ask(b, seed))
		}
	}
	require.Len(t, seen, 18, "every prompt with every seed draws otherwise")
}

// TestRoutingSeedMovesNothingWithoutTies: a seed orders equal scores, which a
// trained model does not have, so that the answer stays.
func TestRoutingSeedMovesNothingWithoutTies(t *testing.T) {
	seed := uint64(5)
	req := lite.Request{Tokens: prompt[:40], MaxTokens: 4, IgnoreEnd: true}
	o := lite.Options{Memory: 1 << 30}
	want := answer(t, tiny.Name, o, req)
	o.RoutingSeed = &seed
	require.Equal(t, want, answer(t, tiny.Name, o, req))
}
