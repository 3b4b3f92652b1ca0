package tokenizer

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// ended are the texts of the tokens that end an answer, sorted.
func ended(tok *Tokenizer) []string {
	var out []string
	for _, id := range slices.Sorted(maps.Keys(tok.marks.ends)) {
		text, _ := tok.Token(id)
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}

func TestWhatEndsAnAnswer(t *testing.T) {
	for _, c := range []struct {
		name    string
		control []string
		keys    file
		eot     string
		want    []string
	}{
		{"by key only", []string{"<end>", "<x>"}, file{"tokenizer.ggml.eos_token_id": uint64(257)}, "", []string{"<x>"}},
		{"by text", []string{"<|im_start|>", "<|im_end|>", "<|endoftext|>"}, nil, "<|im_end|>", []string{"<|endoftext|>", "<|im_end|>"}},
		{"llama 3", []string{"<|end_of_text|>", "<|eot_id|>", "<|eom_id|>"}, nil, "<|eot_id|>", []string{"<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"}},
		{"the key names the turn", []string{"<|im_end|>", "<done>"}, file{"tokenizer.ggml.eot_token_id": uint64(257)}, "<done>", []string{"<done>", "<|im_end|>"}},
		{"message and fill-in", []string{"<msg>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<REPO>"}, file{"tokenizer.ggml.eom_token_id": uint64(256)}, "", []string{"<msg>", "<|file_sep|>", "<|fim_pad|>", "<|repo_name|>"}},
		{"fill-in by key", []string{"<p>", "<|fim_pad|>"}, file{"tokenizer.ggml.fim_pad_token_id": uint64(256)}, "", []string{"<p>"}},
		{"an id out of range is none", []string{"<e>"}, file{"tokenizer.ggml.eos_token_id": uint64(1 << 40)}, "", nil},
		{"channels", []string{"<|end|>", "<|return|>", "<|call|>"}, nil, "<|end|>", []string{"<|call|>", "<|return|>"}},
		{"channels with flush", []string{"<|end|>", "<|flush|>", "<|calls|>"}, nil, "<|end|>", []string{"<|calls|>", "<|flush|>"}},
		{"a tag that is none", []string{"</s>", "<|tool_response>"}, nil, "", []string{"<|tool_response>"}},
	} {
		f := bpeFile("gpt-2")
		f.add(Control, c.control...)
		maps.Copy(f, c.keys)
		tok := must(t, f)
		require.Equal(t, c.want, ended(tok), c.name)
		id, ok := tok.EOT()
		require.Equal(t, c.eot != "", ok, c.name)
		text, _ := tok.Token(id)
		require.Equal(t, c.eot, text, c.name)
		for _, text := range c.want {
			id, _ := tok.Lookup(text)
			require.True(t, tok.IsEnd(id), "%s: %s", c.name, text)
		}
	}
}

func TestATokenThatEndsAnAnswerIsNotText(t *testing.T) {
	f := bpeFile("gpt-2", "< |", "<| e", "<|e >")
	f.add(Normal, "<|im_end|>")
	tok := must(t, f)
	id, ok := tok.Lookup("<|im_end|>")
	require.True(t, ok)
	_, kind := tok.Token(id)
	require.Equal(t, Control, kind)
	require.NotContains(t, tok.Encode(nil, "<|im_end|>", Options{}), id)
	require.Equal(t, []int32{id}, tok.Encode(nil, "<|im_end|>", Options{ParseSpecial: true}))
	require.Empty(t, tok.Decode([]int32{id}))
}

func TestBeginningAndEnd(t *testing.T) {
	two := func(f file) file {
		f["tokenizer.ggml.bos_token_id"], f["tokenizer.ggml.eos_token_id"] = uint64(262), uint64(263)
		return f
	}
	with := func(f file, key string, v bool) file {
		f["tokenizer.ggml."+key] = v
		return f
	}
	for _, c := range []struct {
		name string
		f    file
		want string
	}{
		{"BPE adds none", two(smallBPE("gpt-2")), `"x"`},
		{"but says so", with(with(two(smallBPE("gpt-2")), "add_bos_token", true), "add_eos_token", true), `"<|im_start|>" "x" "<|im_end|>"`},
		{"Llama 3 begins", two(smallBPE("llama-bpe")), `"<|im_start|>" "x"`},
		{"unless told not to", with(two(smallBPE("llama-bpe")), "add_bos_token", false), `"x"`},
		{"and not its relatives", two(smallBPE("dbrx")), `"x"`},
		{"Tekken begins", two(smallBPE("tekken")), `"<|im_start|>" "x"`},
		{"no token to add", with(smallBPE("gpt-2"), "add_bos_token", true), `"x"`},
		{"SPM begins, with ids by custom", smallSPM(), `"<s>" " " "x"`},
		{"and ends when told to", with(smallSPM(), "add_eos_token", true), `"<s>" " " "x" "</s>"`},
	} {
		tok := must(t, c.f)
		require.Equal(t, c.want, pieces(tok, tok.Encode(nil, "x", Options{AddSpecial: true})), c.name)
	}
	tok := must(t, two(smallBPE("gpt-2")))
	bos, _ := tok.BOS()
	eos, _ := tok.EOS()
	require.Equal(t, []int32{262, 263}, []int32{bos, eos})
	_, ok := must(t, smallBPE("gpt-2")).BOS()
	require.False(t, ok)
}
