package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// Stream decodes tokens one by one and never cuts a character: bytes are held
// back until they are a whole rune, or can no longer become one.
type Stream struct {
	t    *Tokenizer
	held []byte
}

// Stream returns a decoder of tokens that continue a text.
func (t *Tokenizer) Stream() *Stream { return &Stream{t: t} }

// Push returns the text that a token completes. Bytes that are not UTF-8 come
// out as U+FFFD.
func (s *Stream) Push(id int32) string {
	s.held = append(s.held, s.t.piece(id)...)
	n := len(s.held)
	for tail := 1; tail < utf8.UTFMax && tail <= n; tail++ {
		if c := s.held[n-tail]; utf8.RuneStart(c) {
			if !utf8.FullRune(s.held[n-tail:]) {
				n -= tail
			}
			break
		}
	}
	text := strings.ToValidUTF8(string(s.held[:n]), "\uFFFD")
	s.held = s.held[:copy(s.held, s.held[n:])]
	return text
}

// Flush returns what is held back, at the end of an answer.
func (s *Stream) Flush() string {
	text := strings.ToValidUTF8(string(s.held), "\uFFFD")
	s.held = s.held[:0]
	return text
}
