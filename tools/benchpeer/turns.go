package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// turn is something that is measured once in each round: a program with a model,
// or the machine itself.
type turn struct {
	name string
	// run returns named values, of which rows are made: see the sections.
	run func(ctx context.Context) (values, error)
}

// values are measurements by name.
type values map[string]float64

// String is for the progress.
func (v values) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(v)) {
		parts = append(parts, fmt.Sprintf("%s %.4g", name, v[name]))
	}
	return strings.Join(parts, ", ")
}

// taken is what a turn gave in the rounds, or why it gave nothing more.
type taken struct {
	rounds []values
	err    error
}

// each makes a number of every round.
func (t *taken) each(f func(values) float64) []float64 {
	out := make([]float64, len(t.rounds))
	for i, v := range t.rounds {
		out[i] = f(v)
	}
	return out
}

// take measures all turns, one after the other in every round: machines are
// shared, and neighbours in time are compared with each other. A turn that fails
// is left out of further rounds.
func take(ctx context.Context, label string, rounds int, turns []turn) ([]taken, error) {
	all := make([]taken, len(turns))
	for round := range rounds {
		for i, t := range turns {
			if all[i].err != nil {
				continue
			}
			v, err := t.run(ctx)
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			if err != nil {
				all[i].err = err
				fmt.Fprintf(os.Stderr, "%s, round %d, %s: failed: %s\n", label, round+1, t.name, reason(err))
				continue
			}
			all[i].rounds = append(all[i].rounds, v)
			fmt.Fprintf(os.Stderr, "%s, round %d, %s: %s\n", label, round+1, t.name, v)
		}
	}
	return all, nil
}

// beside adds a row for ours beside a peer, or one that says which of them failed.
func (c *config) beside(r row, ours *taken, of func(values) float64, peer *taken, peerOf func(values) float64) error {
	for _, t := range []*taken{ours, peer} {
		if t != nil && t.err != nil {
			if t == peer && ours.err == nil {
				r.lite = ours.each(of)
			}
			return c.ledger.fail(r, t.err)
		}
	}
	r.lite = ours.each(of)
	if peer != nil {
		r.peers = peer.each(peerOf)
	}
	return c.ledger.add(r)
}

// named returns the value of that name.
func named(name string) func(values) float64 {
	return func(v values) float64 { return v[name] }
}
