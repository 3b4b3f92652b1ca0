package synth

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/weights"
)

// tokens returns the metadata of a model of that family and vocabulary.
func tokens(t *testing.T, family string, n int) weights.Meta {
	s := Tiny(family)
	s.Vocab = n
	m, err := New(s, Options{Mix: mixes[0]})
	require.NoError(t, err)
	meta, err := weights.NewMeta(m.kvs)
	require.NoError(t, err)
	return meta
}

// TestVocabulary holds that tokens are as many as wanted, distinct, and that
// every merge makes one token out of two that are there.
func TestVocabulary(t *testing.T) {
	for _, family := range []string{"llama", "qwen2"} {
		for _, n := range []int{355, 512, 5000, 50304, 151936} {
			t.Run(fmt.Sprintf("%s/%d", family, n), func(t *testing.T) {
				meta := tokens(t, family, n)
				all, err := meta.Strings("tokenizer.ggml.tokens")
				require.NoError(t, err)
				require.Len(t, all, n)
				have := map[string]bool{}
				for _, s := range all {
					require.False(t, have[s], s)
					have[s] = true
				}
				types, err := meta.Ints("tokenizer.ggml.token_type")
				require.NoError(t, err)
				require.Len(t, types, n)
				if family == "llama" {
					scores, err := meta.Floats("tokenizer.ggml.scores")
					require.NoError(t, err)
					require.Len(t, scores, n)
					return
				}
				merges, err := meta.Strings("tokenizer.ggml.merges")
				require.NoError(t, err)
				require.Len(t, merges, n-259)
				for _, m := range merges {
					a, b, ok := strings.Cut(m, " ")
					require.True(t, ok && have[a] && have[b] && have[a+b], m)
				}
			})
		}
	}
}

// TestUnused holds that what no word is left for is marked.
func TestUnused(t *testing.T) {
	meta := tokens(t, "llama", 700_000)
	types, err := meta.Ints("tokenizer.ggml.token_type")
	require.NoError(t, err)
	require.EqualValues(t, tokenUnused, types[len(types)-1])
}

func TestSmallVocabulary(t *testing.T) {
	for family, least := range map[string]int{"qwen2": 259, "llama": 354} {
		s := Tiny(family)
		s.Vocab = least
		_, err := New(s, Options{Mix: mixes[0]})
		require.NoError(t, err)
		s.Vocab--
		_, err = New(s, Options{Mix: mixes[0]})
		require.ErrorContains(t, err, fmt.Sprintf("--vocab %d is too small", least-1))
	}
}

// TestByteRunes compares with the table that byte-level BPE is known by.
func TestByteRunes(t *testing.T) {
	seen := map[string]bool{}
	for b := range 256 {
		seen[byteRune(b)] = true
	}
	require.Len(t, seen, 256)
	require.Equal(t, "Ġ", byteRune(' '))
	require.Equal(t, "Ċ", byteRune('\n'))
	require.Equal(t, "a", byteRune('a'))
	require.Equal(t, "Ń", byteRune(0xad))
	require.Equal(t, "ÿ", byteRune(0xff))
}
