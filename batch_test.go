package lite_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite"
)

// together are requests that differ in all that a batch could mix up.
func together() []lite.Request {
	rs := []lite.Request{
		genesis(9), genesis(3), genesis(12),
		{Prompt: "And the LORD said unto Moses", MaxTokens: 8, Hash: true},
		{Prompt: "And the LORD said unto Moses", MaxTokens: 8, Hash: true, Sampling: lite.Sampling{Temperature: 1, Seed: 5}},
		{Prompt: "Blessed", MaxTokens: 20, TierSet: "balanced", Hash: true, Stop: []string{"the"}},
	}
	rs[1].TierSet, rs[2].Prompt = "full", "Now there was a man"
	return rs
}

// TestBatchEqualsAlone holds each answer of a batch to the one that the request
// gets alone, whatever the chunks that prompts are computed in.
func TestBatchEqualsAlone(t *testing.T) {
	for _, chunk := range []int{1, 7, 512} {
		m := open(t, lite.Options{Context: 2048, Chunk: chunk})
		b := m.GenerateBatch(t.Context(), together())
		texts := make([]string, len(together()))
		for i, token := range b.Tokens() {
			texts[i] += token.Text
		}
		tokens := 0
		for i, r := range together() {
			alone, got := m.Generate(t.Context(), r), b.Generations()[i]
			read(alone)
			require.NoError(t, got.Err())
			require.Equal(t, alone.IDs(), got.IDs(), "request %d", i)
			require.Equal(t, alone.LogitsSHA256(), got.LogitsSHA256(), "request %d", i)
			require.Equal(t, alone.StopReason(), got.StopReason(), "request %d", i)
			require.Equal(t, alone.Text(), texts[i], "request %d", i)
			require.Equal(t, alone.Stats().ActiveParamsMax, got.Stats().ActiveParamsMax, "request %d", i)
			tokens += len(got.IDs())
		}
		require.Equal(t, tokens, b.Stats().GeneratedTokens)
		require.Positive(t, b.Stats().DecodeTokensPerSec)
	}
}

// TestBatchFailsAlone lets one request fail before the batch and one in it.
func TestBatchFailsAlone(t *testing.T) {
	m := open(t, lite.Options{Context: 384})
	long := make([]int32, 200)
	rs := []lite.Request{{Tokens: long, MaxTokens: 1}, genesis(4), genesis(0)}
	b := m.GenerateBatch(t.Context(), rs)
	for range b.Tokens() {
	}
	var full *lite.ContextError
	require.ErrorAs(t, b.Generations()[0].Err(), &full)
	require.Equal(t, 128, full.Have, "a third of the context")
	require.NoError(t, b.Generations()[1].Err())
	require.Len(t, b.Generations()[1].IDs(), 4)
	require.NoError(t, b.Generations()[2].Err())
	require.Equal(t, lite.StopContext, b.Generations()[2].StopReason())

	again := m.Generate(t.Context(), lite.Request{Tokens: long[:200], MaxTokens: 1})
	read(again)
	require.NoError(t, again.Err(), "the batch gave its context back")
}

// TestBatchEnds breaks off, cancels, and ranges a second time.
func TestBatchEnds(t *testing.T) {
	m := open(t, lite.Options{Context: 1024})
	b := m.GenerateBatch(t.Context(), together())
	n := 0
	for range b.Tokens() {
		if n++; n == 8 {
			break
		}
	}
	got := 0
	for _, g := range b.Generations() {
		require.NoError(t, g.Err())
		got += len(g.IDs())
	}
	require.Equal(t, 8, got)
	for range b.Tokens() {
		t.Error("a second time yields nothing")
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b = m.GenerateBatch(ctx, together())
	for range b.Tokens() {
		cancel()
	}
	for _, g := range b.Generations() {
		require.Equal(t, lite.StopCancelled, g.StopReason())
		require.ErrorIs(t, g.Err(), context.Canceled)
	}
}
