package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// warmTokens warm a program up where a whole prompt takes minutes.
const warmTokens = 512

// longContexts compares prompts of thousands of tokens.
func (c *config) longContexts(ctx context.Context) error {
	m, err := c.find(ctx, c.long)
	if err != nil {
		return err
	}
	for text := range strings.SplitSeq(c.contexts, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return fmt.Errorf("--contexts %s: want numbers with commas between", c.contexts)
		}
		if err := c.longContext(ctx, m, n); err != nil {
			return err
		}
	}
	return nil
}

func (c *config) longContext(ctx context.Context, m model, n int) error {
	generate := min(c.generate, 16)
	turns := []turn{c.liteTurn(m, work{prompt: n, generate: generate, runs: 1, context: n + 1024})}
	for _, p := range peers {
		turns = append(turns, c.peerTurn(p, m.path, n, generate, warmTokens))
	}
	t, err := take(ctx, fmt.Sprintf("%s, %d tokens", m.name, n), c.longRounds, turns)
	if err != nil {
		return err
	}
	for _, of := range []struct{ key, name string }{
		{"prefill", fmt.Sprintf("prefill %d", n)},
		{"decode", fmt.Sprintf("decode %d after %d", generate, n)},
	} {
		for i := 1; i < len(t); i++ {
			r := row{
				model: m.name, work: of.name, unit: "tokens/s", threads: c.threads, peer: turns[i].name,
				note: fmt.Sprintf("Lite's prefill reads the experts; llama.cpp is warm by %d tokens", warmTokens),
			}
			if err := c.beside(r, &t[0], named(of.key), &t[i], named(of.key)); err != nil {
				return err
			}
		}
	}
	return nil
}
