package main

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"github.com/lite-llm/lite"
)

// benchFlags are the flags of lite bench.
type benchFlags struct {
	modelFlags
	prompt, generate, runs int
	tierSet                string
	kernelsOnly            bool
}

func newBench() *cobra.Command {
	f := &benchFlags{}
	cmd := &cobra.Command{
		Use:   "bench [MODEL]",
		Short: "Measure prefill and decode, bytes read and hit rate",
		Long: `Measures a model: a prompt of fixed tokens, then greedy tokens, several times.
Prints one line of JSON for each run. --kernels-only measures the products of
every block format instead, in GB/s of weights and 10^9 operations per second.`,
		Example: "  lite bench tiny\n  lite bench model.gguf --memory 2GiB --prompt 512 --generate 64",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.kernelsOnly {
				return benchKernels(cmd.OutOrStdout())
			}
			if len(args) == 0 {
				return &usageError{errors.New("name a model, or use --kernels-only")}
			}
			m, err := f.open(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = m.Close() }()
			return f.run(cmd, m)
		},
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.IntVar(&f.prompt, "prompt", 256, "tokens of the prompt")
	fl.IntVar(&f.generate, "generate", 64, "tokens to generate")
	fl.IntVar(&f.runs, "runs", 3, "how often")
	fl.StringVar(&f.tierSet, "tier-set", "", "tiers to use, by the name of a set")
	fl.BoolVar(&f.kernelsOnly, "kernels-only", false, "measure the products of every block format")
	return cmd
}

// measurement is a line of lite bench.
type measurement struct {
	Model        string     `json:"model"`
	Run          int        `json:"run"`
	Threads      int        `json:"threads"`
	Kernels      string     `json:"kernels"`
	TokensSHA256 string     `json:"tokens_sha256"`
	Stats        lite.Stats `json:"stats"`
}

func (f *benchFlags) run(cmd *cobra.Command, m *lite.Model) error {
	info := m.Info()
	tokens := make([]int32, min(f.prompt, info.Plan.Context-f.generate))
	for i := range tokens {
		tokens[i] = int32((i*7919 + 13) % min(50000, info.Vocabulary-8)) //nolint:gosec // an id
	}
	for i := range f.runs {
		g := m.Generate(cmd.Context(), lite.Request{Tokens: tokens, MaxTokens: f.generate, TierSet: f.tierSet, IgnoreEnd: true})
		for range g.Tokens() {
		}
		if err := g.Err(); err != nil {
			return err
		}
		line := measurement{info.Name, i, info.Plan.Threads, info.Kernels, g.TokensSHA256(), g.Stats()}
		if err := json.MarshalWrite(cmd.OutOrStdout(), line, json.Deterministic(true)); err != nil {
			return fmt.Errorf("printing a measurement: %w", err)
		}
		fmt.Fprintln(cmd.OutOrStdout())
	}
	return nil
}
