package tokenizer

import (
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A matcher returns the length of its match at the start of s, 0 when there is
// none. Matchers are written by hand: the patterns need look-ahead, which RE2
// has not, and text comes from outside, so that nothing may backtrack.
type matcher func(s string) int

// preTokenizer cuts text into the pieces within which BPE merges. Stages are
// applied one after another to what the stage before has cut, matches and the
// text between them alike, as llama.cpp does (src/unicode.cpp).
type preTokenizer struct {
	stages []matcher
	whole  bool // a piece that is a token is not merged from parts
}

var (
	gpt2     = preTokenizer{stages: []matcher{matchGPT2}}
	digits   = preTokenizer{stages: []matcher{matchDigit, matchGPT2}}
	llama3   = preTokenizer{stages: []matcher{matchLlama3(3)}, whole: true}
	qwen2    = preTokenizer{stages: []matcher{matchLlama3(1)}}
	deepseek = preTokenizer{stages: []matcher{matchNewline, matchClass(true, casedLetter), matchClass(true, deepseekMark), matchTrailingSpace, matchClass(false, cjk), matchClass(false, unicode.IsNumber)}}
	coder    = preTokenizer{stages: []matcher{matchNewline, matchClass(true, unicode.IsLetter), matchClass(true, unicode.IsPunct), matchClass(false, cjk), matchDigit}}
	v3       = preTokenizer{stages: []matcher{matchNumbers(3), matchClass(false, cjkKana), matchDeepSeekV3}}
)

// preTokens are the pre-tokenizers by tokenizer.ggml.pre.
var preTokens = map[string]preTokenizer{
	"gpt-2": gpt2, "olmo": gpt2, "phi-2": gpt2, "mpt": gpt2, "jina-en": gpt2, "roberta-bpe": gpt2, "dbrx": llama3,
	"smollm": digits, "starcoder": digits, "refact": digits, "command-r": digits, "codeshell": digits,
	"llama3": llama3, "llama-v3": llama3, "llama-bpe": llama3, "smaug-bpe": llama3,
	"qwen2": qwen2, "deepseek-r1-qwen": qwen2, "stablelm2": qwen2,
	"deepseek-llm": deepseek, "deepseek-coder": coder, "deepseek-v3": v3,
}

func preTokenizers() []string { return slices.Sorted(maps.Keys(preTokens)) }

// split emits the pieces of text in order.
func split(text string, stages []matcher, emit func(piece string)) {
	if len(stages) == 0 {
		if text != "" {
			emit(text)
		}
		return
	}
	match, rest := stages[0], stages[1:]
	from := 0
	for at := 0; at < len(text); {
		n := match(text[at:])
		if n == 0 {
			_, size := utf8.DecodeRuneInString(text[at:])
			at += size
			continue
		}
		split(text[from:at], rest, emit)
		split(text[at:at+n], rest, emit)
		at += n
		from = at
	}
	split(text[from:], rest, emit)
}

// run is the length of the leading runes of s that accept takes, at most limit
// of them (0: no limit).
func run(s string, limit int, accept func(r rune) bool) int {
	at := 0
	for n := 0; at < len(s) && (limit == 0 || n < limit); n++ {
		r, size := decode(s[at:])
		if !accept(r) {
			break
		}
		at += size
	}
	return at
}

// decode is the first rune of s. A byte that is not UTF-8 is a rune of no
// class.
func decode(s string) (rune, int) {
	r, size := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && size <= 1 {
		return -1, size
	}
	return r, size
}

func other(r rune) bool {
	return !unicode.IsSpace(r) && !unicode.IsLetter(r) && !unicode.IsNumber(r)
}

func newline(r rune) bool { return r == '\r' || r == '\n' }

// contraction is 's, 't, 're, 've, 'm, 'll or 'd, of any case if fold.
func contraction(s string, fold bool) int {
	if s == "" || s[0] != '\'' {
		return 0
	}
	for _, c := range [...]string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"} {
		if len(s) >= len(c) && (s[:len(c)] == c || fold && strings.EqualFold(s[:len(c)], c)) {
			return len(c)
		}
	}
	return 0
}

// optionalSpace matches " ?X+" for a class X.
func optionalSpace(s string, class func(r rune) bool) int {
	lead := 0
	if strings.HasPrefix(s, " ") {
		lead = 1
	}
	if n := run(s[lead:], 0, class); n > 0 {
		return lead + n
	}
	return 0
}

