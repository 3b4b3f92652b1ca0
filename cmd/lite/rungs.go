package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/lite-llm/lite"
)

// printRungs prints where a model's bytes are.
func printRungs(out io.Writer, r lite.Rungs) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "rung\tplace\ton it\tread from it\t")
	for _, u := range r.Rungs {
		on := "all"
		if u.BudgetBytes > 0 || u.Rung == "dram" {
			on = size(u.UsedBytes) + " of " + size(u.BudgetBytes)
		}
		var notes []string
		for _, n := range []struct {
			count uint64
			what  string
		}{
			{u.Requests, "requests"},
			{u.Retries, "retries"},
			{u.Hedges, "hedges"},
			{u.Stalls, "stalls"},
			{u.Evictions, "evictions"},
			{u.Corrupt, "damaged"},
			{u.DiskErrors, "disk errors"},
		} {
			if n.count > 0 {
				notes = append(notes, fmt.Sprintf("%d %s", n.count, n.what))
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", u.Rung, oneLine(u.Place), on, size(u.ReadBytes), strings.Join(notes, ", "))
	}
	fmt.Fprintln(w, "\ntier\tmay be on\tin memory\t\t")
	for _, t := range r.Tiers {
		var notes []string
		if t.Pinned {
			notes = append(notes, "pinned")
		}
		for _, name := range slices.Sorted(maps.Keys(t.Budgets)) {
			notes = append(notes, fmt.Sprintf("at most %s of %s", size(t.Budgets[name]), name))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t\n", oneLine(t.Name), strings.Join(t.Rungs, ", "), size(t.Resident), strings.Join(notes, ", "))
	}
	return w.Flush()
}
