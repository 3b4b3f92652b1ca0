package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"
)

// output is standard output. It remembers that a write failed, so that nobody
// who prints has to; and in a terminal it shows what a model or a file says
// without obeying it.
type output struct {
	w        io.Writer
	terminal bool
	err      error
}

func newOutput(w io.Writer) *output { return &output{w: w, terminal: isTerminal(w)} }

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	b := p
	if o.terminal && bytes.ContainsFunc(p, moves) {
		b = []byte(printable(string(p)))
	}
	if _, o.err = o.w.Write(b); o.err != nil {
		return 0, o.err
	}
	return len(p), nil
}

// failed says that a write to w failed.
func failed(w io.Writer) bool {
	o, ok := w.(*output)
	return ok && o.err != nil
}

// isTerminal says whether what is read or written is a terminal.
func isTerminal(stream any) bool {
	if o, ok := stream.(*output); ok {
		return o.terminal
	}
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// moves says that a terminal would do something else than show the character.
func moves(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }

// printable replaces every character that a terminal would obey.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if moves(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
