package tokenizer

import (
	"fmt"
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

// add appends tokens of a kind.
func (f file) add(kind Kind, texts ...string) {
	tokens, _ := f["tokenizer.ggml.tokens"].([]string)
	types, _ := f["tokenizer.ggml.token_type"].([]int64)
	scores, scored := f["tokenizer.ggml.scores"].([]float32)
	for _, text := range texts {
		tokens, types = append(tokens, text), append(types, int64(kind))
		scores = append(scores, -float32(len(scores)))
	}
	f["tokenizer.ggml.tokens"], f["tokenizer.ggml.token_type"] = tokens, types
	if scored {
		f["tokenizer.ggml.scores"] = scores
	}
}

// byteRune is the character in which a byte-level vocabulary writes a byte.
func byteRune(b byte) string {
	for r, v := range byteOf {
		if v == int16(b) {
			return string(rune(r))
		}
	}
	panic("no rune")
}

// byteLevel writes a text as byte-level vocabularies do.
func byteLevel(text string) string {
	var s strings.Builder
	for i := range len(text) {
		s.WriteString(byteRune(text[i]))
	}
	return s.String()
}

// bpeFile is the bytes and the results of these merges.
func bpeFile(pre string, merges ...string) file {
	f := file{"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": pre, "tokenizer.ggml.merges": merges}
	for b := range 256 {
		f.add(Normal, byteRune(byte(b)))
	}
	for _, m := range merges {
		f.add(Normal, strings.ReplaceAll(m, " ", ""))
	}
	return f
}

// smallBPE has some English, and special tokens.
func smallBPE(pre string) file {
	f := bpeFile(pre, "Ġ t", "h e", "Ġt he", "i n", "1 2", "12 3")
	f.add(Control, "<|im_start|>", "<|im_end|>")
	f.add(UserDefined, "<tool>", "<tool>>", "  ")
	f.add(Unknown, "<|unk|>")
	f.add(Unused, "[PAD1]")
	return f
}

// smallSPM has some English, and special tokens.
func smallSPM() file {
	f := file{"tokenizer.ggml.model": "llama", "tokenizer.ggml.scores": []float32{}}
	f.add(Unknown, "<unk>")
	f.add(Control, "<s>", "</s>")
	for b := range 256 {
		f.add(Byte, fmt.Sprintf("<0x%02X>", b))
	}
	f.add(Normal, "▁the", "▁t", "he", "▁", "t", "h", "e", "x", "▁▁")
	f.add(UserDefined, "<tool>")
	return f
}

func must(t testing.TB, f file) *Tokenizer {
	t.Helper()
	tok, err := New(f)
	require.NoError(t, err)
	return tok
}

// pieces are the tokens' texts, quoted.
func pieces(tok *Tokenizer, ids []int32) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		text, _ := tok.Token(id)
		out[i] = fmt.Sprintf("%q", text)
	}
	return strings.Join(out, " ")
}
