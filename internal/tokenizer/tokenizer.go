// Package tokenizer turns text into a model's tokens and back: SentencePiece
// (SPM) and byte-level BPE vocabularies as GGUF files hold them. It stands at
// both ends of the token's road.
package tokenizer

import (
	"fmt"
	"slices"
	"strings"
)

// Source is the metadata of a file. A getter's ok is false when the key is
// absent.
type Source interface {
	Uint(key string) (v uint64, ok bool, err error)
	Bool(key string) (v, ok bool, err error)
	String(key string) (v string, ok bool, err error)
	Strings(key string) (v []string, ok bool, err error)
	Floats(key string) (v []float32, ok bool, err error)
	Ints(key string) (v []int64, ok bool, err error)
}

// Kind is what a token is, numbered as in GGUF (tokenizer.ggml.token_type).
type Kind uint8

// The kinds.
const (
	Normal      Kind = 1
	Unknown     Kind = 2
	Control     Kind = 3
	UserDefined Kind = 4
	Unused      Kind = 5
	Byte        Kind = 6
)

// Limits, checked before anything is built.
const (
	MaxTokens      = 1 << 21
	MaxTokenLength = 1 << 16 // bytes
)

// Tokenizer encodes and decodes. It is immutable and safe for concurrent use.
type Tokenizer struct {
	name   string
	tokens []string // as the text they stand for, in bytes; a control token's name
	kinds  []Kind
	ids    map[string]int32 // of normal, byte-level and user-defined tokens by text
	model  encoder

	special         map[byte][]int32 // control and user-defined tokens by first byte, longest first
	bos, eos        int32            // -1 when there is none
	addBOS, addEOS  bool
	llama3          bool // BPE of Llama 3, which begins texts with BOS unless the file says otherwise
	addSpacePrefix  bool // SPM: a text begins with a space that is not shown
	endOfGeneration map[int32]bool
}

// encoder turns a piece of text without special tokens into ids.
type encoder interface {
	encode(dst []int32, text string) []int32
}

// FormatError says what in a vocabulary cannot be used.
type FormatError struct{ What string }

// Error implements error.
func (e *FormatError) Error() string { return "tokenizer: " + e.What }

func bad(format string, args ...any) error { return &FormatError{What: fmt.Sprintf(format, args...)} }

// New builds the tokenizer that src describes. It returns a *FormatError when
// the vocabulary is of an unknown kind or inconsistent.
func New(src Source) (*Tokenizer, error) {
	r := reader{src: src}
	kind := r.string("tokenizer.ggml.model")
	tokens := r.strings("tokenizer.ggml.tokens")
	types := r.ints("tokenizer.ggml.token_type")
	switch {
	case r.err != nil:
		return nil, r.err
	case len(tokens) == 0:
		return nil, bad("the file has no tokens (tokenizer.ggml.tokens)")
	case len(tokens) > MaxTokens:
		return nil, bad("%d tokens are more than the limit of %d", len(tokens), MaxTokens)
	case len(types) != 0 && len(types) != len(tokens):
		return nil, bad("%d token types for %d tokens", len(types), len(tokens))
	}
	t := &Tokenizer{tokens: slices.Clone(tokens), kinds: make([]Kind, len(tokens)), ids: make(map[string]int32, len(tokens))}
	for i := range tokens {
		if len(tokens[i]) > MaxTokenLength {
			return nil, bad("token %d is %d bytes long, more than the limit of %d", i, len(tokens[i]), MaxTokenLength)
		}
		t.kinds[i] = Normal
		if len(types) > 0 && types[i] >= int64(Normal) && types[i] <= int64(Byte) {
			t.kinds[i] = Kind(types[i])
		}
	}
	switch kind {
	case "llama":
		t.buildSPM(&r)
	case "gpt2":
		t.buildBPE(&r)
	default:
		return nil, bad("model %q is not supported (supported: llama, gpt2)", kind)
	}
	t.readSpecial(&r, kind)
	if r.err != nil {
		return nil, r.err
	}
	return t, nil
}

// reader collects the first error of several keys.
type reader struct {
	src Source
	err error
}

func take[T any](r *reader, v T, _ bool, err error) T {
	if r.err == nil {
		r.err = err
	}
	return v
}

func (r *reader) string(key string) string {
	v, ok, err := r.src.String(key)
	return take(r, v, ok, err)
}

func (r *reader) strings(key string) []string {
	v, ok, err := r.src.Strings(key)
	return take(r, v, ok, err)
}

func (r *reader) ints(key string) []int64 {
	v, ok, err := r.src.Ints(key)
	return take(r, v, ok, err)
}

func (r *reader) boolOr(key string, fallback bool) bool {
	v, ok, err := r.src.Bool(key)
	if v = take(r, v, ok, err); ok {
		return v
	}
	return fallback
}

// id is a token id, or -1 when the key is absent or names no token, as some
// converters write it.
func (r *reader) id(key string, n int) int32 {
	v, ok, err := r.src.Uint(key)
	if v = take(r, v, ok, err); !ok || v >= uint64(n) { //nolint:gosec // not negative
		return -1
	}
	return int32(v) //nolint:gosec // below the vocabulary's size
}

