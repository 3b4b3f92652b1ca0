package main

import (
	"context"
	"fmt"
)

// peak holds the peak that Lite reports against what the kernel charged to its
// group. A reached limit fails.
func (c *config) peak(ctx context.Context) error {
	m, err := c.find(ctx, c.model)
	if err != nil {
		return err
	}
	for _, percent := range []int64{75, 50, 25, 12} {
		limit, err := part(m.path, percent)
		if err != nil {
			return err
		}
		t, err := take(ctx, fmt.Sprintf("%s, peak at %d %%", m.name, percent), c.rounds, []turn{{"lite", func(ctx context.Context) (values, error) {
			v := values{}
			_, err := c.limited(ctx, limit, m.path, work{prompt: 256, generate: 16, context: 512}, func(g *group, b *benched) error {
				kernel, err := g.peak()
				v["reported"], v["kernel"] = float64(b.Stats.Peak), float64(kernel)
				return err
			})
			return v, err
		}}})
		if err != nil {
			return err
		}
		r := row{
			model: m.name, work: fmt.Sprintf("peak of memory within %d %% of the file", percent), unit: "bytes", threads: c.threads,
			peer: "charged by the kernel", note: fmt.Sprintf("limit %d bytes, never reached", limit),
		}
		if t[0].err != nil {
			r.note = ""
		}
		if err := c.beside(r, &t[0], named("reported"), &t[0], named("kernel")); err != nil {
			return err
		}
	}
	return nil
}
