package lite

import (
	"fmt"

	"github.com/lite-llm/lite/internal/chat"
	"github.com/lite-llm/lite/internal/tokenizer"
	"github.com/lite-llm/lite/internal/weights"
)

// text is what a model's file says about text: its vocabulary and the format
// of its conversations.
type text struct {
	tok      *tokenizer.Tokenizer
	longest  int             // bytes of a token
	template *chat.Formatter // nil when the model does not converse
}

func newText(src weights.Source, vocab int) (*text, error) {
	tok, err := tokenizer.New(src)
	if err != nil {
		return nil, err
	}
	if tok.Len() > vocab {
		return nil, fmt.Errorf("%d tokens do not fit the model's vocabulary of %d", tok.Len(), vocab)
	}
	t := &text{tok: tok, longest: 1}
	for id := range tok.Len() {
		piece, _ := tok.Token(int32(id))
		t.longest = max(t.longest, len(piece))
	}
	source, ok, err := src.String("tokenizer.chat_template")
	if err != nil || !ok {
		return t, err
	}
	special := func(id int32, ok bool) string {
		if !ok {
			return ""
		}
		s, _ := tok.Token(id)
		return s
	}
	t.template, err = chat.New(source, chat.Tokens{BOS: special(tok.BOS()), EOS: special(tok.EOS())})
	return t, err
}

// fits returns a *ContextError for a request that is longer than a context of
// the longest tokens: to encode it would take memory that nobody has planned.
func (t *text) fits(r *Request, positions int) error {
	n := len(r.Prompt)
	for _, m := range r.Messages {
		n += len(m.Content)
	}
	if least := max(len(r.Tokens), n/t.longest); least > positions {
		return &ContextError{Need: least, Have: positions}
	}
	return nil
}

// prompt returns the tokens of a request.
func (t *text) prompt(r *Request) ([]int32, error) {
	switch {
	case r.Tokens != nil:
		return append([]int32(nil), r.Tokens...), nil
	case r.Messages == nil:
		return t.tok.Encode(nil, r.Prompt, tokenizer.Options{AddSpecial: true}), nil
	case t.template == nil:
		return nil, ErrNoTemplate
	}
	messages := make([]chat.Message, len(r.Messages))
	for i, m := range r.Messages {
		messages[i] = chat.Message(m)
	}
	s, err := t.template.Format(messages, chat.Options{AddGenerationPrompt: true})
	if err != nil {
		return nil, err
	}
	ids := t.tok.Encode(nil, s, tokenizer.Options{ParseSpecial: true, AddSpecial: true})
	// A template that writes the token at the beginning, and a file that wants
	// it added, mean one and the same.
	if bos, ok := t.tok.BOS(); ok && len(ids) > 1 && ids[0] == bos && ids[1] == bos {
		ids = ids[1:]
	}
	return ids, nil
}
