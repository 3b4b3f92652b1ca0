package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// Stream decodes tokens one by one and never cuts a character: bytes are held
// back until they are a whole rune, or can no longer become one. What it
// adds, put together, is the text of all tokens (TextOptions.Continues) with
// U+FFFD for each byte that is not UTF-8.
type Stream struct {
	t    *Tokenizer
	held []byte // at most three bytes between calls
}

// Stream returns a decoder of tokens that continue a text.
func (t *Tokenizer) Stream() *Stream { return &Stream{t: t} }

// Push adds the text that a token completes to dst.
func (s *Stream) Push(dst *strings.Builder, id int32) {
	s.held = append(s.held, s.t.piece(id, false)...)
	rest := s.held
	for len(rest) > 0 && utf8.FullRune(rest) {
		r, n := utf8.DecodeRune(rest)
		dst.WriteRune(r)
		rest = rest[n:]
	}
	s.held = s.held[:copy(s.held, rest)]
}

// Flush adds what is held back, at the end of an answer.
func (s *Stream) Flush(dst *strings.Builder) {
	for _, r := range string(s.held) { // U+FFFD for each byte of what is no rune
		dst.WriteRune(r)
	}
	s.held = s.held[:0]
}
