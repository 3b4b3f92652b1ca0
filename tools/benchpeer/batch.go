package main

import (
	"context"
	"fmt"
)

// batch measures four answers that are computed together within half the file:
// tokens per second of all beside one alone, and that an expert is read once for
// them.
func (c *config) batch(ctx context.Context) error {
	m, err := c.find(ctx, c.model)
	if err != nil {
		return err
	}
	limit, err := part(m.path, 50)
	if err != nil {
		return err
	}
	answers := func(name string, more ...string) turn {
		return turn{name, func(ctx context.Context) (values, error) {
			w := pagedWork
			w.more = more
			b, err := c.limited(ctx, limit, m.path, w, nil)
			return values{"decode": b.Stats.Decode, "read": float64(b.read()), "missed": float64(b.Stats.Missed)}, err
		}}
	}
	turns := []turn{answers("one"), answers("four", "--batch", "4"), answers("four with one prompt", "--batch", "4", "--shared-prompt")}
	t, err := take(ctx, m.name+", batch", c.rounds, turns)
	if err != nil {
		return err
	}
	for i := 1; i < len(t); i++ {
		r := row{model: m.name, work: fmt.Sprintf("decode of %s within 50 %% of the file", turns[i].name), unit: "tokens/s", threads: c.threads, peer: turns[0].name}
		if err := c.beside(r, &t[i], named("decode"), &t[0], named("decode")); err != nil {
			return err
		}
		if t[i].err != nil {
			continue
		}
		r.work, r.unit, r.peer = "bytes read by "+turns[i].name+" within 50 % of the file", "bytes", "missed by any of them, once a step"
		if err := c.beside(r, &t[i], named("read"), &t[i], named("missed")); err != nil {
			return err
		}
	}
	return nil
}
