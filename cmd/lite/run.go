package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/lite-llm/lite"
)

// runFlags are the flags of lite run.
type runFlags struct {
	modelFlags
	sampleFlags
	tierSet   string
	maxTokens int
	system    string
	raw       bool
	stats     bool
	ignoreEnd bool
	stop      []string
	maxParams string
	maxBytes  string
	// What the two say.
	maxActive, maxExpertBytes int64
}

// textTokens is the length of an answer of a model that does not end it.
const textTokens = 200

func newRun() *cobra.Command {
	f := &runFlags{}
	cmd := &cobra.Command{
		Use:   "run MODEL [PROMPT]",
		Short: "Answer a prompt, or chat in a terminal",
		Long: `Answers a prompt. A model with a chat template gets it as a message of a user;
one without, or with --raw, goes on from the text, which is printed before it.
Without a PROMPT, a terminal gets a conversation (try /help), and anything else
is read to its end as the prompt.

The answer goes to standard output; the seed, when it was drawn, and --stats to
standard error. --json prints one object when the answer is complete: text,
tokens, tokens_sha256, logits_sha256 (of the float32 logits of every generated
position, before penalties), stop, seed and stats.`,
		Example: `  lite run tiny "In the beginning" --tier-set fast --seed 1
  lite run model.gguf --memory 3GiB "Why is the sky blue?"
  lite run model.gguf --json --temp 0 "2+2=" | jq -r .tokens_sha256
  lite run model.gguf < question.txt
  lite run model.gguf`,
		Args: arguments(1, "MODEL", "PROMPT"),
		RunE: f.run,
	}
	f.modelFlags.add(cmd)
	f.sampleFlags.add(cmd)
	f.modelFlags.addTierSet(cmd, &f.tierSet)
	fl := cmd.Flags()
	fl.IntVar(&f.maxTokens, "max-tokens", 0, "end the answer after `N` tokens (default: when the model ends it; 200 for a text to go on from)")
	fl.StringVar(&f.system, "system", "", "a system `MESSAGE` before the conversation")
	fl.StringVar(&f.maxParams, "max-active-params", "", "refuse unless every token executes at most `N` parameters, such as 1.3e9 or 300M")
	fl.StringVar(&f.maxBytes, "max-expert-bytes", "", "refuse unless every token executes, and so reads, experts of at most `SIZE`, such as 500MiB")
	fl.BoolVar(&f.raw, "raw", false, "go on from the prompt as it is, without the chat template")
	fl.BoolVar(&f.stats, "stats", false, "print measurements to standard error")
	fl.BoolVar(&f.ignoreEnd, "ignore-end", false, "go on after the model's own end")
	fl.StringArrayVar(&f.stop, "stop", nil, "end the answer before this `TEXT` (may be repeated)")
	return cmd
}

func (f *runFlags) run(cmd *cobra.Command, args []string) error {
	sampling, err := f.check()
	if err != nil {
		return err
	}
	chat := len(args) == 1 && !f.json && isTerminal(cmd.InOrStdin()) && isTerminal(cmd.OutOrStdout())
	prompt := ""
	if !chat {
		if prompt, err = readPrompt(cmd, args[1:]); err != nil {
			return err
		}
	}
	m, err := f.open(args[0])
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }() // the process ends
	if f.system != "" && !m.HasChat() {
		return usagef("--system: %w", lite.ErrNoTemplate)
	}
	if chat {
		return f.chat(cmd, m, sampling)
	}
	return f.answer(cmd, m, f.request(m, prompt, sampling))
}

// check returns the sampling, and an error for flags that no model can follow.
func (f *runFlags) check() (lite.Sampling, error) {
	sampling, err := f.settle()
	if err == nil {
		err = f.limits()
	}
	switch {
	case err != nil:
	case f.maxTokens < 0:
		err = usagef("--max-tokens %d: want a number from 0", f.maxTokens)
	case f.raw && f.system != "":
		err = usagef("--raw leaves out the chat template that --system needs: use one of them")
	}
	return sampling, err
}

// limits reads the bounds that are asked for.
func (f *runFlags) limits() (err error) {
	if f.maxParams != "" {
		if f.maxActive, err = lite.ParseParameters(f.maxParams); err != nil {
			return usagef("--max-active-params: %w", err)
		}
	}
	if f.maxBytes != "" {
		if f.maxExpertBytes, err = lite.ParseSize(f.maxBytes); err == nil && f.maxExpertBytes == 0 {
			err = errors.New("0 is no limit; leave the flag out for none")
		}
		if err != nil {
			return usagef("--max-expert-bytes: %w", err)
		}
	}
	return nil
}

// maxPrompt is the most bytes of a prompt that are read: the memory for them is
// taken before any is planned.
const maxPrompt = 16 << 20

