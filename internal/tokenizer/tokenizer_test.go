package tokenizer

import (
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVocabulary(t *testing.T) {
	tok := must(t, smallBPE("qwen2"))
	require.Equal(t, "BPE (qwen2), 269 tokens", tok.Describe())
	require.Equal(t, 269, tok.Len())
	for text, kind := range map[string]Kind{
		" the": Normal, "\n": Normal, "\xff": Normal, "<|im_end|>": Control, "<tool>": UserDefined, "<|unk|>": Unknown,
	} {
		id, ok := tok.Lookup(text)
		require.True(t, ok, "%q", text)
		got, k := tok.Token(id)
		require.Equal(t, text, got)
		require.Equal(t, kind, k, "%q", text)
	}
	for _, text := range []string{"", "the", "<|im_end|", "<|im_end|>>", "[PAD1]"} {
		_, ok := tok.Lookup(text)
		require.False(t, ok, "%q", text)
	}
	for _, id := range []int32{-1, 269, math.MaxInt32} {
		text, kind := tok.Token(id)
		require.Empty(t, text)
		require.Equal(t, Unused, kind)
	}
	tok = must(t, smallSPM())
	require.Equal(t, "SPM, 269 tokens", tok.Describe())
	for id := range int32(tok.Len()) {
		text, _ := tok.Token(id)
		back, ok := tok.Lookup(text)
		require.True(t, ok, "%q", text)
		same, _ := tok.Token(back)
		require.Equal(t, text, same, "the first of several, or the one that is no byte")
	}
}

func TestTheFirstOfTwoEqualTokensCounts(t *testing.T) {
	f := smallBPE("gpt-2")
	f.add(Normal, "he", "Ġthe")
	f.add(Control, "<|im_end|>")
	tok := must(t, f)
	require.Equal(t, must(t, smallBPE("gpt-2")).Encode(nil, "he the", Options{}), tok.Encode(nil, "he the", Options{}))
	first, _ := tok.Lookup("<|im_end|>")
	require.Equal(t, int32(263), first)
	require.Equal(t, "he the", tok.Decode([]int32{269, 270}), "both decode")
}

func TestBadVocabulariesAreRefused(t *testing.T) {
	many := func(n int) []string { return make([]string, n) }
	for want, change := range map[string]func(f file){
		`tokenizer.ggml.model "wordpiece" is not supported`: func(f file) { f["tokenizer.ggml.model"] = "wordpiece" },
		"no tokens":                     func(f file) { delete(f, "tokenizer.ggml.tokens") },
		"2097153 tokens are more":       func(f file) { f["tokenizer.ggml.tokens"] = many(MaxTokens + 1) },
		"4194305 merges are more":       func(f file) { f["tokenizer.ggml.merges"] = many(MaxMerges + 1) },
		"1 token types":                 func(f file) { f["tokenizer.ggml.token_type"] = []int64{1} },
		`merge 0, "ab", is not two`:     func(f file) { f["tokenizer.ggml.merges"] = []string{"ab"} },
		`merge 1, "a ", is not two`:     func(f file) { f["tokenizer.ggml.merges"] = []string{"a b", "a "} },
		`merge 0, "", is not two`:       func(f file) { f["tokenizer.ggml.merges"] = []string{""} },
		"token 269 is 65537 bytes":      func(f file) { f.add(Normal, strings.Repeat("x", MaxTokenLength+1)) },
		"special token 269 is 1025 byt": func(f file) { f.add(Control, strings.Repeat("x", MaxSpecialLength+1)) },
	} {
		f := smallBPE("gpt-2")
		change(f)
		_, err := New(f)
		var fe *FormatError
		require.ErrorAs(t, err, &fe, want)
		require.ErrorContains(t, err, want)
	}
	for want, change := range map[string]func(f file){
		"0 scores":                    func(f file) { delete(f, "tokenizer.ggml.scores") },
		"score of token 3 is not a n": func(f file) { f["tokenizer.ggml.scores"].([]float32)[3] = float32(math.NaN()) },
	} {
		f := smallSPM()
		change(f)
		_, err := New(f)
		var fe *FormatError
		require.ErrorAs(t, err, &fe, want)
		require.ErrorContains(t, err, want)
	}
}

func TestAnUnknownPreTokenizerIsNamedWithTheKnownOnes(t *testing.T) {
	_, err := New(smallBPE("klingon"))
	var pe *PreTokenizerError
	require.ErrorAs(t, err, &pe)
	require.Equal(t, "klingon", pe.Name)
	require.ErrorContains(t, err, `"klingon"`)
	for _, name := range PreTokenizers() {
		require.ErrorContains(t, err, name)
	}
	f := smallBPE("")
	delete(f, "tokenizer.ggml.pre")
	require.Equal(t, "BPE (default), 269 tokens", must(t, f).Describe())
}

func TestErrorsOfTheSourceAreReturned(t *testing.T) {
	for _, build := range []func() file{func() file { return smallBPE("gpt-2") }, smallSPM} {
		for _, key := range []string{
			"model", "pre", "tokens", "token_type", "merges", "scores", "bos_token_id", "eos_token_id", "eot_token_id",
			"add_bos_token", "add_eos_token", "add_space_prefix", "unknown_token_id", "eom_token_id", "fim_pad_token_id",
		} {
			f := build()
			bpe := f["tokenizer.ggml.model"] == "gpt2"
			if (key == "scores" || key == "add_space_prefix") && bpe || (key == "merges" || key == "pre") && !bpe {
				continue // not read
			}
			f["tokenizer.ggml."+key] = struct{}{}
			_, err := New(f)
			require.ErrorContains(t, err, "tokenizer.ggml."+key+" is struct {}")
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	tok := must(t, smallBPE("gpt-2"))
	text := strings.Repeat("the thein 123 in<tool> ", 50)
	want := tok.Encode(nil, text, Options{})
	var wg sync.WaitGroup
	got := make([][]int32, 8)
	for i := range got {
		wg.Go(func() { got[i] = tok.Encode(nil, text, Options{}) })
	}
	wg.Wait()
	for _, ids := range got {
		require.Equal(t, want, ids)
	}
}
