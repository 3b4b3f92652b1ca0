package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"
	"golang.org/x/term"

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
}

func newRun() *cobra.Command {
	f := &runFlags{}
	cmd := &cobra.Command{
		Use:   "run MODEL [PROMPT]",
		Short: "Answer a prompt, or chat in a terminal",
		Long: `Answers a prompt. A model with a chat template gets it as a message of a user;
one without, or with --raw, goes on from the text. Without a prompt, a terminal
gets a conversation (try /help), and anything else is read as the prompt.`,
		Example: `  lite run tiny "In the beginning" --tier-set fast --seed 1
  lite run model.gguf --memory 3GiB "Why is the sky blue?"
  lite run model.gguf --json --temp 0 "2+2=" | jq .tokens_sha256
  lite run model.gguf`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	f.modelFlags.add(cmd)
	f.sampleFlags.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.tierSet, "tier-set", "", "tiers to use, by the name of a set (default: the model's)")
	fl.IntVar(&f.maxTokens, "max-tokens", 0, "end the answer after so many tokens (default: until the model ends it; 200 for a text to go on from)")
	fl.StringVar(&f.system, "system", "", "a system message before the conversation")
	fl.BoolVar(&f.raw, "raw", false, "go on from the prompt as it is, without the chat template")
	fl.BoolVar(&f.stats, "stats", false, "print measurements to standard error")
	fl.BoolVar(&f.ignoreEnd, "ignore-end", false, "go on after the model's own end")
	fl.StringArrayVar(&f.stop, "stop", nil, "end the answer before this text (may be repeated)")
	return cmd
}

func (f *runFlags) run(cmd *cobra.Command, args []string) error {
	sampling, err := f.settle()
	if err != nil {
		return err
	}
	m, err := f.open(args[0])
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }() // the process ends
	in, interactive := cmd.InOrStdin().(*os.File)
	interactive = interactive && term.IsTerminal(int(in.Fd()))
	if len(args) == 1 && interactive && !f.json {
		return f.chat(cmd, m, sampling)
	}
	if len(args) == 2 {
		return f.answer(cmd.Context(), cmd, m, f.request(m, args[1], sampling))
	}
	text, err := io.ReadAll(cmd.InOrStdin())
	if err != nil {
		return fmt.Errorf("reading the prompt: %w", err)
	}
	return f.answer(cmd.Context(), cmd, m, f.request(m, string(text), sampling))
}

// request is the request for one prompt.
func (f *runFlags) request(m *lite.Model, prompt string, sampling lite.Sampling) lite.Request {
	r := lite.Request{
		Prompt: prompt, TierSet: f.tierSet, MaxTokens: f.maxTokens, Sampling: sampling, Hash: f.json,
		IgnoreEnd: f.ignoreEnd, Stop: f.stop,
	}
	if m.HasChat() && !f.raw {
		r.Messages = f.messages(prompt)
	} else if r.MaxTokens == 0 {
		r.MaxTokens = 200
	}
	return r
}

func (f *runFlags) messages(prompt string) []lite.Message {
	var messages []lite.Message
	if f.system != "" {
		messages = append(messages, lite.Message{Role: "system", Content: f.system})
	}
	return append(messages, lite.Message{Role: "user", Content: prompt})
}

// answer prints one answer.
func (f *runFlags) answer(ctx context.Context, cmd *cobra.Command, m *lite.Model, r lite.Request) error {
	out, errs := cmd.OutOrStdout(), cmd.ErrOrStderr()
	g := m.Generate(ctx, r)
	if !f.json && r.Messages == nil && r.Prompt != "" {
		fmt.Fprint(out, r.Prompt)
	}
	for token := range g.Tokens() {
		if !f.json {
			fmt.Fprint(out, token.Text)
		}
	}
	if err := g.Err(); err != nil && (!errors.Is(err, context.Canceled) || len(g.IDs()) == 0) {
		return err
	}
	if f.json {
		return printJSON(out, newResult(g, r.Seed))
	}
	fmt.Fprintln(out)
	if !f.sampleFlags.cmd.Flags().Changed("seed") && r.Temperature != 0 {
		fmt.Fprintf(errs, "seed %d\n", r.Seed)
	}
	if f.stats {
		printStats(errs, g)
	}
	return nil
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
	fmt.Fprintf(w, "at most %s of %s parameters of the bound ran for a token; experts %.1f %% resident, %s read; peak memory %s; ended by %s\n",
		count(s.ActiveParamsMax), count(s.ActiveParamsBound), 100*s.ExpertHitRate, size(total(s.ReadBytes)), size(s.PeakRSSBytes), g.StopReason())
}

func total(m map[string]int64) (n int64) {
	for _, v := range m {
		n += v
	}
	return n
}
