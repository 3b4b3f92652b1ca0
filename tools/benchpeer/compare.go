package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// columns of docs/bench/results.tsv.
var columns = []string{
	"date", "commit", "cpu", "model", "work", "unit", "threads",
	"lite", "lite_min", "lite_max", "peer", "peer_median", "peer_min", "peer_max", "ratio", "ratio_min", "ratio_max", "note",
}

// compare measures all contenders in turns. Machines are shared: neighbours in
// time are compared with each other, and the spread is told.
func (c *config) compare(ctx context.Context, m model, contenders []contender) error {
	if m.path == "tiny" {
		contenders = contenders[:1]
	}
	measured := make([][]rates, len(contenders))
	for round := range c.rounds {
		for i, who := range contenders {
			r, err := who.run(ctx, m.path)
			if err != nil {
				return err
			}
			measured[i] = append(measured[i], r)
			fmt.Fprintf(os.Stderr, "%s, round %d, %s: prefill %.1f, decode %.2f tokens/s\n", m.name, round+1, who.name, r.Prefill, r.Decode)
		}
	}
	names := make([]string, len(contenders))
	for i := range contenders {
		names[i] = contenders[i].name
	}
	var rows [][]string
	for _, work := range []struct {
		name string
		of   func(rates) float64
	}{
		{fmt.Sprintf("prefill %d", c.prompt), func(r rates) float64 { return r.Prefill }},
		{fmt.Sprintf("decode %d after %d", c.generate, c.prompt), func(r rates) float64 { return r.Decode }},
	} {
		values := make([][]float64, len(measured))
		for i := range measured {
			values[i] = each(measured[i], work.of)
		}
		rows = append(rows, c.rows(ctx, m, work.name, names, values)...)
	}
	return c.report(rows)
}

// rows are the lines of one work: the first contender beside each other one, or
// alone.
func (c *config) rows(ctx context.Context, m model, work string, names []string, measured [][]float64) [][]string {
	ours := measured[0]
	head := append(c.origin(ctx), m.name, work, "tokens/s", strconv.Itoa(c.threads))
	head = append(head, summary(ours)...)
	if len(measured) == 1 {
		return [][]string{append(head, "-", "-", "-", "-", "-", "-", "-", c.note)}
	}
	var rows [][]string
	for i := 1; i < len(measured); i++ {
		ratios := make([]float64, len(ours))
		for k := range ours {
			ratios[k] = ours[k] / measured[i][k]
		}
		row := append(slices.Clone(head), names[i])
		row = append(append(row, summary(measured[i])...), summary(ratios)...)
		rows = append(rows, append(row, c.note))
	}
	return rows
}

func each(r []rates, of func(rates) float64) []float64 {
	values := make([]float64, len(r))
	for i := range r {
		values[i] = of(r[i])
	}
	return values
}

// summary is median, least and most.
func summary(values []float64) []string {
	s := slices.Sorted(slices.Values(values))
	median := (s[(len(s)-1)/2] + s[len(s)/2]) / 2
	var out []string
	for _, v := range []float64{median, s[0], s[len(s)-1]} {
		out = append(out, strconv.FormatFloat(v, 'g', 4, 64))
	}
	return out
}

// origin is the date, the commit and the processor.
func (c *config) origin(ctx context.Context) []string {
	commit := "?"
	if out, err := command(ctx, ".", "git", "rev-parse", "--short", "HEAD"); err == nil {
		commit = strings.TrimSpace(string(out))
	}
	return []string{time.Now().UTC().Format(time.DateOnly), commit, processor()}
}

// processor is the processor's name and the number of cores, as far as the
// system tells.
func processor() string {
	name := runtime.GOARCH
	f, err := os.Open("/proc/cpuinfo")
	if err == nil {
		defer func() { _ = f.Close() }() // was only read
		for s := bufio.NewScanner(f); s.Scan(); {
			if key, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
				name = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s × %d", name, runtime.NumCPU())
}

// report prints the rows and appends them to the results.
func (c *config) report(rows [][]string) error {
	for _, r := range rows {
		fmt.Printf("%s, %s: %s (%s–%s) tokens/s", r[3], r[4], r[7], r[8], r[9])
		if r[10] != "-" {
			fmt.Printf("; %s %s (%s–%s): ratio %s (%s–%s)", r[10], r[11], r[12], r[13], r[14], r[15], r[16])
		}
		fmt.Println()
	}
	if c.results == "" {
		return nil
	}
	f, err := os.OpenFile(c.results, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("the results: %w", err)
	}
	w := bufio.NewWriter(f)
	if info, err := f.Stat(); err == nil && info.Size() == 0 {
		fmt.Fprintln(w, strings.Join(columns, "\t"))
	}
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("the results: %w", err)
	}
	return f.Close()
}
