package tokenizer

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// file is a Source in memory.
type file map[string]any

func get[T any](f file, key string) (T, bool, error) {
	v, ok := f[key]
	if !ok {
		var zero T
		return zero, false, nil
	}
	t, typed := v.(T)
	if !typed {
		return t, true, fmt.Errorf("%s is %T", key, v)
	}
	return t, true, nil
}

func (f file) Uint(key string) (uint64, bool, error)      { return get[uint64](f, key) }
func (f file) Bool(key string) (v, ok bool, err error)    { return get[bool](f, key) }
func (f file) String(key string) (string, bool, error)    { return get[string](f, key) }
func (f file) Strings(key string) ([]string, bool, error) { return get[[]string](f, key) }
func (f file) Floats(key string) ([]float32, bool, error) { return get[[]float32](f, key) }
func (f file) Ints(key string) ([]int64, bool, error)     { return get[[]int64](f, key) }

// bpeFile is bytes and a few merges, with a control token at the end.
func bpeFile(pre string) file {
	var tokens []string
	escaped := map[byte]string{}
	for r, b := range runes {
		escaped[b] = string(r)
	}
	for b := range 256 {
		tokens = append(tokens, escaped[byte(b)])
	}
	merges := []string{"Ġ t", "h e", "Ġt he", "i n", "1 2", "12 3"}
	for _, m := range merges {
		tokens = append(tokens, strings.ReplaceAll(m, " ", ""))
	}
	types := make([]int64, len(tokens))
	for i := range types {
		types[i] = int64(Normal)
	}
	tokens, types = append(tokens, "<|im_end|>", "<tool>"), append(types, int64(Control), int64(UserDefined))
	return file{
		"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": pre, "tokenizer.ggml.tokens": tokens,
		"tokenizer.ggml.token_type": types, "tokenizer.ggml.merges": merges, "tokenizer.ggml.bos_token_id": uint64(262),
	}
}

func spmFile() file {
	tokens, types, scores := []string{"<unk>", "<s>", "</s>"}, []int64{2, 3, 3}, []float32{0, 0, 0}
	add := func(s string, kind int64, score float32) {
		tokens, types, scores = append(tokens, s), append(types, kind), append(scores, score)
	}
	for b := range 256 {
		add(fmt.Sprintf("<0x%02X>", b), 6, 0)
	}
	for i, s := range []string{"▁the", "▁t", "he", "▁", "t", "h", "e", "x", "▁▁"} {
		add(s, 1, -float32(i))
	}
	return file{
		"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types,
		"tokenizer.ggml.scores": scores, "tokenizer.ggml.bos_token_id": uint64(1), "tokenizer.ggml.eos_token_id": uint64(2),
	}
}

func must(t *testing.T, f file) *Tokenizer {
	t.Helper()
	tok, err := New(f)
	require.NoError(t, err)
	return tok
}

// pieces are the tokens' texts, joined by bars.
func pieces(tok *Tokenizer, ids []int32) string {
	var out []string
	for _, id := range ids {
		text, _ := tok.Token(id)
		out = append(out, text)
	}
	return strings.Join(out, "|")
}

func TestBPEMerges(t *testing.T) {
	tok := must(t, bpeFile("gpt-2"))
	require.Equal(t, "t|he| the|in|123|!", pieces(tok, tok.Encode(nil, "the thein123!", Options{})))
	require.Equal(t, "a|<tool>|<|im_end|>", pieces(tok, tok.Encode(nil, "a<tool><|im_end|>", Options{ParseSpecial: true})))
	require.NotContains(t, tok.Encode(nil, "<|im_end|>", Options{}), int32(262), "text from outside is text")
	id, ok := tok.Lookup("<|im_end|>")
	require.True(t, ok)
	require.True(t, tok.IsEnd(id))
}

func TestSPMMergesAndFallsBackToBytes(t *testing.T) {
	tok := must(t, spmFile())
	require.Equal(t, "<s>| the| the|x", pieces(tok, tok.Encode(nil, "the thex", Options{AddSpecial: true})))
	ids := tok.Encode(nil, "é", Options{})
	require.Equal(t, []int32{262, 3 + 0xc3, 3 + 0xa9}, ids)
	require.Equal(t, "é", tok.Decode(ids))
}

func cut(pre, text string) string {
	var out []string
	split(text, preTokens[pre].stages, func(p string) { out = append(out, p) })
	return strings.Join(out, "|")
}

