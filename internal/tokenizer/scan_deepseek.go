package tokenizer

import "unicode"

// deepSeekCJK is [一-龥ࠀ-一가-퟿] of the first DeepSeek tokenizers.
func deepSeekCJK(r rune) bool { return r >= 0x800 && r <= 0x9fa5 || r >= 0xac00 && r <= 0xd7ff }

// deepSeek3CJK is [一-龥぀-ゟ゠-ヿ].
func deepSeek3CJK(r rune) bool { return r >= 0x4e00 && r <= 0x9fa5 || r >= 0x3040 && r <= 0x30ff }

// deepSeekMark is [!-/:-~！-／：-～‘-‟　-。] of DeepSeek LLM. It has the letters of
// ASCII too, which have been cut before.
func deepSeekMark(r rune) bool {
	switch {
	case r >= '!' && r <= '/', r >= ':' && r <= '~',
		r >= 0xff01 && r <= 0xff0f, r >= 0xff1a && r <= 0xff5e,
		r >= 0x2018 && r <= 0x201f, r >= 0x3000 && r <= 0x3002:
		return true
	}
	return false
}

func deepSeekLetter(r rune) bool { return unicode.Is(deepSeekLetters, r) }

// deepSeekLetters are the letters that the pattern of DeepSeek LLM spells out:
// most of those with case, of an older Unicode, without Armenian and Georgian
// small letters.
var deepSeekLetters = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x0041, 0x005a, 1},
		{0x0061, 0x007a, 1},
		{0x00b5, 0x00b5, 1},
		{0x00c0, 0x00d6, 1},
		{0x00d8, 0x00f6, 1},
		{0x00f8, 0x01ba, 1},
		{0x01bc, 0x01bf, 1},
		{0x01c4, 0x0293, 1},
		{0x0295, 0x02af, 1},
		{0x0370, 0x0373, 1},
		{0x0376, 0x0377, 1},
		{0x037b, 0x037d, 1},
		{0x037f, 0x037f, 1},
		{0x0386, 0x0386, 1},
		{0x0388, 0x038a, 1},
		{0x038c, 0x038c, 1},
		{0x038e, 0x03a1, 1},
		{0x03a3, 0x03f5, 1},
		{0x03f7, 0x0481, 1},
		{0x048a, 0x052f, 1},
		{0x0531, 0x0556, 1},
		{0x10a0, 0x10c5, 1},
		{0x13a0, 0x13f5, 1},
		{0x13f8, 0x13fd, 1},
		{0x1c90, 0x1cba, 1},
		{0x1cbd, 0x1cbf, 1},
		{0x1d00, 0x1d2b, 1},
		{0x1d6b, 0x1d77, 1},
		{0x1d79, 0x1d9a, 1},
		{0x1e00, 0x1f15, 1},
		{0x1f18, 0x1f1d, 1},
		{0x1f20, 0x1f45, 1},
		{0x1f48, 0x1f4d, 1},
		{0x1f50, 0x1f57, 1},
		{0x1f59, 0x1f59, 1},
		{0x1f5b, 0x1f5b, 1},
		{0x1f5d, 0x1f5d, 1},
		{0x1f5f, 0x1f7d, 1},
		{0x1f80, 0x1fb4, 1},
		{0x1fb6, 0x1fbc, 1},
		{0x1fbe, 0x1fbe, 1},
		{0x1fc2, 0x1fc4, 1},
		{0x1fc6, 0x1fcc, 1},
		{0x1fd0, 0x1fd3, 1},
		{0x1fd6, 0x1fdb, 1},
		{0x1fe0, 0x1fec, 1},
		{0x1ff2, 0x1ff4, 1},
		{0x1ff6, 0x1ffc, 1},
		{0x2102, 0x2102, 1},
		{0x2107, 0x2107, 1},
		{0x210a, 0x2113, 1},
		{0x2115, 0x2115, 1},
		{0x2119, 0x211d, 1},
		{0x2124, 0x2124, 1},
		{0x2126, 0x2126, 1},
		{0x2128, 0x2128, 1},
		{0x212a, 0x212d, 1},
		{0x212f, 0x2134, 1},
		{0x2139, 0x2139, 1},
		{0x213c, 0x213f, 1},
		{0x2145, 0x2149, 1},
		{0x214e, 0x214e, 1},
		{0x2183, 0x2184, 1},
		{0x2c00, 0x2c7b, 1},
		{0x2c7e, 0x2ce4, 1},
		{0x2ceb, 0x2cee, 1},
		{0x2cf2, 0x2cf3, 1},
		{0xa640, 0xa66d, 1},
		{0xa680, 0xa69b, 1},
		{0xa722, 0xa76f, 1},
		{0xa771, 0xa787, 1},
		{0xa78b, 0xa78e, 1},
		{0xab70, 0xabbf, 1},
		{0xfb00, 0xfb06, 1},
		{0xfb13, 0xfb17, 1},
		{0xff21, 0xff3a, 1},
		{0xff41, 0xff5a, 1},
	},
	R32: []unicode.Range32{
		{0x10400, 0x1044f, 1},
		{0x104b0, 0x104d3, 1},
		{0x104d8, 0x104fb, 1},
		{0x10c80, 0x10cb2, 1},
		{0x10cc0, 0x10cf2, 1},
		{0x118a0, 0x118df, 1},
		{0x1e900, 0x1e943, 1},
	},
	LatinOffset: 5,
}

// matchDeepSeek3 matches
//
//	[!-/:-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|
//	 ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//
// where [!-/:-~] are the marks of ASCII only.
func matchDeepSeek3(s string) (int, bool) {
	if n := markedWord(s); n > 0 {
		return n, true
	}
	if n := deepSeek3Word(s); n > 0 {
		return n, true
	}
	if n := spaceAnd(s, markOrSymbol); n > 0 {
		return n + run(s[n:], 0, newline), true
	}
	return found(s, lineSpaces(s))
}

func markOrSymbol(r rune) bool { return unicode.IsPunct(r) || unicode.IsSymbol(r) }

func asciiLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

// markedWord is the length of a mark and letters, of ASCII.
func markedWord(s string) int {
	if s[0] >= 0x80 || !markOrSymbol(rune(s[0])) {
		return 0
	}
	if n := run(s[1:], 0, asciiLetter); n > 0 {
		return 1 + n
	}
	return 0
}

// deepSeek3Word is the length of [^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+.
func deepSeek3Word(s string) int {
	r, size := decode(s)
	if !newline(r) && !unicode.IsLetter(r) && !markOrSymbol(r) {
		if n := run(s[size:], 0, letterOrMark); n > 0 {
			return size + n
		}
	}
	return run(s, 0, letterOrMark)
}
