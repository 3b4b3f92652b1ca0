package tokenizer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A matcher looks for its pattern at the start of s, which is not empty. It
// returns the length of the match and true, or how many bytes to go on by and
// false. Patterns are matched by hand: they need look-ahead, which RE2 does not
// have, and texts come from outside, so that nothing may backtrack. A matcher
// reads what it returns and a little more, or what the next calls skip.
type matcher func(s string) (n int, ok bool)

// preTokenizer cuts text into the pieces within which BPE merges. Stages are
// applied one after another to what the stage before has cut, matches and the
// text between them alike.
type preTokenizer struct {
	stages       []matcher
	ignoreMerges bool // a piece that is a token is one, whatever the merges say
	addBOS       bool // texts begin with BOS unless the file says otherwise
}

// PreTokenizerError is returned for a tokenizer.ggml.pre that is not known. To
// guess another one would cut words where the model has not seen them cut.
type PreTokenizerError struct{ Name string }

// Error implements error.
func (e *PreTokenizerError) Error() string {
	return fmt.Sprintf("tokenizer: pre-tokenizer %q (tokenizer.ggml.pre) is not supported (supported: %s)",
		e.Name, strings.Join(PreTokenizers(), ", "))
}

// The pre-tokenizers, by the family that brought them.
var (
	byGPT2   = preTokenizer{stages: []matcher{matchGPT2}}
	byDigits = preTokenizer{stages: []matcher{digits(1), matchGPT2}}
	byFalcon = preTokenizer{stages: []matcher{class(falconMark), matchGPT2, matchThreeASCIIDigits}}
	// byDefault is what llama.cpp does with a file that names none.
	byDefault = preTokenizer{stages: []matcher{class(defaultMark), matchGPT2, digits(0), matchThreeASCIIDigits}}
	byLlama3  = preTokenizer{stages: []matcher{words{digits: 3, tail: newline}.match}}
	byQwen2   = preTokenizer{stages: []matcher{words{digits: 1, tail: newline}.match}}
	byQwen35  = preTokenizer{stages: []matcher{words{digits: 1, tail: newline, marks: true}.match}}
	bySeed    = preTokenizer{stages: []matcher{words{digits: 1, symbol: inlineSymbol}.match}}
	byGPT4o   = preTokenizer{stages: []matcher{cased{digits: 3, contractions: true}.match}}
	byTekken  = preTokenizer{stages: []matcher{cased{digits: 1}.match}, ignoreMerges: true, addBOS: true}

	byDeepSeek = preTokenizer{stages: []matcher{
		matchNewline, spaceAndClass(deepSeekLetter), spaceAndClass(deepSeekMark), matchTrailingSpace, class(deepSeekCJK), digits(0),
	}}
	byDeepSeekCoder = preTokenizer{stages: []matcher{
		matchNewline, spaceAndClass(isLetter), spaceAndClass(isPunct), class(deepSeekCJK), digits(1),
	}}
	byDeepSeek3 = preTokenizer{stages: []matcher{digits(3), class(deepSeek3CJK), matchDeepSeek3}}

	// byLlama3BOS is Llama 3's own.
	byLlama3BOS = preTokenizer{stages: byLlama3.stages, ignoreMerges: true, addBOS: true}
)

// preTokenizers maps the names of tokenizer.ggml.pre, which are llama.cpp's.
var preTokenizers = map[string]preTokenizer{
	"default": byDefault,

	"gpt-2": byGPT2, "phi-2": byGPT2, "mpt": byGPT2, "olmo": byGPT2, "jais": byGPT2, "trillion": byGPT2,
	"granite-docling": byGPT2, "gigachat": byGPT2, "a.x-4.0": byGPT2, "mellum": byGPT2, "exaone4": byGPT2,

	"starcoder": byDigits, "refact": byDigits, "command-r": byDigits, "smollm": byDigits, "codeshell": byDigits,
	"exaone": byDigits, "minerva-7b": byDigits, "mellum2": byDigits,

	"falcon": byFalcon,

	"llama-bpe": byLlama3BOS, "llama3": byLlama3BOS, "llama-v3": byLlama3BOS, "falcon3": byLlama3BOS,
	"falcon-h1": byLlama3BOS, "pixtral": byLlama3BOS, "midm-2.0": byLlama3BOS, "lfm2": byLlama3BOS,
	"dbrx": byLlama3, "smaug-bpe": byLlama3, "glm4": byLlama3, "chatglm-bpe": byLlama3,

	"qwen2": byQwen2, "deepseek-r1-qwen": byQwen2, "kormo": byQwen2, "megrez": byQwen2, "stablelm2": byQwen2,
	"hunyuan": byQwen2, "solar-open": byQwen2, "grok-2": byQwen2, "bailingmoe": byQwen2, "bailingmoe2": byQwen2,
	"llada-moe": byQwen2,
	"qwen35":    byQwen35, "seed-coder": bySeed,

	"gpt-4o": byGPT4o, "llama4": byGPT4o, "kanana2": byGPT4o, "minimax-m2": byGPT4o, "tekken": byTekken,

	"deepseek-llm": byDeepSeek, "deepseek-coder": byDeepSeekCoder,
	"deepseek-v3": byDeepSeek3, "hunyuan-dense": byDeepSeek3, "joyai-llm": byDeepSeek3,
}

// PreTokenizers lists the names that tokenizer.ggml.pre may have, sorted.
func PreTokenizers() []string { return slices.Sorted(maps.Keys(preTokenizers)) }

// preTokenizerOf returns the pre-tokenizer of that name, the default one for a
// file that has none, and its name.
func preTokenizerOf(name string) (string, preTokenizer, error) {
	if name == "" {
		name = "default"
	}
	p, ok := preTokenizers[name]
	if !ok {
		return name, p, &PreTokenizerError{Name: name}
	}
	return name, p, nil
}

// split emits the pieces of text in order. Put together they are the text.
func (p preTokenizer) split(text string, emit func(piece string)) { cut(text, p.stages, emit) }

func cut(text string, stages []matcher, emit func(piece string)) {
	if text == "" {
		return
	}
	if len(stages) == 0 {
		emit(text)
		return
	}
	match, rest := stages[0], stages[1:]
	from, at := 0, 0
	for at < len(text) {
		n, ok := match(text[at:])
		if ok {
			cut(text[from:at], rest, emit)
			cut(text[at:at+n], rest, emit)
			from = at + n
		}
		at += n
	}
	cut(text[from:], rest, emit)
}
