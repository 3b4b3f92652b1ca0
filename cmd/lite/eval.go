package main

import (
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/lite-llm/lite"
)

func newEval() *cobra.Command {
	f := &modelFlags{}
	var sets []string
	window := 0
	cmd := &cobra.Command{
		Use:   "eval MODEL FILE",
		Short: "Measure perplexity on a text, for every tier set",
		Long: `Measures the perplexity of a text: it is cut into windows, of which the second
half is scored. The table has a line for each tier set, with the standard error,
the parameters that a token executed and the bound, and the least share of an
expert (1 is its fair one).`,
		Example: "  lite eval tiny train/heldout.txt\n  lite eval model.gguf text.txt --window 512 --json",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[1])
			if err != nil {
				return fmt.Errorf("reading the text: %w", err)
			}
			m, err := f.open(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = m.Close() }()
			if len(sets) == 0 {
				sets = m.TierSets()
			}
			if window == 0 {
				window = min(256, m.Context())
			}
			results, err := evaluate(cmd, m, sets, string(text), window)
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd.OutOrStdout(), results)
			}
			return printEvaluations(cmd, results)
		},
	}
	f.add(cmd)
	cmd.Flags().StringArrayVar(&sets, "tier-set", nil, "only this tier set (may be repeated)")
	cmd.Flags().IntVar(&window, "window", 0, "tokens of a window (default: 256, or the context)")
	return cmd
}

// evaluate runs one evaluation for each set, with a bar on a terminal.
func evaluate(cmd *cobra.Command, m *lite.Model, sets []string, text string, window int) ([]*lite.Evaluation, error) {
	var results []*lite.Evaluation
	for _, set := range sets {
		var bar *progressbar.ProgressBar
		e, err := m.Evaluate(cmd.Context(), set, text, window, func(done, all int) {
			if bar == nil {
				errs, ok := cmd.ErrOrStderr().(*os.File)
				visible := ok && term.IsTerminal(int(errs.Fd()))
				bar = progressbar.NewOptions(all, progressbar.OptionSetDescription(set), progressbar.OptionSetVisibility(visible),
					progressbar.OptionClearOnFinish(), progressbar.OptionSetWriter(cmd.ErrOrStderr()))
			}
			_ = bar.Set(done) // a bar that cannot be drawn hides nothing
		})
		if err != nil {
			return nil, err
		}
		results = append(results, e)
	}
	return results, nil
}

func printEvaluations(cmd *cobra.Command, results []*lite.Evaluation) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "tier set\tperplexity\t± (standard error)\tactive parameters\tbound\tleast share\ttokens\tread")
	for _, e := range results {
		fmt.Fprintf(w, "%s\t%.4f\t%.4f\t%s\t%s\t%.2f\t%d\t%s\n", e.TierSet, e.Perplexity, e.StdErr,
			count(e.ActiveParams), count(e.Bound), e.LeastShare, e.Tokens, size(e.ReadBytes))
	}
	return w.Flush()
}
