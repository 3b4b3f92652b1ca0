package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/lite-llm/lite"
)

func newEval() *cobra.Command {
	f := &modelFlags{}
	var sets, named []string
	window, random := 0, false
	cmd := &cobra.Command{
		Use:   "eval MODEL FILE",
		Short: "Measure perplexity on a text, for every tier set",
		Long: `Measures the perplexity of a text: it is cut into windows, of which the second
half is scored.

The first table has a line for each tier set: the perplexity with its standard
error, the most parameters that a token executed and the bound, the most bytes of
experts that a token may execute, what was read of experts for a token and how
many tokens went through the model in a second, and the least share of an expert
among those of its tier at one layer (1 is its fair one). All named sets are
measured, or those of --sets and --tier-set, which may be lists of tiers.

The second table compares each tier set with the one before it, and with
--random-routing each with random choices of tiers, groups and experts under the
same set. Differences are paired: of the mean log-likelihoods of a token in the
same windows, in nats, with their standard error.

--json prints an array with an object for each measurement; "versus" is its
comparison.`,
		Example: "  lite eval tiny train/heldout.txt --random-routing\n  lite eval model.gguf text.txt --window 512 --json",
		Args:    arguments(2, "MODEL", "FILE"),
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
			if sets = slices.Concat(named, sets); len(sets) == 0 {
				sets = openSets(m)
			}
			e := evaluator{cmd: cmd, m: m, text: string(text), window: window}
			if err := e.run(sets, random); err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd.OutOrStdout(), e.done)
			}
			return e.print(cmd.OutOrStdout())
		},
	}
	f.add(cmd)
	cmd.Flags().StringArrayVar(&sets, "tier-set", nil, "only these "+tierSetUsage+"; may be repeated")
	cmd.Flags().StringSliceVar(&named, "sets", nil, "only the tier sets of these `NAMES`, parted by commas")
	f.tierSet = func() []string { return sets }
	cmd.Flags().IntVar(&window, "window", 0, "`N` tokens of a window (default: 256, or the context)")
	cmd.Flags().BoolVar(&random, "random-routing", false, "measure each tier set with random choices too")
	return cmd
}

// openSets are the model's named sets whose tiers are open.
func openSets(m *lite.Model) (names []string) {
	for _, name := range m.TierSets() {
		if _, err := m.TierSet(name); err == nil {
			names = append(names, name)
		}
	}
	return names
}

// measured is an evaluation with what it is compared with; nil for the first.
type measured struct {
	*lite.Evaluation
	Versus *lite.Comparison `json:"versus"`
}

// evaluator measures one text.
type evaluator struct {
	cmd    *cobra.Command
	m      *lite.Model
	text   string
	window int
	done   []measured
}

// run measures each set and compares it with the one before, and then each
// with random routing, compared with learned routing.
func (e *evaluator) run(sets []string, random bool) error {
	for i, set := range sets {
		if err := e.measure(set, false, i-1); err != nil {
			return err
		}
	}
	for i, set := range sets {
		if !random {
			return nil
		}
		if err := e.measure(set, true, i); err != nil {
			return err
		}
	}
	return nil
}

// measure appends an evaluation, compared with the one at that index.
func (e *evaluator) measure(set string, random bool, with int) error {
	label := set
	if random {
		label += ", random routing"
	}
	bar := &bar{cmd: e.cmd, label: label}
	r, err := e.m.Evaluate(e.cmd.Context(), lite.EvalRequest{
		TierSet: set, Text: e.text, Window: e.window, RandomRouting: random, Progress: bar.set,
	})
	if err != nil {
		return err
	}
	m := measured{Evaluation: r}
	if with >= 0 {
		if m.Versus, err = r.Compare(e.done[with].Evaluation); err != nil {
			return err
		}
	}
	e.done = append(e.done, m)
	return nil
}

// bar shows progress on a terminal.
type bar struct {
	cmd   *cobra.Command
	label string
	bar   *progressbar.ProgressBar
}

func (b *bar) set(done, all int) {
	if b.bar == nil {
		b.bar = progressbar.NewOptions(all, progressbar.OptionSetDescription(b.label),
			progressbar.OptionSetVisibility(isTerminal(b.cmd.ErrOrStderr())),
			progressbar.OptionClearOnFinish(), progressbar.OptionSetWriter(b.cmd.ErrOrStderr()))
	}
	_ = b.bar.Set(done) // a bar that cannot be drawn hides nothing
}

// print prints the two tables, as Markdown.
func (e *evaluator) print(out io.Writer) error {
	sets := table{{
		"tier set", "perplexity", "± (standard error)", "active parameters", "bound", "expert bytes, bound",
		"read per token", "tokens/s", "least share", "tokens",
	}}
	pairs := table{{"compared, paired by window", "ln perplexity", "± (standard error)", "in standard errors", "perplexity"}}
	for _, m := range e.done {
		name := routing(m.TierSet, m.RandomRouting)
		sets = append(sets, []string{
			name, fmt.Sprintf("%.4f", m.Perplexity), fmt.Sprintf("%.4f", m.StdErr),
			count(m.ActiveParams), count(m.Bound), size(m.ExpertBytesBound), size(int64(m.ReadBytesPerToken)),
			fmt.Sprintf("%.1f", m.TokensPerSec), fmt.Sprintf("%.3f", m.LeastShare), strconv.Itoa(m.Tokens),
		})
		if v := m.Versus; v != nil {
			pairs = append(pairs, []string{
				name + " − " + routing(v.TierSet, v.RandomRouting), fmt.Sprintf("%+.4f", v.Difference),
				fmt.Sprintf("%.4f", v.StdErr), fmt.Sprintf("%+.1f", v.StdErrs), fmt.Sprintf("%+.2f %%", 100*(v.Ratio-1)),
			})
		}
	}
	if err := sets.print(out); err != nil || len(pairs) == 1 {
		return err
	}
	fmt.Fprintln(out)
	return pairs.print(out)
}

// routing names a tier set with the way in which its experts are chosen.
func routing(set string, random bool) string {
	if random {
		set += " (random routing)"
	}
	return oneLine(set)
}
