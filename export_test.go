package lite

import "github.com/lite-llm/lite/internal/tokenizer"

// Tokenize encodes a text as Evaluate does.
func (m *Model) Tokenize(text string) []int32 {
	return m.text.tok.Encode(nil, text, tokenizer.Options{AddSpecial: true})
}
