package main

import (
	"context"
	"fmt"
	"strconv"
)

// prefillReads counts what a prompt of one chunk reads within a quarter of the file,
// with nothing resident before. A chunk asks for each expert that one of its tokens
// chose once, so that the sizes of what it missed are the union of them; with
// uniform routing these are all experts.
func (c *config) prefillReads(ctx context.Context) error {
	m, err := c.find(ctx, c.model)
	if err != nil {
		return err
	}
	s, err := shapeOf(m.path)
	if err != nil {
		return err
	}
	limit, err := part(m.path, 25)
	if err != nil {
		return err
	}
	t, err := take(ctx, m.name+", prefill", c.rounds, []turn{{"lite", func(ctx context.Context) (values, error) {
		w := work{prompt: c.prompt, generate: 1, context: c.prompt + 64, more: []string{"--chunk", strconv.Itoa(c.prompt)}}
		b, err := c.limited(ctx, limit, m.path, w, nil)
		if err == nil && b.Stats.Hits > 0 {
			err = fmt.Errorf("%d experts were resident, or asked for twice", b.Stats.Hits)
		}
		return values{"read": float64(b.read()), "union": float64(b.Stats.Missed), "prefill": b.Stats.Prefill}, err
	}}})
	if err != nil {
		return err
	}
	r := row{model: m.name, work: fmt.Sprintf("bytes read for a prompt of %d within 25 %% of the file", c.prompt), unit: "bytes", threads: c.threads}
	r.peer = "union of the routed experts"
	if err := c.beside(r, &t[0], named("read"), &t[0], named("union")); err != nil || t[0].err != nil {
		return err
	}
	r.peer = "all experts"
	if err := c.beside(r, &t[0], named("read"), &t[0], func(values) float64 { return float64(s.allExperts) }); err != nil {
		return err
	}
	return c.beside(row{model: m.name, work: fmt.Sprintf("prefill %d within 25 %% of the file", c.prompt), unit: "tokens/s", threads: c.threads},
		&t[0], named("prefill"), nil, nil)
}
