package tokenizer

import (
	"fmt"
	"math"
)

// Source is the metadata of a file. A getter's ok is false when the key is
// absent; err says that the key holds something else. Slices are borrowed and
// not written to.
type Source interface {
	Uint(key string) (v uint64, ok bool, err error)
	Bool(key string) (v, ok bool, err error)
	String(key string) (v string, ok bool, err error)
	Strings(key string) (v []string, ok bool, err error)
	Floats(key string) (v []float32, ok bool, err error)
	Ints(key string) (v []int64, ok bool, err error)
}

// Limits of a vocabulary, checked before anything is built from it. The largest
// in use have some 300,000 tokens, of at most a few hundred bytes.
const (
	MaxTokens        = 1 << 21
	MaxMerges        = 1 << 22
	MaxTokenLength   = 1 << 16 // bytes
	MaxSpecialLength = 1 << 10 // bytes of a control or user-defined token
)

// FormatError says what in a vocabulary cannot be used.
type FormatError struct{ What string }

// Error implements error.
func (e *FormatError) Error() string { return "tokenizer: " + e.What }

func bad(format string, args ...any) error { return &FormatError{What: fmt.Sprintf(format, args...)} }

// keys reads a Source and keeps the first error.
type keys struct {
	src Source
	err error
}

func (k *keys) fail(err error) {
	if k.err == nil {
		k.err = err // which may be nil
	}
}

func (k *keys) string(key string) string {
	v, _, err := k.src.String(key)
	k.fail(err)
	return v
}

func (k *keys) strings(key string) []string {
	v, _, err := k.src.Strings(key)
	k.fail(err)
	return v
}

func (k *keys) boolOr(key string, fallback bool) bool {
	v, ok, err := k.src.Bool(key)
	k.fail(err)
	if !ok {
		return fallback
	}
	return v
}

// id is a token id, or fallback when the key is absent or names no token, as
// some converters write it; none when there is no such token at all.
func (k *keys) id(key string, fallback int32, n int) int32 {
	v, ok, err := k.src.Uint(key)
	k.fail(err)
	switch {
	case ok && v < uint64(n): //nolint:gosec // a length
		return int32(v) //nolint:gosec // below MaxTokens
	case int(fallback) < n:
		return fallback
	}
	return none
}

// tokens returns a copy of the texts of the vocabulary.
func (k *keys) tokens() []string {
	listed := k.strings("tokenizer.ggml.tokens")
	switch {
	case k.err != nil:
		return nil
	case len(listed) == 0:
		k.fail(bad("the file has no tokens (tokenizer.ggml.tokens)"))
		return nil
	case len(listed) > MaxTokens:
		k.fail(bad("%d tokens are more than the limit of %d", len(listed), MaxTokens))
		return nil
	}
	for i, text := range listed {
		if len(text) > MaxTokenLength {
			k.fail(bad("token %d is %d bytes long, more than the limit of %d", i, len(text), MaxTokenLength))
		}
	}
	return append([]string(nil), listed...)
}

// kinds returns the kinds of n tokens; all are Normal without the key.
func (k *keys) kinds(n int) []Kind {
	types, ok, err := k.src.Ints("tokenizer.ggml.token_type")
	k.fail(err)
	if ok && len(types) != n {
		k.fail(bad("%d token types (tokenizer.ggml.token_type) for %d tokens", len(types), n))
		return nil
	}
	kinds := make([]Kind, n)
	for i := range kinds {
		kinds[i] = Normal
		if ok && types[i] >= int64(Normal) && types[i] <= int64(Byte) {
			kinds[i] = Kind(types[i])
		}
	}
	return kinds
}

// scores returns the score of each of n tokens.
func (k *keys) scores(n int) []float32 {
	scores, _, err := k.src.Floats("tokenizer.ggml.scores")
	k.fail(err)
	if len(scores) != n {
		k.fail(bad("%d scores (tokenizer.ggml.scores) for %d tokens", len(scores), n))
		return nil
	}
	for i, s := range scores {
		if math.IsNaN(float64(s)) {
			k.fail(bad("the score of token %d is not a number", i))
		}
	}
	return scores
}
