package synth

import (
	"fmt"
)

// The types of tokens.
const (
	tokenNormal  int32 = 1
	tokenUnknown int32 = 2
	tokenControl int32 = 3
	tokenUnused  int32 = 5
	tokenByte    int32 = 6
)

// The letters that the words of the vocabulary are made of.
const (
	consonants = "bdfghjklmnprstvz"
	vowels     = "aeiou"
)

const chatML = `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`

// vocabulary is a tokenizer being made.
type vocabulary struct {
	size   int
	tokens []string
	types  []int32
	merges []string
}

func (v *vocabulary) add(text string, kind int32) {
	v.tokens, v.types = append(v.tokens, text), append(v.types, kind)
}

// tokenizer adds a tokenizer of that kind ("llama" is SPM, "gpt2" BPE). It
// knows all bytes, and beyond them words of two to six letters, so that the
// text of a random model can at least be pronounced.
func (m *Model) tokenizer(kind, pre string) error {
	v := &vocabulary{size: m.Vocab}
	build := m.bpe
	if kind == "llama" {
		build = m.spm
	}
	m.set("tokenizer.ggml.model", kind)
	m.set("tokenizer.ggml.pre", pre)
	build(v)
	if len(v.tokens) != m.Vocab {
		return fmt.Errorf("--vocab %d is too small: the bytes and special tokens are %d", m.Vocab, len(v.tokens))
	}
	m.set("tokenizer.ggml.tokens", v.tokens)
	m.set("tokenizer.ggml.token_type", v.types)
	if v.merges != nil {
		m.set("tokenizer.ggml.merges", v.merges)
	}
	return nil
}

// bpe is 256 bytes, three control tokens, and merges.
func (m *Model) bpe(v *vocabulary) {
	for b := range 256 {
		v.add(byteRune(b), tokenNormal)
	}
	end := uint32(len(v.tokens)) //nolint:gosec // 256
	for _, control := range []string{"<|endoftext|>", "<|im_start|>", "<|im_end|>"} {
		v.add(control, tokenControl)
	}
	v.merges = []string{}
	v.words(byteRune(' '), func(a, b string) { v.merges = append(v.merges, a+" "+b) })
	m.set("tokenizer.ggml.bos_token_id", end)
	m.set("tokenizer.ggml.eos_token_id", end+2)
	m.set("tokenizer.ggml.padding_token_id", end)
	m.set("tokenizer.ggml.add_bos_token", m.arch == "deepseek2" || m.arch == "lite")
	m.set("tokenizer.chat_template", chatML)
}

// spm is three control tokens, 256 bytes, the printable characters, and words
// whose score falls with their place.
func (m *Model) spm(v *vocabulary) {
	v.add("<unk>", tokenUnknown)
	v.add("<s>", tokenControl)
	v.add("</s>", tokenControl)
	for b := range 256 {
		v.add(fmt.Sprintf("<0x%02X>", b), tokenByte)
	}
	const space = "▁"
	v.add(space, tokenNormal)
	for c := '!'; c <= '~'; c++ {
		v.add(string(c), tokenNormal)
	}
	v.words(space, func(string, string) {})
	scores := make([]float32, len(v.tokens))
	for i := range scores {
		if v.types[i] == tokenNormal {
			scores[i] = -float32(i)
		}
	}
	m.set("tokenizer.ggml.scores", scores)
	m.set("tokenizer.ggml.bos_token_id", uint32(1))
	m.set("tokenizer.ggml.eos_token_id", uint32(2))
	m.set("tokenizer.ggml.unknown_token_id", uint32(0))
	m.set("tokenizer.ggml.add_bos_token", true)
	m.set("tokenizer.ggml.add_eos_token", false)
	m.set("tokenizer.chat_template", `{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}`)
}

// words fills the vocabulary with words, shortest first, each made of two
// tokens that are there already: syllables, then with a space before, then two
// and three of them. What is left is marked as unused.
func (v *vocabulary) words(space string, merge func(a, b string)) {
	put := func(a, b string) bool {
		if len(v.tokens) == v.size {
			return false
		}
		v.add(a+b, tokenNormal)
		merge(a, b)
		return true
	}
	var syllables, spaced []string
	for _, c := range consonants {
		for _, w := range vowels {
			put(string(c), string(w))
			syllables = append(syllables, string(c)+string(w))
		}
	}
	for _, s := range syllables {
		put(space, s)
		spaced = append(spaced, space+s)
	}
	two := product(spaced, syllables, put)
	product(syllables, syllables, put)
	product(two, syllables, put)
	for len(v.tokens) < v.size {
		v.add(fmt.Sprintf("[unused%d]", len(v.tokens)), tokenUnused)
	}
}

// product puts every pair and returns their texts, those that there was room
// for.
func product(first, second []string, put func(a, b string) bool) []string {
	var all []string
	for _, a := range first {
		for _, b := range second {
			if !put(a, b) {
				return all
			}
			all = append(all, a+b)
		}
	}
	return all
}

// byteRune is the printable character that stands for a byte in a BPE
// vocabulary: itself where it is printable, else one from 256 upwards in order.
func byteRune(b int) string {
	printable := func(b int) bool { return b > ' ' && b < 0x7f || b > 0xa0 && b != 0xad && b <= 0xff }
	if printable(b) {
		return string(rune(b)) //nolint:gosec // a byte
	}
	n := 0
	for c := range b {
		if !printable(c) {
			n++
		}
	}
	return string(rune(256 + n))
}
