package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
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

// row is one comparison: what Lite gave in each round beside what a peer gave in
// the same one.
type row struct {
	model, work, unit string
	threads           int
	lite              []float64 // empty when it failed
	peer              string    // empty when Lite stands alone
	peers             []float64 // empty when the peer failed
	note              string
}

// cells are the columns after the origin. Neighbours in time are divided by each
// other, since machines are shared.
func (r *row) cells() []string {
	out := append([]string{r.model, r.work, r.unit, strconv.Itoa(r.threads)}, summary(r.lite)...)
	peer := r.peer
	if peer == "" {
		peer = "-"
	}
	out = append(append(out, peer), summary(r.peers)...)
	out = append(out, summary(ratios(r.lite, r.peers))...)
	return append(out, strings.Join(strings.Fields(r.note), " ")) // no tab or line inside
}

// String is the row for a reader.
func (r *row) String() string {
	text := fmt.Sprintf("%s, %s:", r.model, r.work)
	if s := summary(r.lite); len(r.lite) > 0 {
		text += fmt.Sprintf(" %s (%s–%s) %s", s[0], s[1], s[2], r.unit)
	}
	if s := summary(r.peers); len(r.peers) > 0 {
		text += fmt.Sprintf("; %s %s (%s–%s)", r.peer, s[0], s[1], s[2])
	}
	if q := ratios(r.lite, r.peers); len(q) > 0 {
		s := summary(q)
		text += fmt.Sprintf(": ratio %s (%s–%s)", s[0], s[1], s[2])
	}
	if r.note != "" {
		text += " [" + r.note + "]"
	}
	return text
}

// ratios divides the rounds that both have.
func ratios(a, b []float64) []float64 {
	q := make([]float64, min(len(a), len(b)))
	for i := range q {
		q[i] = a[i] / b[i]
	}
	return q
}

// summary is median, least and most; dashes of nothing.
func summary(values []float64) []string {
	if len(values) == 0 {
		return []string{"-", "-", "-"}
	}
	s := slices.Sorted(slices.Values(values))
	median := (s[(len(s)-1)/2] + s[len(s)/2]) / 2
	var out []string
	for _, v := range []float64{median, s[0], s[len(s)-1]} {
		out = append(out, strconv.FormatFloat(v, 'g', 4, 64))
	}
	return out
}

// ledger prints rows and appends them to a file.
type ledger struct {
	path     string // empty for none
	origin   []string
	note     string // of every row
	out      io.Writer
	failures int
}

// newLedger finds the date, the commit and the processor.
func newLedger(ctx context.Context, path, note string, out io.Writer) *ledger {
	commit := "?"
	if b, err := command(ctx, ".", "git", "rev-parse", "--short", "HEAD"); err == nil {
		commit = strings.TrimSpace(string(b))
	}
	return &ledger{path: path, origin: []string{time.Now().UTC().Format(time.DateOnly), commit, processor()}, note: note, out: out}
}

// fail appends a row that says why work was not measured.
func (l *ledger) fail(r row, err error) error {
	l.failures++
	r.note = strings.TrimSuffix("failed: "+reason(err)+"; "+r.note, "; ")
	return l.add(r)
}

// longestReason is in bytes; llama.cpp says much before it gives up.
const longestReason = 400

// reason is an error in one line that is not too long.
func reason(err error) string {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(err.Error(), "")), " ")
	if len(text) > longestReason {
		text = strings.ToValidUTF8(text[:longestReason/2]+" … "+text[len(text)-longestReason/2:], "")
	}
	return text
}

// add appends rows at once, so that a run that is broken off keeps what it has.
func (l *ledger) add(rows ...row) error {
	for i := range rows {
		rows[i].note = strings.TrimPrefix(strings.TrimSuffix(rows[i].note+"; "+l.note, "; "), "; ")
		fmt.Fprintln(l.out, rows[i].String())
	}
	if l.path == "" {
		return nil
	}
	f, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("the results: %w", err)
	}
	defer func() { _ = f.Close() }() // closed below unless there was an error before
	w := bufio.NewWriter(f)
	if info, err := f.Stat(); err == nil && info.Size() == 0 {
		fmt.Fprintln(w, strings.Join(columns, "\t"))
	}
	for i := range rows {
		fmt.Fprintln(w, strings.Join(append(slices.Clone(l.origin), rows[i].cells()...), "\t"))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("the results: %w", err)
	}
	return f.Close()
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
