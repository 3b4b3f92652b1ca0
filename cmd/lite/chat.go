package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"

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
Ctrl-C            stops an answer; the conversation goes on`

// conversation is a chat in a terminal.
type conversation struct {
	f        *runFlags
	m        *lite.Model
	sampling lite.Sampling
	session  *lite.Session
	messages []lite.Message
	last     *lite.Generation
	out      io.Writer
	line     *liner.State
}

// chat runs a conversation until its reader leaves.
func (f *runFlags) chat(cmd *cobra.Command, m *lite.Model, sampling lite.Sampling) error {
	c := &conversation{f: f, m: m, sampling: sampling, session: m.NewSession(), out: cmd.OutOrStdout(), line: liner.NewLiner()}
	defer c.session.Close()
	defer func() { _ = c.line.Close() }()
	c.line.SetCtrlCAborts(true)
	c.line.SetMultiLineMode(true)
	info := m.Info()
	fmt.Fprintf(c.out, "%s (%s, %s parameters). /help lists the commands.\n", info.Name, info.Architecture, count(info.Params))
	for {
		text, err := c.read()
		switch {
		case errors.Is(err, io.EOF):
			fmt.Fprintln(c.out)
			return nil
		case errors.Is(err, liner.ErrPromptAborted):
			continue
		case err != nil:
			return err
		case strings.TrimSpace(text) == "":
			continue
		case strings.HasPrefix(text, "/"):
			if c.command(strings.Fields(text)) {
				return nil
			}
			continue
		}
		c.say(text)
	}
}

// read reads a message: a line, or several between triple quotes.
func (c *conversation) read() (string, error) {
	text, err := c.line.Prompt("> ")
	if err != nil {
		return "", err
	}
	c.line.AppendHistory(text)
	rest, multi := strings.CutPrefix(strings.TrimSpace(text), `"""`)
	if !multi {
		return text, nil
	}
	lines := []string{rest}
	for !strings.HasSuffix(lines[len(lines)-1], `"""`) {
		next, err := c.line.Prompt("… ")
		if err != nil {
			return "", err
		}
		lines = append(lines, next)
	}
	return strings.TrimSuffix(strings.Join(lines, "\n"), `"""`), nil
}

// say sends a message and prints the answer as it comes. Ctrl-C ends the
// answer, and what was said of it stays in the conversation.
func (c *conversation) say(text string) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	r := c.f.request(c.m, text, c.sampling)
	if r.Messages != nil {
		r.Messages = append(append([]lite.Message(nil), c.messages...), r.Messages...)
		if len(c.messages) > 0 && c.f.system != "" { // said at the beginning already
			r.Messages = append(append([]lite.Message(nil), c.messages...), lite.Message{Role: "user", Content: text})
		}
	}
	g := c.session.Generate(ctx, r)
	for token := range g.Tokens() {
		fmt.Fprint(c.out, token.Text)
	}
	fmt.Fprintln(c.out)
	c.last = g
	if err := g.Err(); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(c.out, "(%s)\n", explain(err))
		return
	}
	if r.Messages != nil {
		c.messages = append(r.Messages, lite.Message{Role: "assistant", Content: g.Text()})
	}
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
	case "/stats":
		if c.last == nil {
			fmt.Fprintln(c.out, "Nothing was said yet.")
		} else {
			printStats(c.out, c.last)
		}
	case "/set":
		if err := c.set(words[1:]); err != nil {
			fmt.Fprintln(c.out, err)
		}
	default:
		fmt.Fprintf(c.out, "There is no %s; /help lists the commands.\n", words[0])
	}
	return false
}

// set shows or changes a setting.
func (c *conversation) set(words []string) error {
	s := &c.sampling
	if len(words) < 2 {
		fmt.Fprintf(c.out, "temp %v, top-k %d, top-p %v, min-p %v, repeat-penalty %v, seed %d, max-tokens %d, tier-set %s (of %s), system %q\n",
			s.Temperature, s.TopK, s.TopP, s.MinP, s.RepeatPenalty, s.Seed, c.f.maxTokens, c.f.tierSet, strings.Join(c.m.TierSets(), ", "), c.f.system)
		return nil
	}
	name, value := words[0], strings.Join(words[1:], " ")
	number, err := strconv.ParseFloat(value, 32)
	floats := map[string]*float32{"temp": &s.Temperature, "top-p": &s.TopP, "min-p": &s.MinP, "repeat-penalty": &s.RepeatPenalty}
	switch {
	case floats[name] != nil:
		if err != nil {
			return fmt.Errorf("%s needs a number, not %q", name, value)
		}
		*floats[name] = float32(number)
		return nil
	case name == "tier-set":
		c.f.tierSet = value
		return nil
	case name == "system":
		c.f.system, c.messages = value, nil
		return nil
	}
	n, err := strconv.ParseUint(value, 10, 62)
	if err != nil {
		return fmt.Errorf("%s needs a whole number, not %q", name, value)
	}
	switch name {
	case "top-k":
		s.TopK = int(n)
	case "seed":
		s.Seed = n
	case "max-tokens":
		c.f.maxTokens = int(n)
	default:
		return fmt.Errorf("there is no setting %q; /help lists them", name)
	}
	return nil
}
