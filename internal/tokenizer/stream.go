package tokenizer

import "unicode/utf8"

// Stream decodes tokens one by one and never cuts a character: bytes are held
// back until they are a whole rune, or can no longer become one. What it
// returns, put together, is the text of all tokens (TextOptions.Continues) with
// U+FFFD for each byte that is not UTF-8.
type Stream struct {
	t    *Tokenizer
	held []byte // at most three bytes between calls
}

// Stream returns a decoder of tokens that continue a text.
func (t *Tokenizer) Stream() *Stream { return &Stream{t: t} }

// Push returns the text that a token completes.
func (s *Stream) Push(id int32) string {
	s.held = append(s.held, s.t.piece(id, false)...)
	var text []byte
	rest := s.held
	for len(rest) > 0 && utf8.FullRune(rest) {
		r, n := utf8.DecodeRune(rest)
		text = utf8.AppendRune(text, r)
		rest = rest[n:]
	}
	s.held = s.held[:copy(s.held, rest)]
	return string(text)
}

// Flush returns what is held back, at the end of an answer.
func (s *Stream) Flush() string {
	text := string([]rune(string(s.held)))
	s.held = s.held[:0]
	return text
}
