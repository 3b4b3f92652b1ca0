package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lite-llm/lite"
)

func newInspect() *cobra.Command {
	f := &modelFlags{}
	plan, rungs := false, false
	cmd := &cobra.Command{
		Use:   "inspect MODEL",
		Short: "Describe a model: its shape, tiers, bound and memory",
		Long: `Describes a model: its shape, its tiers and tier sets, and for each set the bound
on the parameters that a token executes, P_active ≤ L·(C_dense + K·Θ_max).
--plan shows how memory would be divided, and --rungs where the model's bytes are and
may be: in memory, on disk and in an object store, and of each tier the placement
that is in force.`,
		Example: "  lite inspect tiny\n  lite inspect model.gguf --memory 3GiB --plan\n  lite inspect s3://models/olmoe.pack --rungs",
		Args:    arguments(1, "MODEL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := f.open(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = m.Close() }()
			if f.json {
				if rungs {
					return printJSON(cmd.OutOrStdout(), m.Rungs())
				}
				return printJSON(cmd.OutOrStdout(), m.Info())
			}
			if rungs {
				return printRungs(cmd.OutOrStdout(), m.Rungs())
			}
			return printInfo(cmd, m.Info(), plan)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&rungs, "rungs", false, "show where the model's bytes are and may be, instead")
	cmd.Flags().BoolVar(&plan, "plan", false, "show how memory is divided")
	return cmd
}

func printInfo(cmd *cobra.Command, i lite.Info, plan bool) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		name, inner := strings.CutPrefix(name, "  ")
		indent := map[bool]string{true: "  "}[inner]
		fmt.Fprintf(w, "%s%s\t%s\n", indent, oneLine(name), oneLine(fmt.Sprintf(format, args...)))
	}
	row("model", "%s (%s), %s in %s", i.Name, i.Architecture, count(i.Params)+" parameters", size(i.FileBytes))
	row("shape", "%d layers, %d wide, %d positions", i.Layers, i.Dim, i.Context)
	row("tokens", "%s%s", i.Tokenizer, map[bool]string{true: ", chat template"}[i.Chat])
	var types []string
	for _, t := range slices.Sorted(maps.Keys(i.Types)) {
		types = append(types, fmt.Sprintf("%s %s", t, size(i.Types[t])))
	}
	row("weights", "%s", strings.Join(types, ", "))
	if i.Pack != nil {
		signed := "not signed"
		if i.Pack.SignedBy != "" {
			signed = "signed by " + i.Pack.SignedBy
		}
		row("pack", "%d shards, %s, manifest sha256 %s", i.Pack.Shards, signed, i.Pack.Digest)
	}
	row("kernels", "%s, profile %s", i.Kernels, i.Profile)
	printTiers(row, i.Tiers, map[bool]string{true: "at most "}[i.TierPlan])
	for _, s := range i.Sets {
		name := s.Name
		if name == i.DefaultSet {
			name += " (default)"
		}
		of := "no experts"
		if len(s.Tiers) > 0 {
			of = fmt.Sprintf("{%s} k_tier %d, k_group %d, k_expert %d", tierNames(s.Tiers), s.KTier, s.KGroup, s.KExpert)
		}
		row("set "+name, "%s: L %d, C_dense %s, K %d, Θ_max %s, P_active %s, experts of %s",
			of, s.L, count(int64(s.CDense)), s.K, count(s.ThetaMax), count(s.PActive), size(s.ExpertBytes))
	}
	if plan {
		p := i.Plan
		row("memory", "%s of %s (%s)", size(p.Needs()), size(p.Limit), p.Source)
		row("  process", "%s", size(p.Process))
		row("  trunk", "%s", size(p.Trunk))
		row("  KV", "%s for %d positions", size(p.KV), p.Context)
		row("  scratch", "%s for chunks of %d, %d threads", size(p.Scratch), p.Chunk, p.Threads)
		row("  experts", "%s of %s; one token's take %s", size(p.Experts), size(p.AllExperts), size(p.Token))
		row("  records", "%s of page tables and notes on experts", size(p.Records))
		row("  least", "%d MiB", p.Floor>>20)
		if p.Experts < p.Token {
			row("warning", "one token's experts do not fit: every token reads again what the last one read; they would under --memory %dMiB", p.TokenLimit>>20)
		}
		printChoices(row, &p)
	}
	return w.Flush()
}

// fewTiers is how many tiers are listed one by one.
const fewTiers = 16

// printTiers lists the tiers of a model, those that are alike and next to each
// other together when there are many. most says that layers may have fewer experts.
func printTiers(row func(name, format string, args ...any), tiers []lite.TierInfo, most string) {
	for lo := 0; lo < len(tiers); {
		t, hi := tiers[lo], lo+1
		alike := func(o lite.TierInfo) bool {
			o.Name = t.Name
			return o == t
		}
		for len(tiers) > fewTiers && hi < len(tiers) && alike(tiers[hi]) {
			hi++
		}
		name, each := "tier "+t.Name, ""
		if hi-lo > 1 {
			name, each = fmt.Sprintf("tiers %s to %s", t.Name, tiers[hi-1].Name), fmt.Sprintf(" in each of %d", hi-lo)
		}
		closed := map[bool]string{true: ", closed"}[t.Closed]
		row(name, "%s%d × %d experts a layer, largest %s, %s in all%s%s", most, t.Groups, t.Experts, count(t.ThetaMax), count(t.Params), each, closed)
		lo = hi
	}
}

// tierNames lists the names of tiers, shortened when there are many.
func tierNames(names []string) string {
	if len(names) > fewTiers {
		return fmt.Sprintf("%s, … %s: %d tiers", names[0], names[len(names)-1], len(names))
	}
	return strings.Join(names, ", ")
}

// printChoices tells what was chosen at start and what it rests on.
func printChoices(row func(name, format string, args ...any), p *lite.Plan) {
	how := map[bool]string{true: "past the page cache", false: "through the page cache"}
	row("threads", "%d", p.Threads)
	for _, t := range p.Measured.Threads {
		row("  measured", "%d: %.2f ms for the output head", t.Threads, 1e3*t.Seconds)
	}
	row("reads", "%s, %d in flight", how[p.Direct], p.ReadDepth)
	for _, r := range p.Measured.Reads {
		row("  measured", "%d %s: %.2f GB/s", r.Depth, how[r.Direct], r.BytesPerSec/1e9)
	}
}
