// Package tokenizer turns text into a model's tokens and back: SentencePiece
// (SPM) and byte-level BPE vocabularies as GGUF files hold them. It stands at
// both ends of the token's road, between chat and the engine, and between the
// sampler and whoever reads the answer.
//
// A text goes through three steps. Special tokens that stand in it literally
// are parted from it (special.go); BPE cuts the rest into pieces with the
// pre-tokenizer that the file names (pretokenize.go, scan*.go); within a piece,
// neighbours are merged in the order of the vocabulary (merge.go, bpe.go,
// spm.go). Every step is linear in the text up to the logarithm of a heap, for
// texts of one letter too, because texts come from outside.
package tokenizer

import "fmt"

// Kind is what a token is, numbered as in GGUF (tokenizer.ggml.token_type).
type Kind uint8

// The kinds. A number that is none of them is read as Normal.
const (
	Normal      Kind = 1 // text
	Unknown     Kind = 2 // stands for what the vocabulary cannot express
	Control     Kind = 3 // steers the model and is no text: <|im_end|>
	UserDefined Kind = 4 // text that is one token wherever it stands
	Unused      Kind = 5 // never comes from text
	Byte        Kind = 6 // one byte: <0x0A>
)

// none is the id of a token that a vocabulary does not have.
const none int32 = -1

// Tokenizer encodes and decodes. It is safe for concurrent use.
type Tokenizer struct {
	name   string
	tokens []string // the bytes they stand for; of control tokens, the name
	kinds  []Kind
	model  encoder

	special        *trie
	marks          marks
	addBOS, addEOS bool
	addSpacePrefix bool // SPM: a text begins with a space that is not shown
}

// encoder knows the tokens that stand for text.
type encoder interface {
	// encode appends the tokens of a text without special tokens.
	encode(dst []int32, text string) []int32
	// lookup returns the token that stands for these bytes.
	lookup(text string) (id int32, ok bool)
}

// New builds the tokenizer that src describes. It returns a *FormatError when
// the vocabulary is of an unknown kind or inconsistent, a *PreTokenizerError
// when the pre-tokenizer is not known, and the errors of src.
//
// Of two tokens with the same text the first one counts when encoding; both
// decode. Merges may have parts and results that are no tokens: they take part
// in merging, and a result that is still there at the end is written in bytes.
func New(src Source) (*Tokenizer, error) {
	k := &keys{src: src}
	kind := k.string("tokenizer.ggml.model")
	t := &Tokenizer{tokens: k.tokens()}
	t.kinds = k.kinds(len(t.tokens))
	if k.err != nil {
		return nil, k.err
	}
	t.marks = k.marks(t.tokens, t.kinds, kind)
	switch kind {
	case "llama":
		t.buildSPM(k)
	case "gpt2":
		t.buildBPE(k)
	default:
		k.fail(bad("tokenizer.ggml.model %q is not supported (supported: gpt2, llama)", kind))
	}
	t.addBOS = k.boolOr("tokenizer.ggml.add_bos_token", t.addBOS)
	t.addEOS = k.boolOr("tokenizer.ggml.add_eos_token", false)
	t.special = k.trie(t.tokens, t.kinds)
	if k.err != nil {
		return nil, k.err
	}
	return t, nil
}

// Len is the size of the vocabulary.
func (t *Tokenizer) Len() int { return len(t.tokens) }

// Token returns the bytes that a token stands for (a control token's name) and
// its kind, or "" and Unused for an id that is not in the vocabulary.
func (t *Tokenizer) Token(id int32) (text string, kind Kind) {
	if id < 0 || int(id) >= len(t.tokens) {
		return "", Unused
	}
	return t.tokens[id], t.kinds[id]
}

// Lookup is the inverse of Token: it returns the token that stands for exactly
// these bytes, or the special token of this name.
func (t *Tokenizer) Lookup(text string) (id int32, ok bool) {
	if id, ok := t.special.exactly(text); ok {
		return id, true
	}
	return t.model.lookup(text)
}

// BOS is the token that begins a text, if there is one.
func (t *Tokenizer) BOS() (id int32, ok bool) { return t.marks.bos, t.marks.bos != none }

// EOS is the token that ends a text, if there is one.
func (t *Tokenizer) EOS() (id int32, ok bool) { return t.marks.eos, t.marks.eos != none }

// EOT is the token that ends a turn of a conversation, if there is one.
func (t *Tokenizer) EOT() (id int32, ok bool) { return t.marks.eot, t.marks.eot != none }

// IsEnd says whether a token ends an answer: the end of a text, of a turn, or
// what else the families write there.
func (t *Tokenizer) IsEnd(id int32) bool { return t.marks.ends[id] }

// Describe names the kind of vocabulary and its size: "BPE (qwen2), 151936
// tokens".
func (t *Tokenizer) Describe() string { return fmt.Sprintf("%s, %d tokens", t.name, len(t.tokens)) }
