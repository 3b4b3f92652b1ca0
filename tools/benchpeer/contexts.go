package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// warmTokens warm llama.cpp up, where a whole prompt takes minutes. Lite's prompt is
// measured twice, the first time to read the experts, as far as that is shortTokens.
const (
	warmTokens  = 512
	shortTokens = 8192
)

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
	w, note := work{prompt: n, generate: generate, runs: 2, context: n + 1024}, fmt.Sprintf("llama.cpp is warm by %d tokens", warmTokens)
	if n > shortTokens {
		w.runs, note = 1, note+", Lite is not: it reads the experts"
	}
	turns := []turn{c.liteTurn(m, w)}
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
				note: note,
			}
			if err := c.beside(r, &t[0], named(of.key), &t[i], named(of.key)); err != nil {
				return err
			}
		}
	}
	return nil
}
