// Package jinja renders the templates in which models describe the format of
// their conversations: the language of Jinja 2 as Hugging Face configures it
// (trim_blocks, lstrip_blocks, loop controls, an immutable sandbox). Templates
// come with files from anywhere, so that the engine has no files, no network,
// no reflection, and bounds on steps, depth, memory and output
// (docs/format/chat-templates.md).
package jinja

import (
	"fmt"
	"strings"
)

// Limits bound a template. A zero field takes its default.
type Limits struct {
	Source int // bytes of the template; default 1 MiB
	Steps  int // statements and expressions evaluated; default 4 million
	Memory int // bytes of all values made; default 64 MiB
	Depth  int // nesting of the source and of calls; default 100
}

func (l Limits) withDefaults() Limits {
	set := func(v *int, fallback int) {
		if *v <= 0 {
			*v = fallback
		}
	}
	set(&l.Source, 1<<20)
	set(&l.Steps, 4_000_000)
	set(&l.Memory, 64<<20)
	set(&l.Depth, 100)
	return l
}

// SyntaxError says where a template is not one.
type SyntaxError struct {
	Line int
	What string
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("chat template, line %d: %s", e.Line, e.What)
}

// LimitError says that a template asked for more than it may have.
type LimitError struct {
	What  string
	Limit int
}

// Error implements error.
func (e *LimitError) Error() string {
	return fmt.Sprintf("the chat template exceeds the limit of %d %s", e.Limit, e.What)
}

// RaisedError is what a template raised with raise_exception: it refuses the
// conversation.
type RaisedError struct{ Message string }

// Error implements error.
func (e *RaisedError) Error() string { return "the chat template refuses: " + e.Message }

// EvalError says that an expression has no value.
type EvalError struct{ What string }

// Error implements error.
func (e *EvalError) Error() string { return "chat template: " + e.What }

func fail(format string, args ...any) error { return &EvalError{What: fmt.Sprintf(format, args...)} }

// Template is a parsed template. It is immutable and safe for concurrent use.
type Template struct {
	body []node
	lim  Limits
}

// Parse reads a template. It returns a *SyntaxError or a *LimitError.
func Parse(source string, lim Limits) (*Template, error) {
	lim = lim.withDefaults()
	if len(source) > lim.Source {
		return nil, &LimitError{"bytes of source", lim.Source}
	}
	tokens, err := lex(source)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens, lim: lim}
	body, err := p.parse()
	if err != nil {
		return nil, err
	}
	return &Template{body: body, lim: lim}, nil
}

// Render renders the template with variables: nil, bool, int, int64, float64,
// string, []any, *Dict and map[string]any (whose keys are sorted). now formats
// strftime_now; nil makes it unknown.
func (t *Template) Render(vars map[string]any, now func(format string) string) (string, error) {
	r := &run{out: &strings.Builder{}, lim: t.lim, steps: t.lim.Steps, memory: t.lim.Memory}
	globals := newScope(nil)
	for name, v := range vars {
		value, err := r.toValue(v, 0)
		if err != nil {
			return "", err
		}
		globals.set(name, value)
	}
	builtins(globals, now)
	if _, err := r.block(t.body, newScope(globals)); err != nil {
		return "", err
	}
	return r.out.String(), nil
}