// spaces matches \s+(?!\S): spaces up to the end, or all but the last one
// before something else.
func spaces(s string) int {
	n := run(s, 0, unicode.IsSpace)
	if n == 0 || n == len(s) {
		return n
	}
	_, last := utf8.DecodeLastRuneInString(s[:n])
	return n - last
}

// matchGPT2 is 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)
func matchGPT2(s string) int {
	if n := contraction(s, false); n > 0 {
		return n
	}
	for _, class := range [...]func(rune) bool{unicode.IsLetter, unicode.IsNumber, other} {
		if n := optionalSpace(s, class); n > 0 {
			return n
		}
	}
	return spaces(s)
}

// matchLlama3 is (?i:'s|…)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,n}|
// ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
func matchLlama3(n int) matcher {
	return func(s string) int {
		if k := contraction(s, true); k > 0 {
			return k
		}
		lead := 0
		if r, size := decode(s); !newline(r) && !unicode.IsLetter(r) && !unicode.IsNumber(r) {
			lead = size
		}
		if k := run(s[lead:], 0, unicode.IsLetter); k > 0 {
			return lead + k
		}
		if k := run(s, n, unicode.IsNumber); k > 0 {
			return k
		}
		if k := optionalSpace(s, other); k > 0 {
			return k + run(s[k:], 0, newline)
		}
		return lineSpaces(s)
	}
}

// lineSpaces is \s*[\r\n]+|\s+(?!\S)|\s+
func lineSpaces(s string) int {
	n := run(s, 0, unicode.IsSpace)
	if last := strings.LastIndexAny(s[:n], "\r\n"); last >= 0 {
		return last + 1
	}
	if k := spaces(s); k > 0 {
		return k
	}
	return n
}

// matchDeepSeekV3 is [!-/:-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|
// ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
func matchDeepSeekV3(s string) int {
	r, size := decode(s)
	if r >= '!' && r <= '~' && (unicode.IsPunct(r) || unicode.IsSymbol(r)) {
		ascii := func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }
		if k := run(s[size:], 0, ascii); k > 0 {
			return size + k
		}
	}
	mark := func(r rune) bool { return unicode.IsPunct(r) || unicode.IsSymbol(r) }
	letter := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsMark(r) }
	lead := 0
	if !newline(r) && !unicode.IsLetter(r) && !mark(r) {
		lead = size
	}
	if k := run(s[lead:], 0, letter); k > 0 {
		return lead + k
	}
	if k := run(s, 0, letter); k > 0 {
		return k
	}
	if k := optionalSpace(s, mark); k > 0 {
		return k + run(s[k:], 0, newline)
	}
	return lineSpaces(s)
}

func matchDigit(s string) int { return run(s, 1, unicode.IsNumber) }

func matchNumbers(n int) matcher {
	return func(s string) int { return run(s, n, unicode.IsNumber) }
}

func matchNewline(s string) int { return run(s, 1, newline) }

// matchTrailingSpace is \s+$
func matchTrailingSpace(s string) int {
	if n := run(s, 0, unicode.IsSpace); n == len(s) {
		return n
	}
	return 0
}

// matchClass is X+, or \s?X+.
func matchClass(space bool, class func(r rune) bool) matcher {
	return func(s string) int {
		lead := 0
		if r, size := decode(s); space && unicode.IsSpace(r) {
			lead = size
		}
		if n := run(s[lead:], 0, class); n > 0 {
			return lead + n
		}
		return 0
	}
}

// cjk is [一-龥ࠀ-一가-퟿], the classes of DeepSeek's first tokenizers.
func cjk(r rune) bool { return r >= 0x800 && r <= 0x9fa5 || r >= 0xac00 && r <= 0xd7ff }

// cjkKana is [一-龥぀-ゟ゠-ヿ].
func cjkKana(r rune) bool { return r >= 0x4e00 && r <= 0x9fa5 || r >= 0x3040 && r <= 0x30ff }

// casedLetter is the list of cased letters that DeepSeek LLM's pattern spells
// out: upper, lower and title case.
func casedLetter(r rune) bool { return unicode.In(r, unicode.Lu, unicode.Ll, unicode.Lt) }

// deepseekMark is [!-/:-~！-／：-～‘-‟　-。], the marks of DeepSeek LLM's pattern.
func deepseekMark(r rune) bool {
	return r >= '!' && r <= '/' || r >= ':' && r <= '~' || r >= 0xff01 && r <= 0xff0f || r >= 0xff1a && r <= 0xff5e ||
		r >= 0x2018 && r <= 0x201f || r >= 0x3000 && r <= 0x3002
}
