package lite

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/tokenizer"
)

// TestCharactersAcrossTokens makes a model say two tokens in turn, the halves
// of one character: the likelier one becomes less likely each time it is said.
func TestCharactersAcrossTokens(t *testing.T) {
	m, err := Open("tiny", Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	halves := m.text.tok.Encode(nil, "é", tokenizer.Options{})
	require.Len(t, halves, 2)
	r := Request{
		Prompt: "é", MaxTokens: 5, TierSet: "fast",
		Sampling: Sampling{Bias: map[int32]float32{halves[0]: 1000, halves[1]: 900}, FrequencyPenalty: 150},
	}
	g := m.Generate(t.Context(), r)
	var texts []string
	for token := range g.Tokens() {
		require.True(t, utf8.ValidString(token.Text))
		texts = append(texts, token.Text)
	}
	require.NoError(t, g.Err())
	require.Equal(t, []int32{halves[0], halves[1], halves[0], halves[1], halves[0]}, g.IDs())
	require.Equal(t, []string{"", "é", "", "é", "\uFFFD"}, texts, "half a character at the end cannot be completed")
	require.Equal(t, strings.Join(texts, ""), g.Text())
}

// TestTextThatCannotFit is refused before it is encoded, which would take
// memory that nobody has planned.
func TestTextThatCannotFit(t *testing.T) {
	m, err := Open("tiny", Options{Context: 16})
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	long := strings.Repeat("In the beginning ", 1<<16)
	for name, r := range map[string]*Request{
		"prompt": {Prompt: long}, "message": {Messages: []Message{{Content: long}}}, "tokens": {Tokens: make([]int32, 1<<20)},
	} {
		var full *ContextError
		require.ErrorAs(t, m.text.fits(r, 16), &full, name)
		require.Equal(t, 16, full.Have)
		require.Greater(t, full.Need, 1<<14)
	}
	require.ErrorContains(t, m.Generate(t.Context(), Request{Prompt: long}).Err(), "the context is full")

	// Whatever fits passes.
	tokens := m.text.tok.Encode(nil, long[:len(long)/64], tokenizer.Options{})
	require.NoError(t, m.text.fits(&Request{Prompt: long[:len(long)/64]}, len(tokens)))
}
