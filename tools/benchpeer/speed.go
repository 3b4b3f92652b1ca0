package main

import (
	"context"
	"fmt"
)

// speed measures models in memory: beside llama.cpp in tokens per second, and
// beside the machine in bytes read for decoding and operations for a prompt.
func (c *config) speed(ctx context.Context) error {
	for _, name := range c.quick {
		m, err := c.find(ctx, name)
		if err == nil {
			err = c.speedOf(ctx, m)
		}
		if err != nil {
			if err := c.ledger.fail(row{model: m.name, work: "in memory", unit: "tokens/s", threads: c.threads}, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// liteTurn measures "prefill" and "decode" of the last of some runs: the first one
// reads the experts, the second one has them.
func (c *config) liteTurn(m model, w work) turn {
	return turn{"lite", func(ctx context.Context) (values, error) {
		b, err := c.bench(ctx, nil, m.path, w)
		return values{"prefill": b.Stats.Prefill, "decode": b.Stats.Decode}, err
	}}
}

func (c *config) speedOf(ctx context.Context, m model) error {
	turns := []turn{c.liteTurn(m, work{prompt: c.prompt, generate: c.generate, runs: 2})}
	limits := turn{"machine", func(ctx context.Context) (v values, err error) {
		v = values{}
		for _, n := range []int{1, c.threads} {
			if v[threadsName(n)], err = bandwidth(ctx, n); err != nil {
				return nil, err
			}
		}
		v["GEMM"], err = gemm(ctx, c.threads)
		return v, err
	}}
	var s shape
	if m.path != "tiny" { // which stands in the program, not in a file
		var err error
		if s, err = shapeOf(m.path); err != nil {
			return err
		}
		turns = append(turns, limits)
		for _, p := range peers {
			turns = append(turns, c.peerTurn(p, m.path, c.prompt, c.generate, c.prompt))
		}
	}
	t, err := take(ctx, m.name, c.rounds, turns)
	if err != nil {
		return err
	}
	for _, of := range []struct{ key, name string }{
		{"prefill", fmt.Sprintf("prefill %d", c.prompt)},
		{"decode", fmt.Sprintf("decode %d after %d", c.generate, c.prompt)},
	} {
		r := row{model: m.name, work: of.name, unit: "tokens/s", threads: c.threads}
		if len(t) == 1 {
			if err := c.beside(r, &t[0], named(of.key), nil, nil); err != nil {
				return err
			}
			continue
		}
		for i := 2; i < len(t); i++ {
			r.peer = turns[i].name
			if err := c.beside(r, &t[0], named(of.key), &t[i], named(of.key)); err != nil {
				return err
			}
		}
	}
	if len(t) == 1 {
		return nil
	}
	return c.besideMachine(m, s, &t[0], &t[1])
}

// besideMachine adds what decoding reads and what a prompt computes in a second.
func (c *config) besideMachine(m model, s shape, lite, machine *taken) error {
	scaled := func(key string, by float64) func(values) float64 {
		return func(v values) float64 { return v[key] * by / 1e9 }
	}
	for _, n := range []int{1, c.threads} {
		r := row{
			model: m.name, work: fmt.Sprintf("weights read while decoding %d after %d", c.generate, c.prompt), unit: "GB/s", threads: c.threads,
			peer: "plain read of memory, " + threadsName(n), note: fmt.Sprintf("%.0f MiB a token", s.active()/(1<<20)),
		}
		if err := c.beside(r, lite, scaled("decode", s.active()), machine, scaled(threadsName(n), 1)); err != nil {
			return err
		}
		if c.threads == 1 {
			break
		}
	}
	r := row{
		model: m.name, work: fmt.Sprintf("prefill %d", c.prompt), unit: "GOP/s", threads: c.threads,
		peer: fmt.Sprintf("GEMM in cache, Q4_K %d × %d by %d rows, %s", gemmRows, gemmCols, gemmIn, threadsName(c.threads)),
		note: fmt.Sprintf("%.2f GOP a token, attention left out", 2*float64(s.prefillParams)/1e9),
	}
	return c.beside(r, lite, scaled("prefill", 2*float64(s.prefillParams)), machine, scaled("GEMM", 1))
}

func threadsName(n int) string {
	if n == 1 {
		return "1 thread"
	}
	return fmt.Sprintf("%d threads", n)
}
