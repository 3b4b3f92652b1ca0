package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The parts that pre-tokenizers' patterns are made of. Classes are those of the
// unicode package; a byte that is not UTF-8 is a rune of none of them.

// decode returns the first rune of s and its bytes; -1 for a byte that is not
// UTF-8.
func decode(s string) (r rune, size int) {
	r, size = utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && size == 1 {
		return -1, size
	}
	return r, size
}

// run is the length of the leading runes of s that are in a class, at most
// limit of them (0: no limit).
func run(s string, limit int, in func(r rune) bool) int {
	at := 0
	for n := 0; at < len(s) && (limit == 0 || n < limit); n++ {
		r, size := decode(s[at:])
		if !in(r) {
			break
		}
		at += size
	}
	return at
}

// found makes a matcher's answer of the length of a match: without one, it goes
// on by a rune.
func found(s string, n int) (int, bool) {
	if n > 0 {
		return n, true
	}
	_, size := decode(s)
	return size, false
}

func isLetter(r rune) bool     { return unicode.IsLetter(r) }
func isPunct(r rune) bool      { return unicode.IsPunct(r) }
func isMark(r rune) bool       { return unicode.IsMark(r) }
func letterOrMark(r rune) bool { return unicode.IsLetter(r) || unicode.IsMark(r) }

// symbolRune is [^\s\p{L}\p{N}]: punctuation, marks, and what is unassigned.
func symbolRune(r rune) bool {
	return !unicode.IsSpace(r) && !unicode.IsLetter(r) && !unicode.IsNumber(r)
}

func newline(r rune) bool { return r == '\r' || r == '\n' }

// class matches X+.
func class(in func(r rune) bool) matcher {
	return func(s string) (int, bool) { return found(s, run(s, 0, in)) }
}

// spaceAndClass matches \s?X+. X may have spaces in it.
func spaceAndClass(in func(r rune) bool) matcher {
	return func(s string) (int, bool) {
		if r, size := decode(s); unicode.IsSpace(r) {
			if n := run(s[size:], 0, in); n > 0 {
				return size + n, true
			}
		}
		return found(s, run(s, 0, in))
	}
}

// digits matches \p{N}{1,n}, or \p{N}+ if n is 0.
func digits(n int) matcher {
	return func(s string) (int, bool) { return found(s, run(s, n, unicode.IsNumber)) }
}

// matchThreeASCIIDigits matches [0-9][0-9][0-9].
func matchThreeASCIIDigits(s string) (int, bool) {
	n := run(s, 3, func(r rune) bool { return r >= '0' && r <= '9' })
	if n < 3 {
		return max(n, 1), false // what is no digit may be cut anywhere
	}
	return n, true
}

// matchNewline matches [\r\n].
func matchNewline(s string) (int, bool) { return found(s, run(s, 1, newline)) }

// matchTrailingSpace matches \s+$. Spaces elsewhere are gone over together, or
// a long run of them would be read once for each.
func matchTrailingSpace(s string) (int, bool) {
	n := run(s, 0, unicode.IsSpace)
	if n == 0 {
		return found(s, 0)
	}
	return n, n == len(s)
}

// contraction is the length of 's, 't, 're, 've, 'm, 'll or 'd at the start of
// s. If fold, case does not matter, which gives s a third form: the long s.
func contraction(s string, fold bool) int {
	if len(s) < 2 || s[0] != '\'' {
		return 0
	}
	lower := func(i int) byte {
		if c := s[i]; fold && c >= 'A' && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return s[i]
	}
	if fold && strings.HasPrefix(s[1:], "\u017f") {
		return 3
	}
	switch lower(1) {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		if len(s) > 2 && lower(2) == 'e' {
			return 3
		}
	case 'l':
		if len(s) > 2 && lower(2) == 'l' {
			return 3
		}
	}
	return 0
}

// spaceAnd is the length of " ?X+" at the start of s.
func spaceAnd(s string, in func(r rune) bool) int {
	lead := 0
	if s[0] == ' ' {
		lead = 1
	}
	if n := run(s[lead:], 0, in); n > 0 {
		return lead + n
	}
	return 0
}

// spaces is the length of \s+(?!\S)|\s+ at the start of s: all spaces but the
// last one if something follows, which then may begin with it.
func spaces(s string) int {
	n := run(s, 0, unicode.IsSpace)
	if n == 0 || n == len(s) {
		return n
	}
	if _, last := utf8.DecodeLastRuneInString(s[:n]); last < n {
		return n - last
	}
	return n
}

// lineSpaces is the length of \s*[\r\n]+|\s+(?!\S)|\s+ at the start of s.
func lineSpaces(s string) int {
	n := run(s, 0, unicode.IsSpace)
	if last := strings.LastIndexAny(s[:n], "\r\n"); last >= 0 {
		return last + 1
	}
	return spaces(s)
}