// readSpecial indexes the tokens that stand for something else than text.
func (t *Tokenizer) readSpecial(r *reader, kind string) {
	n := len(t.tokens)
	t.bos, t.eos = r.id("tokenizer.ggml.bos_token_id", n), r.id("tokenizer.ggml.eos_token_id", n)
	t.addBOS = r.boolOr("tokenizer.ggml.add_bos_token", kind == "llama" || t.llama3)
	t.addEOS = r.boolOr("tokenizer.ggml.add_eos_token", false)
	t.special = map[byte][]int32{}
	t.endOfGeneration = map[int32]bool{}
	for i, text := range t.tokens {
		id := int32(i) //nolint:gosec // below the limit
		if text == "" || t.kinds[i] != Control && t.kinds[i] != UserDefined {
			continue
		}
		t.special[text[0]] = append(t.special[text[0]], id)
		if ends[text] {
			t.endOfGeneration[id] = true
		}
	}
	for _, ids := range t.special {
		slices.SortStableFunc(ids, func(a, b int32) int { return len(t.tokens[b]) - len(t.tokens[a]) })
	}
	for _, key := range []string{"eos", "eot", "eom"} {
		if id := r.id("tokenizer.ggml."+key+"_token_id", n); id >= 0 {
			t.endOfGeneration[id] = true
		}
	}
}

// ends are the control tokens that end an answer in the families' formats,
// whether or not the file says so.
var ends = map[string]bool{
	"<|eot_id|>": true, "<|im_end|>": true, "<|end|>": true, "<end_of_turn>": true, "<|endoftext|>": true,
	"<|eom_id|>": true, "<EOT>": true, "<｜end▁of▁sentence｜>": true, "<|end_of_text|>": true,
}

// Options of an encoding.
type Options struct {
	// AddSpecial adds the tokens that the file says begin and end a text.
	AddSpecial bool
	// ParseSpecial recognises control tokens written in the text. Text that
	// comes from outside should not have them recognised.
	ParseSpecial bool
}

// Encode appends the tokens of text to dst. Bytes that are not UTF-8 are
// encoded as they are where the vocabulary has bytes.
func (t *Tokenizer) Encode(dst []int32, text string, o Options) []int32 {
	if o.AddSpecial && t.addBOS && t.bos >= 0 {
		dst = append(dst, t.bos)
	}
	afterSpecial := true
	for text != "" {
		at, id := t.nextSpecial(text, o.ParseSpecial)
		if at > 0 {
			dst = t.model.encode(dst, t.prefixed(text[:at], afterSpecial))
		}
		if id < 0 {
			break
		}
		dst = append(dst, id)
		afterSpecial = true
		text = text[at+len(t.tokens[id]):]
	}
	if o.AddSpecial && t.addEOS && t.eos >= 0 {
		dst = append(dst, t.eos)
	}
	return dst
}

// prefixed adds the space that SPM texts begin with.
func (t *Tokenizer) prefixed(text string, begins bool) string {
	if t.addSpacePrefix && begins {
		return " " + text
	}
	return text
}

// nextSpecial finds the first special token of a text, the longest at its
// place. Without one it returns the text's length and -1.
func (t *Tokenizer) nextSpecial(text string, control bool) (at int, id int32) {
	for at := range len(text) {
		for _, id := range t.special[text[at]] {
			if (control || t.kinds[id] == UserDefined) && strings.HasPrefix(text[at:], t.tokens[id]) {
				return at, id
			}
		}
	}
	return len(text), -1
}

// Len is the size of the vocabulary.
func (t *Tokenizer) Len() int { return len(t.tokens) }

// Token returns what a token stands for, and its kind.
func (t *Tokenizer) Token(id int32) (string, Kind) { return t.tokens[id], t.kinds[id] }

// Lookup returns the token of exactly this text, control tokens included.
func (t *Tokenizer) Lookup(text string) (int32, bool) {
	if id, ok := t.ids[text]; ok {
		return id, true
	}
	if text != "" {
		for _, id := range t.special[text[0]] {
			if t.tokens[id] == text {
				return id, true
			}
		}
	}
	return 0, false
}

// BOS is the token that begins a text, if there is one.
func (t *Tokenizer) BOS() (int32, bool) { return t.bos, t.bos >= 0 }

// EOS is the token that ends a text, if there is one.
func (t *Tokenizer) EOS() (int32, bool) { return t.eos, t.eos >= 0 }

// IsEnd says whether a token ends an answer.
func (t *Tokenizer) IsEnd(id int32) bool { return t.endOfGeneration[id] }

// Describe names the kind of vocabulary and its size.
func (t *Tokenizer) Describe() string { return fmt.Sprintf("%s, %d tokens", t.name, len(t.tokens)) }

// piece is the bytes that a token adds to a text; control tokens add none.
func (t *Tokenizer) piece(id int32) string {
	if id < 0 || int(id) >= len(t.tokens) {
		return ""
	}
	switch t.kinds[id] {
	case Control, Unknown, Unused:
		return ""
	case Normal, UserDefined, Byte:
	}
	return t.tokens[id]
}

// Decode returns the text of tokens. Control tokens are left out, and the
// space that an SPM text begins with.
func (t *Tokenizer) Decode(ids []int32) string {
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(t.piece(id))
	}
	if t.addSpacePrefix {
		return strings.TrimPrefix(b.String(), " ")
	}
	return b.String()
}
