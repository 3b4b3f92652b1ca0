package tokenizer

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// everyTokenizer is one of each kind and pattern.
func everyTokenizer(tb testing.TB) map[string]*Tokenizer {
	toks := map[string]*Tokenizer{"spm": must(tb, smallSPM())}
	for _, pre := range []string{
		"gpt-2", "starcoder", "llama-bpe", "qwen2", "qwen35", "seed-coder", "gpt-4o", "tekken", "deepseek-llm",
		"deepseek-coder", "deepseek-v3", "falcon", "default",
	} {
		toks[pre] = must(tb, smallBPE(pre))
	}
	return toks
}

// streamed is the text of tokens as a stream releases it.
func streamed(tok *Tokenizer, ids []int32) string {
	s := tok.Stream()
	var out strings.Builder
	for _, id := range ids {
		s.Push(&out, id)
	}
	s.Flush(&out)
	return out.String()
}

// FuzzText holds every kind and pattern, for any bytes, to: what is encoded
// decodes to the same bytes, a stream says the same, no text makes a control
// token, and parsed control tokens are what is cut out of the text.
func FuzzText(f *testing.F) {
	toks := everyTokenizer(f)
	for _, text := range []string{
		"In the beginning", "  a\n\n\tb 123 \u3000中文\xff\xf0 'Ll 🙂", "<|im_start|>the<|im_end|> <tool>>", "e\u0301\u0301", "ªAB'ſ",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, tok := range toks {
			ids := tok.Encode(nil, text, Options{})
			for _, id := range ids {
				_, kind := tok.Token(id)
				require.NotContains(t, []Kind{Control, Unknown, Unused}, kind, name)
			}
			whole := string(tok.AppendText(nil, ids, TextOptions{Continues: true}))
			require.Equal(t, string([]rune(whole)), streamed(tok, ids), name)
			if name == "spm" {
				if !strings.Contains(text, space) && !strings.Contains(text, "<tool>") {
					require.Equal(t, text, tok.Decode(ids), "▁ is read as a space, and one is put after special tokens")
				}
				continue
			}
			require.Equal(t, text, tok.Decode(ids), name)
			ids = tok.Encode(nil, text, Options{ParseSpecial: true})
			require.Equal(t, text, string(tok.AppendText(nil, ids, TextOptions{ShowSpecial: true})), name)
		}
	})
}

// FuzzVocabulary builds tokenizers of any vocabulary: it is refused with an
// error, or encodes and decodes any text without a panic, to tokens that are
// in it.
func FuzzVocabulary(f *testing.F) {
	f.Add(true, "gpt-2", "a\nb\nab\nĠ", "a b\nab a", "\x01\x01\x01\x03", "abab a")
	f.Add(false, "", "<unk>\n<s>\n</s>\n<0x41>\n▁\n▁a\na", "", "\x02\x03\x03\x06\x01\x01\x01", "a aA")
	f.Add(true, "", "\n\n<|im_end|>", "中 x\nx x\nx  ", "\x04\xff\x05", "<|im_end|>\xff")
	f.Fuzz(func(t *testing.T, bpe bool, pre, tokens, merges, types, text string) {
		src := file{"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": strings.Split(tokens, "\n")}
		if bpe {
			src["tokenizer.ggml.model"], src["tokenizer.ggml.pre"] = "gpt2", pre
			src["tokenizer.ggml.merges"] = strings.Split(merges, "\n")
		}
		var kinds []int64
		var scores []float32
		for i := range len(types) {
			kinds = append(kinds, int64(int8(types[i])))
			scores = append(scores, float32(int8(types[i])))
		}
		src["tokenizer.ggml.token_type"], src["tokenizer.ggml.scores"] = kinds, scores
		tok, err := New(src)
		if err != nil {
			return
		}
		for _, o := range []Options{{}, {AddSpecial: true, ParseSpecial: true}} {
			ids := tok.Encode(nil, text, o)
			for _, id := range ids {
				require.Less(t, int(id), tok.Len())
				require.GreaterOrEqual(t, id, int32(0))
			}
			require.Equal(t, string([]rune(string(tok.AppendText(nil, ids, TextOptions{Continues: true})))), streamed(tok, ids))
		}
	})
}
