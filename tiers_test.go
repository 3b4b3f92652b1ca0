package lite_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite"
	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/oracle/oracletest"
	"github.com/lite-llm/lite/internal/weights/synth"
)

// flatModels are files of joint families: the oracle's, a trained one, and
// synthetic ones, groups of experts that are limited among them.
func flatModels(t *testing.T) map[string]string {
	t.Helper()
	oracle, dir := oracletest.Dir(t, "."), t.TempDir()
	files := map[string]string{"stories": filepath.Join(oracle, "real", "stories260K-moe4x2.gguf")}
	for _, name := range []string{"olmoe.f32", "qwen2moe.Q8_0", "qwen3moe.Q4_K_M", "deepseek2.Q8_0", "deepseek2-lite.f32"} {
		files[name] = filepath.Join(oracle, "models", name+".gguf")
	}
	for _, family := range []string{"olmoe", "qwen3moe", "deepseek2"} {
		files["random "+family] = filepath.Join(dir, family)
		require.NoError(t, os.WriteFile(files["random "+family], modeltest.Bytes(t, synth.Tiny(family), "Q8_0", 5), 0o600))
	}
	return files
}

func openWith(t *testing.T, path string, o lite.Options) *lite.Model {
	t.Helper()
	o.Memory, o.Threads = 1<<30, 2
	m, err := lite.Open(path, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

// tokens are some of the model's, far from the special ones.
func someTokens(m *lite.Model, n int) []int32 {
	tokens := make([]int32, n)
	for i := range tokens {
		tokens[i] = int32(3 + (i*i*7+i*13)%(m.Vocabulary()-3))
	}
	return tokens
}

// answerOf runs a request to its end, and holds what ran to what was promised.
func answerOf(t *testing.T, m *lite.Model, r lite.Request) *lite.Generation {
	t.Helper()
	r.Hash, r.IgnoreEnd = true, true
	g := m.Generate(context.Background(), r)
	for range g.Tokens() {
	}
	require.NoError(t, g.Err())
	st := g.Stats()
	require.Positive(t, st.ExpertBytesMax)
	require.LessOrEqual(t, st.ExpertBytesMax, st.ExpertBytesBound)
	require.LessOrEqual(t, st.ActiveParamsMax, st.ActiveParamsBound)
	return g
}

// traceOf traces tokens' texts in a model.
func traceOf(t *testing.T, m *lite.Model, r lite.TraceRequest) (*lite.Trace, string) {
	t.Helper()
	var b bytes.Buffer
	tr, err := m.Trace(context.Background(), r, &b)
	require.NoError(t, err)
	return tr, b.String()
}

// TestPlannedAnswersAreTheFlatOnes goes the whole way: a trace, a plan by it, and
// answers under all of its tiers that are the flat model's to the bit, also in a
// batch whose answers use different sets.
func TestPlannedAnswersAreTheFlatOnes(t *testing.T) {
	for name, path := range flatModels(t) {
		t.Run(name, func(t *testing.T) {
			flat := openWith(t, path, lite.Options{})
			tr, _ := traceOf(t, flat, lite.TraceRequest{Text: strings.Repeat("Once upon a time, there was a light. ", 8), Window: 32})
			k := flat.Info().Sets[0].KExpert
			// Half of the experts are enough for every family here to choose from.
			p, report, err := lite.PlanTiers(path, lite.PlanRequest{
				Trace: tr, Tiers: []lite.TierAsk{{Name: "fast", Share: 0.5}, {Name: "mid", Share: 0.25}, {Name: "rest"}},
			})
			require.NoError(t, err)
			require.Greater(t, report.Sets[0].Mass, 0.5, "the best half holds more than half")
			require.InDelta(t, 1, report.Sets[2].Mass, 1e-9)
			m := openWith(t, path, lite.Options{Tiers: p})
			prompt := someTokens(flat, 40)
			want := answerOf(t, flat, lite.Request{Tokens: prompt, MaxTokens: 6})
			got := answerOf(t, m, lite.Request{Tokens: prompt, MaxTokens: 6})
			require.Equal(t, want.LogitsSHA256(), got.LogitsSHA256())
			require.Equal(t, want.Stats().ActiveParamsMax, got.Stats().ActiveParamsMax)
			list := &lite.TierList{Tiers: []string{"rest", "fast", "mid"}, KExpert: k}
			require.Equal(t, want.LogitsSHA256(), answerOf(t, m, lite.Request{Tokens: prompt, MaxTokens: 6, Tiers: list}).LogitsSHA256())
			fast := answerOf(t, m, lite.Request{Tokens: prompt, MaxTokens: 6, TierSet: "fast"})
			if name != "stories" { // whose experts are copies of one
				require.NotEqual(t, want.LogitsSHA256(), fast.LogitsSHA256())
			}
			require.Equal(t, report.Sets[0].ActiveParams, fast.Stats().ActiveParamsBound)
			require.Equal(t, report.Sets[0].ExpertBytes, fast.Stats().ExpertBytesMax, "experts of one size: every token reaches the bound")
			if m.Context() < 256 {
				return // no room for two answers
			}
			b := m.GenerateBatch(context.Background(), []lite.Request{
				{Tokens: prompt, MaxTokens: 6, Hash: true, IgnoreEnd: true, TierSet: "fast"}, {Tokens: prompt, MaxTokens: 6, Hash: true, IgnoreEnd: true},
			})
			for range b.Tokens() {
			}
			require.Equal(t, fast.LogitsSHA256(), b.Generations()[0].LogitsSHA256())
			require.Equal(t, want.LogitsSHA256(), b.Generations()[1].LogitsSHA256())
		})
	}
}

// TestTraceCountsWhatIsRouted compares with what Logits says of each token, in
// any chunks, and with what is written.
func TestTraceCountsWhatIsRouted(t *testing.T) {
	path := flatModels(t)["random deepseek2"]
	m := openWith(t, path, lite.Options{})
	text := strings.Repeat("And there was light. ", 6)
	done := 0
	tr, written := traceOf(t, m, lite.TraceRequest{Text: text, Window: 32, Choices: true, Progress: func(d, _ int) { done = d }})
	tokens := m.Tokenize(text)
	require.Equal(t, uint64(len(tokens)), tr.Tokens, "all of the text")
	require.Equal(t, (len(tokens)+31)/32, done)
	chosen, mass := make([]uint64, 8), make([]float64, 8)
	for rest := tokens; len(rest) > 0; rest = rest[min(32, len(rest)):] {
		err := m.Logits(context.Background(), "", rest[:min(32, len(rest))], func(int, []float32) error { return nil }, func(layer, _ int, experts []lite.Expert) {
			for _, e := range experts {
				if layer == 2 {
					chosen[e.Index]++
					mass[e.Index] += float64(e.Weight)
				}
			}
		})
		require.NoError(t, err)
	}
	require.Empty(t, tr.Usage.Chosen[0], "a dense layer")
	require.Equal(t, chosen, tr.Usage.Chosen[2])
	require.Equal(t, mass, tr.Usage.Mass[2])
	file := filepath.Join(t.TempDir(), "trace")
	require.NoError(t, os.WriteFile(file, []byte(written), 0o600))
	read, err := lite.ReadTrace(file)
	require.NoError(t, err)
	tr.Usage.Chosen[0], tr.Usage.Mass[0] = []uint64{}, []float64{}
	require.Equal(t, tr, read)
	other := openWith(t, path, lite.Options{Chunk: 7})
	_, again := traceOf(t, other, lite.TraceRequest{Text: text, Window: 32, Choices: true})
	require.Equal(t, written, again)
	require.Equal(t, len(tokens), strings.Count(written, `{"token":`))
}

func TestTraceRefuses(t *testing.T) {
	m := openWith(t, flatModels(t)["random olmoe"], lite.Options{})
	for want, r := range map[string]lite.TraceRequest{
		"a window of -1 tokens: take at least 1 and at most the context, 512": {Text: "x", Window: -1},
		`there is no tier set "fast"; this model has: full`:                   {Text: "x", TierSet: "fast"},
		"the prompt is empty": {},
	} {
		_, err := m.Trace(context.Background(), r, io.Discard)
		require.EqualError(t, err, want)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := m.Trace(ctx, lite.TraceRequest{Text: "x"}, io.Discard)
	require.ErrorIs(t, err, context.Canceled)
	_, err = m.Trace(context.Background(), lite.TraceRequest{Text: "x"}, full{})
	require.ErrorIs(t, err, io.ErrShortWrite)
	dense := openWith(t, filepath.Join(oracletest.Dir(t, "."), "real", "stories260K.gguf"), lite.Options{})
	_, err = dense.Trace(context.Background(), lite.TraceRequest{Text: "x"}, io.Discard)
	require.ErrorAs(t, err, new(*lite.TierFlatError))
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// TestPromises: a limit that a set can promise is kept by every token, and one
// that is a byte or a parameter less is refused with both numbers before anything
// runs.
func TestPromises(t *testing.T) {
	m := openWith(t, "tiny", lite.Options{TierSets: []string{"tiers=s,m,k_tier=1,k_group=2,k_expert=3"}})
	for _, set := range []string{"fast", "balanced", "full", "tiers=s,m,k_tier=1,k_group=2,k_expert=3", "tiers=xs,l,k_expert=1"} {
		info, err := m.TierSet(set)
		require.NoError(t, err)
		r := lite.Request{Prompt: "And it came to pass", TierSet: set, MaxTokens: 24, MaxActiveParameters: info.PActive, MaxExpertBytes: info.ExpertBytes}
		st := answerOf(t, m, r).Stats()
		require.LessOrEqual(t, st.ActiveParamsMax, r.MaxActiveParameters)
		require.LessOrEqual(t, st.ExpertBytesMax, r.MaxExpertBytes)
		if len(info.Tiers) == 1 {
			require.Equal(t, []int64{info.PActive, info.ExpertBytes}, []int64{st.ActiveParamsMax, st.ExpertBytesMax}, "experts of one size")
		}
		refused := &lite.BoundError{}
		less := r
		less.MaxActiveParameters--
		require.ErrorAs(t, m.Generate(context.Background(), less).Err(), &refused)
		require.Equal(t, []any{info.PActive, info.PActive - 1, false}, []any{refused.Need, refused.Limit, refused.Bytes})
		less = r
		less.MaxExpertBytes--
		g := m.Generate(context.Background(), less)
		require.ErrorAs(t, g.Err(), &refused)
		require.Equal(t, []any{info.ExpertBytes, info.ExpertBytes - 1, true}, []any{refused.Need, refused.Limit, refused.Bytes})
		for range g.Tokens() {
			t.Fatal("it ran")
		}
		require.Zero(t, g.Stats().ActiveParamsMax)
	}
	for want, r := range map[string]lite.Request{
		`a token may execute 6393216 parameters under the tier set "full", and the limit is 3000000; these keep the limits: fast, balanced`:                        {MaxActiveParameters: 3e6},
		`a token may execute experts of 3732480 bytes (3.6 MiB) under the tier set "full", and the limit is 307200 bytes (300.0 KiB); these keep the limits: fast`: {MaxExpertBytes: 300 << 10, MaxActiveParameters: 1e9},
		`a token may execute 6393216 parameters under the tier set "full", and the limit is 1000; no tier set of this model keeps the limits`:                      {MaxActiveParameters: 1000, MaxExpertBytes: 1},
		"limits of -1 parameters and 0 expert bytes: want numbers from 0":                                                                                          {MaxActiveParameters: -1},
	} {
		r.Prompt = "x"
		require.EqualError(t, m.Generate(context.Background(), r).Err(), want)
	}
	b := m.GenerateBatch(context.Background(), []lite.Request{{Prompt: "x", MaxTokens: 1, MaxActiveParameters: 1}, {Prompt: "x", MaxTokens: 1}})
	for range b.Tokens() {
	}
	require.ErrorAs(t, b.Generations()[0].Err(), new(*lite.BoundError))
	require.NoError(t, b.Generations()[1].Err())
	require.Positive(t, b.Stats().ExpertBytesMax)
}

// TestReadsKeepToThePromise: what a single token makes be read of experts is no
// more than what it may execute, apart from what direct reads add.
func TestReadsKeepToThePromise(t *testing.T) {
	for _, family := range []string{"qwen3moe", "lite"} {
		path := filepath.Join(t.TempDir(), family)
		require.NoError(t, os.WriteFile(path, modeltest.Bytes(t, synth.Tiny(family), "Q8_0", 5), 0o600))
		m := openWith(t, path, lite.Options{Direct: lite.DirectNever})
		info, err := m.TierSet("")
		require.NoError(t, err)
		g := m.Generate(context.Background(), lite.Request{Tokens: []int32{7}, MaxTokens: 1, MaxExpertBytes: info.ExpertBytes})
		for range g.Tokens() {
		}
		require.NoError(t, g.Err())
		read := int64(0)
		for _, n := range g.Stats().ReadBytes {
			read += n
		}
		require.Positive(t, read)
		require.LessOrEqual(t, read, g.Stats().ExpertBytesMax, family)
	}
}

// TestListsOfEqualSetsShareAContext: what counts is what a set routes, and not
// how it was named.
func TestListsOfEqualSetsShareAContext(t *testing.T) {
	m := openWith(t, "tiny", lite.Options{})
	s := m.NewSession()
	defer s.Close()
	ask := func(r lite.Request) int {
		r.Prompt, r.MaxTokens = "In the beginning God created", 1
		g := s.Generate(context.Background(), r)
		for range g.Tokens() {
		}
		require.NoError(t, g.Err())
		return g.Stats().ReusedTokens
	}
	require.Zero(t, ask(lite.Request{TierSet: "fast"}))
	require.Positive(t, ask(lite.Request{Tiers: &lite.TierList{Tiers: []string{"xs"}}}))
	require.Positive(t, ask(lite.Request{TierSet: "tiers=xs"}))
	require.Zero(t, ask(lite.Request{TierSet: "tiers=xs,k_expert=1"}))
	require.Zero(t, ask(lite.Request{TierSet: "tiers=s"}))
}

func TestRequestsOfTiersAreExact(t *testing.T) {
	m := openWith(t, "tiny", lite.Options{OpenTiers: []string{"xs", "s", "l"}})
	for _, c := range []struct {
		r    lite.Request
		want any
	}{
		{lite.Request{Tiers: &lite.TierList{}}, new(*lite.TierListError)},
		{lite.Request{Tiers: &lite.TierList{Tiers: []string{"xs", "xs"}}}, new(*lite.TierListError)},
		{lite.Request{Tiers: &lite.TierList{Tiers: []string{"xl"}}}, new(*lite.TierError)},
		{lite.Request{Tiers: &lite.TierList{Tiers: []string{"m"}}}, new(*lite.TierClosedError)},
		{lite.Request{TierSet: "full"}, new(*lite.TierClosedError)},
		{lite.Request{Tiers: &lite.TierList{Tiers: []string{"xs"}, KTier: 2}}, new(*lite.TierCountError)},
		{lite.Request{Tiers: &lite.TierList{Tiers: []string{"xs"}, KTier: -1}}, new(*lite.TierCountError)},
		{lite.Request{Tiers: &lite.TierList{Tiers: []string{"xs", "s"}, KTier: 2, KGroup: 2, KExpert: 4}}, new(*lite.TierRoomError)},
	} {
		c.r.Prompt = "x"
		require.ErrorAs(t, m.Generate(context.Background(), c.r).Err(), c.want)
	}
	_, err := lite.Open("tiny", lite.Options{TierSets: []string{"tiers=q"}})
	require.ErrorAs(t, err, new(*lite.TierError))
	answerOf(t, m, lite.Request{Prompt: "x", MaxTokens: 2, Tiers: &lite.TierList{Tiers: []string{"l", "xs"}}})
}

// TestPlansOfOtherModels are refused when the model is opened.
func TestPlansOfOtherModels(t *testing.T) {
	files := flatModels(t)
	m := openWith(t, files["random olmoe"], lite.Options{})
	tr, _ := traceOf(t, m, lite.TraceRequest{Text: "And there was light."})
	r := lite.PlanRequest{Trace: tr, Tiers: []lite.TierAsk{{Name: "fast", Share: 0.5}, {Name: "rest"}}}
	p, _, err := lite.PlanTiers(files["random olmoe"], r)
	require.NoError(t, err)
	_, err = lite.Open(files["random qwen3moe"], lite.Options{Tiers: p})
	require.ErrorAs(t, err, new(*lite.TierModelError))
	_, err = lite.Open("tiny", lite.Options{Tiers: p})
	require.ErrorAs(t, err, new(*lite.TierFlatError))
	_, _, err = lite.PlanTiers(files["random qwen3moe"], r)
	require.ErrorAs(t, err, new(*lite.TierModelError))
	_, _, err = lite.PlanTiers("tiny", r)
	require.ErrorAs(t, err, new(*lite.TierFlatError))
	_, _, err = lite.PlanTiers(filepath.Join(t.TempDir(), "nothing"), r)
	require.ErrorIs(t, err, os.ErrNotExist)
	p.Tiers[0].Budget.Parameters = 1
	_, err = lite.Open(files["random olmoe"], lite.Options{Tiers: p})
	require.ErrorAs(t, err, new(*lite.TierBudgetError))
}
