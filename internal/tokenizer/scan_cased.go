package tokenizer

import "unicode"

// cased matches the patterns that come from o200k, where a word begins anew at
// an upper-case letter after a lower-case one. With U for
// [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}], W for [\p{Ll}\p{Lm}\p{Lo}\p{M}] and C for
// (?i:'s|'t|'re|'ve|'m|'ll|'d), which only some have:
//
//	[^\r\n\p{L}\p{N}]?U*W+C?|[^\r\n\p{L}\p{N}]?U+W*C?|
//	\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
type cased struct {
	digits       int
	contractions bool
}

func (c cased) match(s string) (int, bool) {
	if n := c.word(s); n > 0 {
		return n, true
	}
	if n := run(s, c.digits, unicode.IsNumber); n > 0 {
		return n, true
	}
	if n := spaceAnd(s, symbolRune); n > 0 {
		return n + run(s[n:], 0, func(r rune) bool { return newline(r) || r == '/' }), true
	}
	return found(s, lineSpaces(s))
}

// word is the length of one of the first two alternatives, each with the lead
// before it is tried without.
func (c cased) word(s string) int {
	lead := 0
	if r, size := decode(s); !newline(r) && !unicode.IsLetter(r) && !unicode.IsNumber(r) {
		lead = size
	}
	for _, form := range [...]func(string) int{upperLower, upperOnly} {
		for _, from := range [...]int{lead, 0} {
			if n := form(s[from:]); n > 0 {
				n += from
				if c.contractions {
					n += contraction(s[n:], true)
				}
				return n
			}
			if lead == 0 {
				break
			}
		}
	}
	return 0
}

// upperLower is the length of U*W+. U and W have letters without case and marks
// in common: when no W follows the run of U, the last common one in the run is
// the W.
func upperLower(s string) int {
	at, common := 0, 0
	for at < len(s) {
		r, size := decode(s[at:])
		if !upper(r) {
			break
		}
		at += size
		if lower(r) {
			common = at
		}
	}
	if n := run(s[at:], 0, lower); n > 0 {
		return at + n
	}
	return common
}

// upperOnly is the length of U+W*, where upperLower has found nothing: no W
// follows.
func upperOnly(s string) int { return run(s, 0, upper) }

func upper(r rune) bool { return letterOrMark(r) && !unicode.Is(unicode.Ll, r) }

func lower(r rune) bool { return letterOrMark(r) && !unicode.In(r, unicode.Lu, unicode.Lt) }
