package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/peterh/liner"
	"github.com/spf13/cobra"

	"github.com/lite-llm/lite"
)

const chatHelp = `/help             this
/set              show the settings; /set NAME VALUE changes one of
                  temp, top-k, top-p, min-p, repeat-penalty, seed, max-tokens, tier-set, system
/stats            measurements of the last answer
/clear            forget the conversation
/bye              leave (or Ctrl-D)
"""               begins and ends a message of several lines
Up, Down          what was typed before
Ctrl-C            stops an answer or drops a line; the conversation goes on`

// conversation is a chat in a terminal.
type conversation struct {
	f        *runFlags
	m        *lite.Model
	sampling lite.Sampling
	session  *lite.Session
	messages []lite.Message // without the system message
	last     *lite.Generation
	out      io.Writer
	line     *liner.State
	signals  chan os.Signal
}

// chat runs a conversation until its reader leaves.
func (f *runFlags) chat(cmd *cobra.Command, m *lite.Model, sampling lite.Sampling) error {
	c := &conversation{
		f: f, m: m, sampling: sampling, session: m.NewSession(), out: cmd.OutOrStdout(),
		line: liner.NewLiner(), signals: make(chan os.Signal, 1),
	}
	defer c.session.Close()
	defer func() { _ = c.line.Close() }()
	c.line.SetCtrlCAborts(true)
	c.line.SetMultiLineMode(true)
	signal.Notify(c.signals, os.Interrupt)
	defer signal.Stop(c.signals)
	defer c.restoreOnEnd()()
	c.greet()
	for {
		text, err := c.read()
		switch {
		case errors.Is(err, io.EOF):
			fmt.Fprintln(c.out)
			return nil
		case errors.Is(err, liner.ErrPromptAborted):
		case err != nil:
			return fmt.Errorf("reading a line: %w", err)
		case strings.TrimSpace(text) == "":
		case strings.HasPrefix(text, "/"):
			if c.command(strings.Fields(text)) {
				return nil
			}
		default:
			c.say(text)
		}
	}
}

// restoreOnEnd gives the terminal back as it was when the process is told to
// end. The function that it returns stops that.
func (c *conversation) restoreOnEnd() func() {
	end, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(end, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		select {
		case <-end:
			_ = c.line.Close()
			os.Exit(exitFailed)
		case <-done:
		}
	}()
	return func() {
		signal.Stop(end)
		close(done)
	}
}

func (c *conversation) greet() {
	info := c.m.Info()
	fmt.Fprintf(c.out, "%s (%s, %s parameters), seed %d. /help lists the commands.\n",
		oneLine(info.Name), info.Architecture, count(info.Params), c.sampling.Seed)
	if !c.m.HasChat() || c.f.raw {
		fmt.Fprintln(c.out, "It does not converse: it goes on from each text that you type.")
	}
}

// read reads a message: a line, or several between triple quotes.
func (c *conversation) read() (string, error) {
	const quotes = `"""`
	text, err := c.prompt("> ")
	if err != nil {
		return "", err
	}
	rest, several := strings.CutPrefix(strings.TrimSpace(text), quotes)
	if !several {
		return text, nil
	}
	lines := []string{rest}
	for !strings.HasSuffix(lines[len(lines)-1], quotes) {
		next, err := c.prompt("… ")
		if err != nil {
			return "", err
		}
		lines = append(lines, strings.TrimRight(next, " "))
	}
	return strings.TrimSpace(strings.TrimSuffix(strings.Join(lines, "\n"), quotes)), nil
}

// prompt reads one line and remembers it.
func (c *conversation) prompt(prompt string) (string, error) {
	text, err := c.line.Prompt(prompt)
	if err == nil && text != "" {
		c.line.AppendHistory(text)
	}
	return text, err
}

// say sends a message and prints the answer as it comes. Ctrl-C ends the
// answer, and what was said of it stays in the conversation.
func (c *conversation) say(text string) {
	ctx, stop := c.untilInterrupt()
	defer stop()
	r := c.f.request(c.m, text, c.sampling)
	if r.Messages != nil { // what was said stands between the system's message and this one
		at := len(r.Messages) - 1
		r.Messages = append(append(r.Messages[:at:at], c.messages...), r.Messages[at])
	}
	g := c.session.Generate(ctx, r)
	for token := range g.Tokens() {
		fmt.Fprint(c.out, token.Text)
	}
	fmt.Fprintln(c.out)
	c.last = g
	if note := c.note(g); note != "" {
		fmt.Fprintf(c.out, "(%s)\n", note)
	}
	if c.f.stats {
		printStats(c.out, g)
	}
	if err := g.Err(); r.Messages != nil && g.Text() != "" && (err == nil || errors.Is(err, context.Canceled)) {
		c.messages = append(c.messages, lite.Message{Role: "user", Content: text}, lite.Message{Role: "assistant", Content: g.Text()})
	}
}

// untilInterrupt is a context that the next Ctrl-C cancels.
func (c *conversation) untilInterrupt() (context.Context, func()) {
	select {
	case <-c.signals: // one that came when nothing was running
	default:
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-c.signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// note says why an answer ended, if not by itself.
func (c *conversation) note(g *lite.Generation) string {
	const anew = "the context is full: /clear forgets the conversation"
	switch err := g.Err(); {
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case isA[*lite.ContextError](err), err == nil && g.StopReason() == lite.StopContext:
		return anew
	case err != nil:
		return explain(err)
	case g.StopReason() == lite.StopLength && c.f.maxTokens > 0:
		return fmt.Sprintf("ended by max-tokens %d", c.f.maxTokens)
	}
	return ""
}

// command carries out a line that begins with a slash, and says whether it was
// the last.
func (c *conversation) command(words []string) bool {
	switch words[0] {
	case "/bye", "/exit", "/quit":
		return true
	case "/help", "/?":
		fmt.Fprintln(c.out, chatHelp)
	case "/clear":
		c.messages = nil
		fmt.Fprintln(c.out, "The conversation is forgotten.")
	case "/stats":
		if c.last == nil {
			fmt.Fprintln(c.out, "Nothing was said yet.")
		} else {
			printStats(c.out, c.last)
		}
	case "/set":
		if err := c.set(words[1:]); err != nil {
			fmt.Fprintln(c.out, explain(err))
		}
	default:
		fmt.Fprintf(c.out, "There is no %s; /help lists the commands. A space before the slash makes it a message.\n", words[0])
	}
	return false
}
