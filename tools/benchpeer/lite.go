package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// benched is a line of `lite bench`, as far as it is used.
type benched struct {
	TokensSHA256 string `json:"tokens_sha256"`
	Stats        struct {
		Prefill   float64          `json:"prefill_tokens_per_s"`
		Decode    float64          `json:"decode_tokens_per_s"`
		Generated int              `json:"generated_tokens"`
		Peak      int64            `json:"peak_rss_bytes"`
		Read      map[string]int64 `json:"read_bytes"`
		Missed    int64            `json:"missed_bytes"`
		Hits      int64            `json:"expert_hits"`
		Misses    int64            `json:"expert_misses"`
	} `json:"stats"`
}

// read is what came from all rungs, in bytes.
func (b *benched) read() (n int64) {
	for _, v := range b.Stats.Read {
		n += v
	}
	return n
}

// lastLine is the last of the lines that `lite bench` printed.
func lastLine(out []byte) (benched, error) {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	var b benched
	if err := json.Unmarshal(lines[len(lines)-1], &b); err != nil {
		return b, fmt.Errorf("the output of lite bench: %w", err)
	}
	if b.Stats.Generated == 0 {
		return b, errors.New("the output of lite bench has no tokens")
	}
	return b, nil
}

// work is what `lite bench` is asked for.
type work struct {
	prompt, generate, runs, context int
	more                            []string
}

// bench runs `lite bench`, in a group if there is one: then within its limit, past
// the page cache, which is charged to the group too.
func (c *config) bench(ctx context.Context, g *group, path string, w work) (benched, error) {
	args := []string{
		"bench", path, "--prompt", strconv.Itoa(w.prompt), "--generate", strconv.Itoa(w.generate),
		"--runs", strconv.Itoa(max(1, w.runs)), "--threads", strconv.Itoa(c.threads),
	}
	if w.context > 0 {
		args = append(args, "--context", strconv.Itoa(w.context))
	}
	args = append(args, w.more...)
	if g == nil {
		out, err := command(ctx, ".", c.binary, args...)
		if err != nil {
			return benched{}, err
		}
		return lastLine(out)
	}
	args = append(args, "--read", "direct", "--memory", strconv.FormatInt(g.limit>>20, 10)+"MiB")
	out, err := g.command(ctx, c.binary, args...)
	if err != nil {
		return benched{}, err
	}
	if err := g.unhurt(); err != nil {
		return benched{}, err
	}
	return lastLine(out)
}

// limited runs `lite bench` in a group of its own, of limit bytes; then is called
// before the group goes.
func (c *config) limited(ctx context.Context, limit int64, path string, w work, then func(*group, *benched) error) (b benched, err error) {
	g, err := newGroup("benchpeer-lite", limit)
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	if b, err = c.bench(ctx, &g, path, w); err != nil || then == nil {
		return b, err
	}
	return b, then(&g, &b)
}
