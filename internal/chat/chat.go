// Package chat turns conversations into the text that a model was trained on,
// through the chat template of its file. It stands on the token's road before
// the tokenizer.
package chat

import (
	"fmt"
	"maps"

	"github.com/lite-llm/lite/internal/chat/jinja"
)

// Message is one turn.
type Message struct{ Role, Content string }

// Tokens are the texts of special tokens that templates write.
type Tokens struct{ BOS, EOS string }

// Options of a conversation.
type Options struct {
	// AddGenerationPrompt begins the assistant's answer.
	AddGenerationPrompt bool
	// Vars are further variables of the template, such as "tools" or
	// "enable_thinking".
	Vars map[string]any
	// Now formats the current time for templates that write a date; nil makes
	// strftime_now unknown to them.
	Now func(format string) string
}

// Formatter formats the conversations of one model. It is safe for concurrent
// use.
type Formatter struct {
	template *jinja.Template
	tokens   Tokens
}

// New parses a chat template. The error names the line.
func New(template string, tokens Tokens) (*Formatter, error) {
	t, err := jinja.Parse(template, jinja.Limits{})
	if err != nil {
		return nil, err
	}
	return &Formatter{template: t, tokens: tokens}, nil
}

// Format returns the text of a conversation. It returns a *jinja.RaisedError
// when the template refuses the conversation.
func (f *Formatter) Format(messages []Message, o Options) (string, error) {
	list := make([]any, len(messages))
	for i, m := range messages {
		d := jinja.NewDict()
		d.Set("role", m.Role)
		d.Set("content", m.Content)
		list[i] = d
	}
	vars := map[string]any{
		"messages": list, "add_generation_prompt": o.AddGenerationPrompt,
		"bos_token": f.tokens.BOS, "eos_token": f.tokens.EOS, "tools": nil, "documents": nil,
	}
	maps.Copy(vars, o.Vars)
	text, err := f.template.Render(vars, o.Now)
	if err != nil {
		return "", fmt.Errorf("formatting the conversation: %w", err)
	}
	return text, nil
}