func TestPreTokenizers(t *testing.T) {
	for _, c := range [][3]string{
		{"gpt-2", "I'll  go\n\nto 1984!! x", "I|'ll| | go|\n|\n|to| 1984|!!| x"},
		{"smollm", "go 1984  x", "go| |1|9|8|4| | x"},
		{"llama-bpe", "I'LL go\n\n to 12345, (yes)\r\n  end ", "I|'LL| go|\n\n| to| |123|45|,| (|yes|)\r\n| | end| "},
		{"qwen2", "a1234  b\n  c", "a|1|2|3|4| | b|\n| | c"},
		{"deepseek-llm", "Hi there\n中文x 12 !", "Hi| there|\n|中文|x| |12| !"},
		{"deepseek-v3", "Hi 12345 中文 .net a!b", "Hi| |123|45| |中文| .|net| a|!b"},
		{"deepseek-coder", "a_b 12", "a|_|b| |1|2"},
	} {
		require.Equal(t, c[2], cut(c[0], c[1]), c[0])
	}
}

func TestStreamNeverCutsARune(t *testing.T) {
	tok := must(t, bpeFile("gpt-2"))
	text := "naïve 中文 🙂 the\xff\xfe end\xe4"
	s, out := tok.Stream(), ""
	for _, id := range tok.Encode(nil, text, Options{}) {
		part := s.Push(id)
		require.True(t, strings.ToValidUTF8(part, "") == part)
		out += part
	}
	require.Equal(t, strings.ToValidUTF8("naïve 中文 🙂 the", ""), out[:len("naïve 中文 🙂 the")])
	require.Contains(t, out+s.Flush(), "end\uFFFD")
}

func TestLongInputsAreNotQuadratic(t *testing.T) {
	tok := must(t, bpeFile("gpt-2"))
	text := strings.Repeat("in", 1<<18) // one piece of half a megabyte
	require.Len(t, tok.Encode(nil, text, Options{}), 1<<18)
}

func TestBadVocabulariesAreRefused(t *testing.T) {
	for name, change := range map[string]func(f file){
		"unknown model":    func(f file) { f["tokenizer.ggml.model"] = "wordpiece" },
		"unknown pre":      func(f file) { f["tokenizer.ggml.pre"] = "klingon" },
		"no tokens":        func(f file) { delete(f, "tokenizer.ggml.tokens") },
		"types too short":  func(f file) { f["tokenizer.ggml.token_type"] = []int64{1} },
		"a merge of one":   func(f file) { f["tokenizer.ggml.merges"] = []string{"ab"} },
		"a token too long": func(f file) { f["tokenizer.ggml.tokens"].([]string)[3] = strings.Repeat("x", MaxTokenLength+1) },
	} {
		f := bpeFile("gpt-2")
		change(f)
		_, err := New(f)
		var fe *FormatError
		require.ErrorAs(t, err, &fe, name)
	}
	f := spmFile()
	delete(f, "tokenizer.ggml.scores")
	_, err := New(f)
	require.Error(t, err)
}

// FuzzRoundTrip holds every kind and pre-tokenizer to: no panic on any bytes,
// decode(encode(x)) = x, and a stream that says the same.
func FuzzRoundTrip(f *testing.F) {
	var toks []*Tokenizer
	for pre := range preTokens {
		tok, err := New(bpeFile(pre))
		if err != nil {
			f.Fatal(err)
		}
		toks = append(toks, tok)
	}
	spm, err := New(spmFile())
	if err != nil {
		f.Fatal(err)
	}
	f.Add("In the beginning")
	f.Add("  a\n\n\tb 123 \u3000中文\xff\xf0 'Ll 🙂")
	f.Fuzz(func(t *testing.T, text string) {
		for _, tok := range toks {
			ids := tok.Encode(nil, text, Options{})
			require.Equal(t, text, tok.Decode(ids))
			s, out := tok.Stream(), ""
			for _, id := range ids {
				out += s.Push(id)
			}
			out += s.Flush()
			require.Equal(t, strings.ToValidUTF8(text, ""), strings.ReplaceAll(strings.ReplaceAll(out, "\uFFFD", ""), "\uFFFD", ""), "up to bytes that are no text")
		}
		if !strings.Contains(text, space) {
			require.Equal(t, text, spm.Decode(spm.Encode(nil, text, Options{})))
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	tok, err := New(bpeFile("qwen2"))
	require.NoError(b, err)
	r := rand.New(rand.NewPCG(1, 1))
	var text strings.Builder
	for range 20_000 {
		text.WriteString([]string{"the ", "within ", "house, ", "12 ", "beginning ", "of\n"}[r.IntN(6)])
	}
	b.SetBytes(int64(text.Len()))
	var ids []int32
	for b.Loop() {
		ids = tok.Encode(ids[:0], text.String(), Options{})
	}
}
