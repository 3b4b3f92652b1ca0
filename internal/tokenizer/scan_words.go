package tokenizer

import "unicode"

// matchGPT2 matches
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
func matchGPT2(s string) (int, bool) {
	if n := contraction(s, false); n > 0 {
		return n, true
	}
	for _, in := range [...]func(rune) bool{unicode.IsLetter, unicode.IsNumber, symbolRune} {
		if n := spaceAnd(s, in); n > 0 {
			return n, true
		}
	}
	return found(s, spaces(s))
}

// words matches the patterns that come from cl100k:
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?L+|\p{N}{1,digits}| ?S+T*|\s*[\r\n]+|\s+(?!\S)|\s+
type words struct {
	digits int
	marks  bool              // L is [\p{L}\p{M}] and S has no \p{M}, else L is \p{L}
	symbol func(r rune) bool // S, [^\s\p{L}\p{N}] by default
	tail   func(r rune) bool // T, nothing by default
}

func (w words) match(s string) (int, bool) {
	if n := contraction(s, true); n > 0 {
		return n, true
	}
	if n := w.word(s); n > 0 {
		return n, true
	}
	if n := run(s, w.digits, unicode.IsNumber); n > 0 {
		return n, true
	}
	if n := spaceAnd(s, w.isSymbol); n > 0 {
		if w.tail != nil {
			n += run(s[n:], 0, w.tail)
		}
		return n, true
	}
	return found(s, lineSpaces(s))
}

// word is the length of [^\r\n\p{L}\p{N}]?L+.
func (w words) word(s string) int {
	in := isLetter
	if w.marks {
		in = letterOrMark
	}
	r, size := decode(s)
	if newline(r) || unicode.IsNumber(r) {
		return 0
	}
	if !unicode.IsLetter(r) {
		if n := run(s[size:], 0, in); n > 0 {
			return size + n
		}
	}
	return run(s, 0, in)
}

func (w words) isSymbol(r rune) bool {
	if w.symbol != nil {
		return w.symbol(r)
	}
	return symbolRune(r) && (!w.marks || !isMark(r))
}

// inlineSymbol is [^\s\p{L}\p{N}\r\n].
func inlineSymbol(r rune) bool { return symbolRune(r) && !newline(r) }

// falconMark is [\p{P}\$\+<=>\^~\|`], and defaultMark the same without the
// grave accent.
func falconMark(r rune) bool { return r == '`' || defaultMark(r) }

func defaultMark(r rune) bool {
	switch r {
	case '$', '+', '<', '=', '>', '^', '~', '|':
		return true
	}
	return unicode.IsPunct(r)
}