// readPrompt is the prompt among the arguments, or else standard input.
func readPrompt(cmd *cobra.Command, args []string) (string, error) {
	if len(args) == 0 {
		if isTerminal(cmd.InOrStdin()) {
			fmt.Fprintln(cmd.ErrOrStderr(), "Type the prompt, and Ctrl-D on a line of its own.")
		}
		text, err := unlessInterrupted(cmd.Context(), func() ([]byte, error) {
			return io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxPrompt+1))
		})
		if err != nil {
			return "", fmt.Errorf("reading the prompt: %w", err)
		}
		if len(text) > maxPrompt {
			return "", usagef("the prompt on standard input is longer than %d MiB, and than any context", maxPrompt>>20)
		}
		args = []string{strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")}
	}
	if strings.TrimSpace(args[0]) == "" {
		return "", usagef("%w: give it as an argument or on standard input", lite.ErrEmpty)
	}
	return args[0], nil
}

// request is the request for one prompt.
func (f *runFlags) request(m *lite.Model, prompt string, sampling lite.Sampling) lite.Request {
	r := lite.Request{
		TierSet: f.tierSet, MaxTokens: f.maxTokens, Sampling: sampling, Hash: f.json,
		IgnoreEnd: f.ignoreEnd, Stop: f.stop, MaxActiveParameters: f.maxActive, MaxExpertBytes: f.maxExpertBytes,
	}
	if m.HasChat() && !f.raw {
		if f.system != "" {
			r.Messages = append(r.Messages, lite.Message{Role: "system", Content: f.system})
		}
		r.Messages = append(r.Messages, lite.Message{Role: "user", Content: prompt})
		return r
	}
	r.Prompt = prompt
	if r.MaxTokens == 0 {
		r.MaxTokens = textTokens
	}
	return r
}

// answer prints one answer. What was said of it when it failed or Ctrl-C ended
// it is printed too.
func (f *runFlags) answer(cmd *cobra.Command, m *lite.Model, r lite.Request) error {
	out, errs := cmd.OutOrStdout(), cmd.ErrOrStderr()
	g := m.Generate(cmd.Context(), r)
	if err := g.Err(); err != nil {
		return err
	}
	if !f.json {
		fmt.Fprint(out, r.Prompt)
	}
	for token := range g.Tokens() {
		if !f.json {
			fmt.Fprint(out, token.Text)
		}
		if failed(out) {
			break
		}
	}
	err := g.Err()
	if f.json {
		if err != nil && (!errors.Is(err, context.Canceled) || len(g.IDs()) == 0) {
			return err
		}
		return errors.Join(printJSON(out, newResult(g, r.Seed)), err)
	}
	fmt.Fprintln(out)
	if f.drawn() {
		fmt.Fprintf(errs, "seed %d\n", r.Seed)
	}
	if f.stats {
		printStats(errs, g)
	}
	return err
}

// result is what lite run --json prints.
type result struct {
	Text         string     `json:"text"`
	Tokens       []int32    `json:"tokens"`
	TokensSHA256 string     `json:"tokens_sha256"`
	LogitsSHA256 string     `json:"logits_sha256"`
	Stop         lite.Stop  `json:"stop"`
	Seed         uint64     `json:"seed"`
	Stats        lite.Stats `json:"stats"`
}

func newResult(g *lite.Generation, seed uint64) result {
	return result{g.Text(), g.IDs(), g.TokensSHA256(), g.LogitsSHA256(), g.StopReason(), seed, g.Stats()}
}

func printJSON(out io.Writer, v any) error {
	if err := json.MarshalWrite(out, v, jsontext.WithIndent("  "), json.Deterministic(true)); err != nil {
		return fmt.Errorf("printing the result: %w", err)
	}
	_, err := fmt.Fprintln(out)
	return err
}

func printStats(w io.Writer, g *lite.Generation) {
	s := g.Stats()
	fmt.Fprintf(w, "prompt %d tokens (%d reused) at %.1f tokens/s, first token after %.0f ms; %d tokens at %.1f tokens/s\n",
		s.PromptTokens, s.ReusedTokens, s.PrefillTokensPerSec, s.TTFTMilliseconds, s.GeneratedTokens, s.DecodeTokensPerSec)
	fmt.Fprintf(w, "at most %s of %s parameters of the bound ran for a token, experts of %s of %s; experts %.1f %% resident, %s read; peak memory %s; ended by %s\n",
		count(s.ActiveParamsMax), count(s.ActiveParamsBound), size(s.ExpertBytesMax), size(s.ExpertBytesBound), 100*s.ExpertHitRate, size(total(s.ReadBytes)), size(s.PeakRSSBytes), g.StopReason())
}

func total(m map[string]int64) (n int64) {
	for _, v := range m {
		n += v
	}
	return n
}
