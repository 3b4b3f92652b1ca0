package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lite-llm/lite"
)

// planFlags are the flags of lite tier-plan.
type planFlags struct {
	modelFlags
	trace, out, report, svg, html, text string
	tiers                               []string
	k                                   map[string]int
	window                              int
}

func newTierPlan() *cobra.Command {
	f := &planFlags{}
	cmd := &cobra.Command{
		Use:   "tier-plan MODEL --trace FILE --tier NAME=BUDGET … --out FILE",
		Short: "Divide a flat model's experts into tiers, by a trace",
		Long: `Divides the experts of a model that has one tier into named ones. The first --tier
gets the experts with the largest parts of their layer's weight mass in the trace
that fit its budget, and at every layer at least as many as a token takes; the next
one the best of what is left. A budget is a number of parameters of experts, such as
2e9, 1.3B or 300M, or a part of all experts', such as 25%. A tier without a budget
takes all that is left. What breaks a budget is refused.

The tier sets are cumulative: the first tier, the first two joined by '+', and so on
to "full", the default, which is all tiers and gives the model's own answers to the
bit. A token takes as many experts as the model takes, or what --k-expert says.

The report says which parts of the weight mass and of the choices each tier and set
holds. --eval measures every set on a text, which should be another one than was
traced. --html writes a page with the curves, --svg the curves alone, --report JSON.

Use the plan with --tiers FILE.`,
		Example: `  lite trace model.gguf calibration.txt --out trace.jsonl
  lite tier-plan model.gguf --trace trace.jsonl --tier fast=25% --tier mid=25% --tier rest --out plan.json --eval heldout.txt --html plan.html
  lite run model.gguf --tiers plan.json --tier-set fast "Why is the sky blue?"`,
		Args: arguments(1, "MODEL"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	f.add(cmd)
	_ = cmd.Flags().MarkHidden("tiers") // a plan is what this makes
	_ = cmd.Flags().MarkHidden("open-tiers")
	fl := cmd.Flags()
	fl.StringVar(&f.trace, "trace", "", "the `FILE` that 'lite trace' wrote")
	fl.StringArrayVar(&f.tiers, "tier", nil, "a tier `NAME=BUDGET`, or NAME for one without a budget; repeated, the fastest first")
	fl.StringToIntVar(&f.k, "k-expert", nil, "experts of a token at a layer under a set, `SET=N`; may be repeated (default: the model's)")
	fl.StringVar(&f.out, "out", "", "write the plan to this `FILE`")
	fl.StringVar(&f.text, "eval", "", "measure each set's perplexity on the text in `FILE`")
	fl.IntVar(&f.window, "window", 0, "`N` tokens of a window of --eval (default: 256, or the context)")
	fl.StringVar(&f.report, "report", "", "write the report as JSON to this `FILE`")
	fl.StringVar(&f.html, "html", "", "write the report with its curves to this `FILE`, a page")
	fl.StringVar(&f.svg, "svg", "", "write the curves to this `DIR`, which is made if it is not there")
	return cmd
}

func (f *planFlags) run(cmd *cobra.Command, path string) error {
	r, err := f.request()
	if err != nil {
		return err
	}
	p, report, err := makePlan(cmd, path, r)
	if err != nil {
		return err
	}
	if err := f.evaluate(cmd, path, p, report); err != nil {
		return err
	}
	if err := f.write(p, report); err != nil {
		return err
	}
	if f.json {
		return printJSON(cmd.OutOrStdout(), report)
	}
	return printPlan(cmd.OutOrStdout(), report)
}

// planned is a plan with its report.
type planned struct {
	plan   *lite.TierPlan
	report *lite.PlanReport
}

// makePlan makes the plan, unless Ctrl-C comes.
func makePlan(cmd *cobra.Command, path string, r lite.PlanRequest) (*lite.TierPlan, *lite.PlanReport, error) {
	made, err := unlessInterrupted(cmd.Context(), func() (planned, error) {
		p, report, err := lite.PlanTiers(path, r)
		return planned{p, report}, err
	})
	return made.plan, made.report, missingFile(err)
}

// request is what the flags ask for.
func (f *planFlags) request() (r lite.PlanRequest, err error) {
	switch {
	case f.trace == "":
		return r, usagef("--trace is missing: name a file that 'lite trace' wrote")
	case f.out == "":
		return r, usagef("--out is missing: say where to write the plan, such as --out plan.json")
	case len(f.tiers) == 0:
		return r, usagef("--tier is missing: name the tiers, such as --tier fast=25%% --tier rest")
	case f.window != 0 && f.text == "":
		return r, usagef("--window is of --eval, which is missing")
	}
	for _, text := range f.tiers {
		a, err := lite.ParseTierAsk(text)
		if err != nil {
			return r, usagef("--tier: %w", err)
		}
		r.Tiers = append(r.Tiers, a)
	}
	r.KExpert = f.k
	r.Trace, err = lite.ReadTrace(f.trace)
	return r, err
}

// evaluate measures every set of the plan.
func (f *planFlags) evaluate(cmd *cobra.Command, path string, p *lite.TierPlan, report *lite.PlanReport) error {
	if f.text == "" {
		return nil
	}
	text, err := os.ReadFile(f.text)
	if err != nil {
		return fmt.Errorf("reading the text: %w", err)
	}
	o, err := f.options()
	if err != nil {
		return err
	}
	o.Tiers = p
	m, err := unlessInterrupted(cmd.Context(), func() (*lite.Model, error) { return lite.Open(path, o) })
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	for i := range report.Sets {
		set := &report.Sets[i]
		bar := &bar{cmd: cmd, label: set.Name}
		set.Evaluation, err = m.Evaluate(cmd.Context(), lite.EvalRequest{TierSet: set.Name, Text: string(text), Window: f.window, Progress: bar.set})
		if err != nil {
			return err
		}
	}
	return nil
}

// write writes the files.
func (f *planFlags) write(p *lite.TierPlan, report *lite.PlanReport) error {
	charts := planCharts(report)
	if f.svg != "" {
		if err := os.MkdirAll(f.svg, 0o777); err != nil { //nolint:gosec // the umask decides, as for any tool's results
			return fmt.Errorf("making a directory of curves: %w", err)
		}
	}
	for _, c := range charts {
		if f.svg == "" {
			break
		}
		if err := writeResult(filepath.Join(f.svg, c.name+".svg"), c.chart.WriteSVG); err != nil {
			return err
		}
	}
	for _, file := range []struct {
		name  string
		write func(w io.Writer) error
	}{
		{f.html, func(w io.Writer) error { return writePage(w, report, charts) }},
		{f.report, func(w io.Writer) error { return printJSON(w, report) }},
		{f.out, p.Write},
	} {
		if file.name == "" {
			continue
		}
		if err := writeResult(file.name, file.write); err != nil {
			return err
		}
	}
	return nil
}

// writeResult writes a file as a whole.
func writeResult(name string, write func(w io.Writer) error) error {
	file, err := createResult(name)
	if err != nil {
		return err
	}
	return file.close(write(file))
}

// planTables are the tiers and the sets of a report.
func planTables(r *lite.PlanReport) (tiers, sets table) {
	tiers = table{{"tier", "experts", "of a layer", "parameters", "budget", "weight mass", "hit rate"}}
	for _, t := range r.Tiers {
		budget, spread := "none", strconv.Itoa(t.Least)
		if t.Budget > 0 {
			budget = count(t.Budget)
		}
		if t.Most > t.Least {
			spread = fmt.Sprintf("%d to %d", t.Least, t.Most)
		}
		tiers = append(tiers, []string{t.Name, strconv.Itoa(t.Experts), spread, count(t.Parameters), budget, part(t.Mass), part(t.Hits)})
	}
	sets = table{{"tier set", "tiers", "k_expert", "parameters", "active parameters, bound", "expert bytes, bound", "weight mass", "hit rate", "perplexity", "± (standard error)"}}
	for _, s := range r.Sets {
		quality, stdErr := "not measured", ""
		if s.Evaluation != nil {
			quality, stdErr = fmt.Sprintf("%.4f", s.Evaluation.Perplexity), fmt.Sprintf("%.4f", s.Evaluation.StdErr)
		}
		sets = append(sets, []string{
			s.Name, strings.Join(s.Tiers, ", "), strconv.Itoa(s.KExpert), count(s.Parameters), count(s.ActiveParams), size(s.ExpertBytes),
			part(s.Mass), part(s.Hits), quality, stdErr,
		})
	}
	return tiers, sets
}

// part prints a part of one.
func part(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) }

func printPlan(w io.Writer, r *lite.PlanReport) error {
	tiers, sets := planTables(r)
	if err := tiers.print(w); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return sets.print(w)
}
