package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/lite-llm/lite"
)

// allocations counts those of the whole process while tokens are generated through
// the public API, text included. That a step of the engine allocates nothing is a
// test (internal/engine, TestSteadyState), which is run too.
func (c *config) allocations(ctx context.Context) error {
	r := row{model: "small models of every family", work: "allocations of a step of the engine", unit: "allocations", threads: 1}
	if _, err := command(ctx, ".", "go", "test", "-count=1", "-run", "^TestSteadyState", "./internal/engine", "./internal/expert"); err != nil {
		if err := c.ledger.fail(r, err); err != nil {
			return err
		}
	} else {
		r.lite, r.note = []float64{0}, "TestSteadyState of internal/engine and internal/expert passes"
		if err := c.ledger.add(r); err != nil {
			return err
		}
	}
	for _, name := range []string{"tiny", c.model} {
		m, err := c.find(ctx, name)
		r := row{model: m.name, work: "allocations for a generated token, text included", unit: "allocations", threads: c.threads}
		if err == nil {
			var n float64
			n, err = c.allocated(ctx, m.path)
			r.lite = []float64{n}
		}
		if err != nil {
			r.lite = nil
			if err := c.ledger.fail(r, err); err != nil {
				return err
			}
			continue
		}
		if err := c.ledger.add(r); err != nil {
			return err
		}
	}
	return nil
}

// Tokens are counted after those in which buffers grow, of a second answer: while the
// first one is made, experts come into memory.
const (
	growing = 32
	steady  = 64
)

// allocated is the mean number for a token.
func (c *config) allocated(ctx context.Context, path string) (float64, error) {
	m, err := lite.Open(path, lite.Options{Threads: c.threads, Context: 256})
	if err != nil {
		return 0, err
	}
	defer func() { _ = m.Close() }() // it was only read
	if _, err := answered(ctx, m); err != nil {
		return 0, err
	}
	return answered(ctx, m)
}

// answered counts during one answer.
func answered(ctx context.Context, m *lite.Model) (float64, error) {
	g := m.Generate(ctx, lite.Request{Tokens: []int32{13, 17, 19, 23}, MaxTokens: growing + steady, IgnoreEnd: true})
	var before, after runtime.MemStats
	n := 0
	for range g.Tokens() {
		switch n++; n {
		case growing:
			runtime.ReadMemStats(&before)
		case growing + steady:
			runtime.ReadMemStats(&after)
		}
	}
	if err := g.Err(); err != nil {
		return 0, err
	}
	if n != growing+steady {
		return 0, errors.New("the answer is too short")
	}
	if after.Mallocs < before.Mallocs {
		return 0, fmt.Errorf("%d allocations are fewer than %d", after.Mallocs, before.Mallocs)
	}
	return float64(after.Mallocs-before.Mallocs) / steady, nil
}
