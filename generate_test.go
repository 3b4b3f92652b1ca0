package lite_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite"
)

func open(t *testing.T, o lite.Options) *lite.Model {
	t.Helper()
	m, err := lite.Open("tiny", o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

// genesis asks for n tokens, whatever the model thinks of an end.
func genesis(n int) lite.Request {
	return lite.Request{Prompt: "In the beginning", MaxTokens: n, IgnoreEnd: true, TierSet: "fast", Hash: true}
}

// read ranges over a generation and returns the texts of its tokens.
func read(g *lite.Generation) (texts []string) {
	for token := range g.Tokens() {
		texts = append(texts, token.Text)
	}
	return texts
}

func TestContextIsFull(t *testing.T) {
	m := open(t, lite.Options{Context: 16})
	g := m.Generate(t.Context(), genesis(0))
	texts := read(g)
	require.NoError(t, g.Err())
	require.Equal(t, lite.StopContext, g.StopReason())
	// The last token needs no place: nothing is computed from it.
	require.Equal(t, 16+1, g.Stats().PromptTokens+g.Stats().GeneratedTokens)
	require.Equal(t, g.Text(), strings.Join(texts, ""))
}

func TestPromptIsTooLong(t *testing.T) {
	m := open(t, lite.Options{Context: 16})
	g := m.Generate(t.Context(), lite.Request{Tokens: make([]int32, 17)})
	var full *lite.ContextError
	require.ErrorAs(t, g.Err(), &full)
	require.Equal(t, lite.ContextError{Need: 17, Have: 16}, *full)
	require.Equal(t, lite.StopError, g.StopReason())
	require.Empty(t, read(g))

	g = m.Generate(t.Context(), lite.Request{Tokens: make([]int32, 16)})
	require.Len(t, read(g), 1)
	require.NoError(t, g.Err())
}

func TestCancelled(t *testing.T) {
	m := open(t, lite.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	g := m.Generate(ctx, genesis(8))
	n := 0
	for range g.Tokens() {
		if n++; n == 2 {
			cancel()
		}
	}
	require.ErrorIs(t, g.Err(), context.Canceled)
	require.Equal(t, lite.StopCancelled, g.StopReason())
	require.Len(t, g.IDs(), 2)
	require.Equal(t, 2, g.Stats().GeneratedTokens)
	require.NotEmpty(t, g.Text(), "what was said stands")

	g = m.Generate(ctx, genesis(8))
	require.Empty(t, read(g))
	require.ErrorIs(t, g.Err(), context.Canceled)

	g = m.Generate(t.Context(), genesis(2))
	require.Len(t, read(g), 2, "the model goes on")
}

func TestBreak(t *testing.T) {
	m := open(t, lite.Options{Context: 128}) // one page: what is not given back is missed
	whole := m.Generate(t.Context(), genesis(6))
	read(whole)
	require.NoError(t, whole.Err())

	g := m.Generate(t.Context(), genesis(6))
	for range g.Tokens() {
		if len(g.IDs()) == 3 {
			break
		}
	}
	require.NoError(t, g.Err())
	require.Equal(t, lite.StopBreak, g.StopReason())
	require.Equal(t, whole.IDs()[:3], g.IDs())

	require.Empty(t, read(g), "a second time yields nothing")
	require.Len(t, g.IDs(), 3)
	require.NoError(t, g.Err())

	again := m.Generate(t.Context(), genesis(6))
	read(again)
	require.Equal(t, whole.LogitsSHA256(), again.LogitsSHA256())
}

func TestCloseTwice(t *testing.T) {
	m, err := lite.Open("tiny", lite.Options{})
	require.NoError(t, err)
	late := m.Generate(t.Context(), genesis(2))
	require.NoError(t, m.Close())
	require.NoError(t, m.Close())
	for _, g := range []*lite.Generation{late, m.Generate(t.Context(), genesis(2))} {
		require.Empty(t, read(g))
		require.ErrorIs(t, g.Err(), lite.ErrClosed)
		require.Equal(t, lite.StopError, g.StopReason())
	}
	require.ErrorIs(t, m.Logits(t.Context(), "", []int32{1}, nil, nil), lite.ErrClosed)
	_, err = m.Evaluate(t.Context(), lite.EvalRequest{Text: "In the beginning God created the heaven and the earth.", Window: 4})
	require.ErrorIs(t, err, lite.ErrClosed)
}

// TestSeveralGoroutines has room for one generation's context at a time.
func TestSeveralGoroutines(t *testing.T) {
	m := open(t, lite.Options{Context: 128})
	const n = 4
	request := func(i int) lite.Request {
		r := genesis(4)
		r.Temperature, r.Seed = 1, uint64(i)
		return r
	}
	var want, got [n]string
	for i := range want {
		g := m.Generate(t.Context(), request(i))
		read(g)
		require.NoError(t, g.Err())
		want[i] = g.TokensSHA256() + g.LogitsSHA256()
	}
	require.NotEqual(t, want[0], want[1])
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range got {
		wg.Go(func() {
			g := m.Generate(t.Context(), request(i))
			read(g)
			got[i], errs[i] = g.TokensSHA256()+g.LogitsSHA256(), g.Err()
		})
	}
	wg.Wait()
	require.Equal(t, [n]error{}, [n]error(errs))
	require.Equal(t, want, got)
}

func TestStopAcrossTokens(t *testing.T) {
	m := open(t, lite.Options{})
	whole := m.Generate(t.Context(), genesis(12))
	texts := read(whole)
	require.Len(t, texts, 12)
	// The end of a token's text and the beginning of the next one's.
	a, b := texts[6], texts[7]
	require.NotEmpty(t, a)
	require.NotEmpty(t, b)
	stop := a[len(a)-1:] + b[:1]
	at := strings.Index(whole.Text(), stop)

	r := genesis(12)
	r.Stop = []string{"never said", "", stop}
	g := m.Generate(t.Context(), r)
	require.Equal(t, whole.Text()[:at], strings.Join(read(g), ""))
	require.Equal(t, whole.Text()[:at], g.Text())
	require.Equal(t, lite.StopText, g.StopReason())
	require.NoError(t, g.Err())

	// What only begins a stop text comes out in the end.
	r.Stop = []string{whole.Text()[len(whole.Text())-2:] + "\x00"}
	g = m.Generate(t.Context(), r)
	require.Equal(t, whole.Text(), strings.Join(read(g), ""))
	require.Equal(t, lite.StopLength, g.StopReason())
}

func TestSessionReuse(t *testing.T) {
	m := open(t, lite.Options{})
	s := m.NewSession()
	defer s.Close()
	first := s.Generate(t.Context(), genesis(4))
	read(first)
	require.Zero(t, first.Stats().ReusedTokens)

	// The prompt and the answer but its last token are in the context.
	follow := genesis(4)
	follow.Prompt += first.Text() + " and"
	second := s.Generate(t.Context(), follow)
	read(second)
	require.NoError(t, second.Err())
	require.GreaterOrEqual(t, second.Stats().ReusedTokens, first.Stats().PromptTokens)
	require.Less(t, second.Stats().ReusedTokens, second.Stats().PromptTokens)
	fresh := m.Generate(t.Context(), follow)
	read(fresh)
	require.Zero(t, fresh.Stats().ReusedTokens)
	require.Equal(t, fresh.LogitsSHA256(), second.LogitsSHA256())

	// Keys and values of other tiers are others.
	other := follow
	other.TierSet = "full"
	third := s.Generate(t.Context(), other)
	read(third)
	require.Zero(t, third.Stats().ReusedTokens)

	s.Close()
	fourth := s.Generate(t.Context(), other)
	read(fourth)
	require.Zero(t, fourth.Stats().ReusedTokens)
	require.Equal(t, third.LogitsSHA256(), fourth.LogitsSHA256())
}

func TestSessionAfterCancel(t *testing.T) {
	m := open(t, lite.Options{})
	s := m.NewSession()
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	g := s.Generate(ctx, genesis(6))
	for range g.Tokens() {
		cancel()
	}
	require.ErrorIs(t, g.Err(), context.Canceled)
	again := s.Generate(t.Context(), genesis(6))
	read(again)
	require.NoError(t, again.Err())
	require.Positive(t, again.Stats().ReusedTokens)
	fresh := m.Generate(t.Context(), genesis(6))
	read(fresh)
	require.Equal(t, fresh.LogitsSHA256(), again.LogitsSHA256())
}

func TestBadRequests(t *testing.T) {
	m := open(t, lite.Options{})
	for name, test := range map[string]struct {
		r    lite.Request
		want any
	}{
		"set":         {lite.Request{Prompt: "x", TierSet: "huge"}, new(*lite.TierSetError)},
		"messages":    {lite.Request{Messages: []lite.Message{{Role: "user", Content: "x"}}}, nil},
		"empty":       {lite.Request{Tokens: []int32{}}, nil},
		"max tokens":  {lite.Request{Prompt: "x", MaxTokens: -1}, new(*lite.OptionError)},
		"temperature": {lite.Request{Prompt: "x", Sampling: lite.Sampling{Temperature: -1}}, new(*lite.SamplingError)},
	} {
		g := m.Generate(t.Context(), test.r)
		require.Error(t, g.Err(), name)
		if test.want != nil {
			require.ErrorAs(t, g.Err(), test.want, name)
		}
		require.Empty(t, read(g), name)
		require.Equal(t, lite.StopError, g.StopReason(), name)
	}
	require.ErrorIs(t, m.Generate(t.Context(), lite.Request{Tokens: []int32{}}).Err(), lite.ErrEmpty)
	require.ErrorIs(t, m.Generate(t.Context(), lite.Request{Messages: []lite.Message{}}).Err(), lite.ErrNoTemplate)

	g := m.Generate(t.Context(), lite.Request{Tokens: []int32{1, 2048}})
	require.Empty(t, read(g))
	var token *lite.TokenError
	require.ErrorAs(t, g.Err(), &token)
	require.Equal(t, lite.TokenError{Token: 2048, Vocab: 2048}, *token)
}

func TestBadOptions(t *testing.T) {
	for _, o := range []lite.Options{
		{Memory: -1}, {Threads: -1}, {Context: -1}, {Chunk: -1}, {KV: "f64"}, {Kernels: "fast"},
	} {
		_, err := lite.Open("tiny", o)
		var bad *lite.OptionError
		require.ErrorAs(t, err, &bad, "%+v", o)
	}
}

// TestMemoryThatIsNamed does not need more than it said.
func TestMemoryThatIsNamed(t *testing.T) {
	_, err := lite.Open("tiny", lite.Options{Memory: 1 << 20})
	var short *lite.MemoryError
	require.ErrorAs(t, err, &short)
	require.Equal(t, int64(1<<20), short.Have)
	m := open(t, lite.Options{Memory: short.Need})
	g := m.Generate(t.Context(), genesis(2))
	require.Len(t, read(g), 2)
	require.NoError(t, g.Err())
}
