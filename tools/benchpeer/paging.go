package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// pagedWork is decoded within a limit, and tenthWork within a tenth of the file,
// where there is no room for more keys and values.
var (
	pagedWork = work{prompt: 16, generate: 48, context: 512}
	tenthWork = work{prompt: 16, generate: 48, context: 128}
)

// slowTokens are generated where one takes seconds.
const slowTokens = 12

// paging measures decoding in parts of the file's size: Lite, and llama.cpp that
// maps the file. Its repacking is off, since repacked weights are not file-backed
// and it would be killed.
func (c *config) paging(ctx context.Context) error {
	names := []string{c.model}
	if strings.HasPrefix(c.model, generated) {
		names = append(names, c.model+" --skew 1") // routing that prefers some experts
	}
	for _, name := range names {
		for _, percent := range []int64{75, 50, 25} {
			if err := c.within(ctx, name, percent, pagedWork, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// tenth measures it in a tenth of the file, where only Lite is.
func (c *config) tenth(ctx context.Context) error {
	return c.within(ctx, c.model, 10, tenthWork, false)
}

// within measures a model in percent of its file, and makes a row of what fails.
func (c *config) within(ctx context.Context, name string, percent int64, w work, besidePeer bool) error {
	called := fmt.Sprintf("decode within %d %% of the file", percent)
	m, err := c.find(ctx, name)
	if err == nil {
		err = c.page(ctx, m, called, percent, w, besidePeer)
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	return c.ledger.fail(row{model: m.name, work: called, unit: "tokens/s", threads: c.threads}, err)
}

func (c *config) page(ctx context.Context, m model, called string, percent int64, w work, besidePeer bool) error {
	s, err := shapeOf(m.path)
	if err != nil {
		return err
	}
	if s.experts == 0 {
		return errors.New("a model of experts is needed")
	}
	limit, err := part(m.path, percent)
	if err != nil {
		return err
	}
	same := &sameTokens{}
	turns := []turn{c.wholeTurn(m, w, same), diskTurn(s, m.path), c.pagedTurn(m, limit, w, same)}
	if besidePeer {
		more, err := c.mappedTurns(ctx, m, limit)
		if err != nil {
			return err
		}
		turns = append(turns, more...)
	}
	t, err := take(ctx, m.name+", "+called, c.rounds, turns)
	if err != nil {
		return err
	}
	ours, reached := &t[2], row{model: m.name, work: called, unit: "tokens/s", threads: c.threads}
	for i := 3; i < len(t); i++ {
		r := reached
		r.peer = turns[i].name
		if err := c.beside(r, ours, named("decode"), &t[i], named("decode")); err != nil {
			return err
		}
	}
	return c.besideDisk(reached, s, &t[0], &t[1], ours)
}

// besideDisk adds what was predicted, and how fast experts came from the disk.
func (c *config) besideDisk(r row, s shape, whole, disk, ours *taken) error {
	for _, t := range []*taken{whole, disk} {
		if t.err != nil {
			return t.err
		}
	}
	predicted := &taken{}
	for i, v := range ours.rounds {
		p := prediction{
			layers: s.layers, chosen: s.chosen, inMemory: 1 / whole.rounds[i]["decode"], expertShare: s.expertShare(),
			expertBytes: s.perExpert(), diskRate: disk.rounds[i]["best"], miss: v["miss"],
		}
		predicted.rounds = append(predicted.rounds, values{"decode": p.rate()})
	}
	r.peer = "predicted"
	if ours.err == nil {
		v := ours.rounds[0]
		r.note = fmt.Sprintf("%.1f MB of experts missed a token; the tokens of the run in memory; the limit never reached", v["missed"]/1e6)
	}
	if err := c.beside(r, ours, named("decode"), predicted, named("decode")); err != nil || len(ours.rounds) < c.rounds {
		return err
	}
	r.peer, r.note = "in memory", ""
	if err := c.beside(r, ours, named("decode"), whole, named("decode")); err != nil {
		return err
	}
	r.work, r.unit = "experts read in "+r.work, "GB/s"
	for _, d := range depths {
		r.peer = fmt.Sprintf("%s, reads of %d KiB", diskName(d), s.expertPart>>10)
		err := c.beside(r, ours, func(v values) float64 { return v["missed"] * v["decode"] / 1e9 },
			disk, func(v values) float64 { return v[diskName(d)] / 1e9 })
		if err != nil {
			return err
		}
	}
	return nil
}

// sameTokens is the tokens of the first run, and those of all others if all is well.
type sameTokens struct{ sha string }

// check is an error for other tokens.
func (s *sameTokens) check(b *benched) error {
	switch s.sha {
	case "":
		s.sha = b.TokensSHA256
	case b.TokensSHA256:
	default:
		return fmt.Errorf("tokens differ: their SHA-256 is %s here, and %s in memory", b.TokensSHA256, s.sha)
	}
	return nil
}

// part is percent of a file's size, in bytes.
func part(path string, percent int64) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, fmt.Errorf("the model: %w", err)
	}
	return info.Size() * percent / 100, nil
}

// wholeTurn decodes the same with all experts resident: the second run has them.
func (c *config) wholeTurn(m model, w work, same *sameTokens) turn {
	return turn{"lite in memory", func(ctx context.Context) (values, error) {
		w.runs = 2
		b, err := c.bench(ctx, nil, m.path, w)
		if err != nil {
			return nil, err
		}
		if b.Stats.Misses > 0 {
			return nil, fmt.Errorf("%d experts were missing in memory", b.Stats.Misses)
		}
		return values{"decode": b.Stats.Decode}, same.check(&b)
	}}
}

// pagedTurn decodes within limit bytes. What a token misses is told apart from what
// the prompt did by a run of the prompt alone, which takes the same steps.
func (c *config) pagedTurn(m model, limit int64, w work, same *sameTokens) turn {
	var prompt *benched
	return turn{"lite", func(ctx context.Context) (values, error) {
		if prompt == nil {
			alone := w
			alone.generate = 1
			b, err := c.limited(ctx, limit, m.path, alone, nil)
			if err != nil {
				return nil, err
			}
			prompt = &b
		}
		b, err := c.limited(ctx, limit, m.path, w, nil)
		if err != nil {
			return nil, err
		}
		if err := same.check(&b); err != nil {
			return nil, err
		}
		return decoded(&b, prompt)
	}}
}

// decoded is what the tokens after the first one took: the whole without the prompt.
func decoded(whole, prompt *benched) (values, error) {
	tokens := whole.Stats.Generated - prompt.Stats.Generated
	missed, misses := whole.Stats.Missed-prompt.Stats.Missed, whole.Stats.Misses-prompt.Stats.Misses
	leases := misses + whole.Stats.Hits - prompt.Stats.Hits
	if tokens < 1 || missed < 0 || misses < 0 || leases < 1 {
		return nil, errors.New("a longer answer missed less than its prompt")
	}
	return values{
		"decode": whole.Stats.Decode, "missed": float64(missed) / float64(tokens), "miss": float64(misses) / float64(leases),
	}, nil
}

// mappedTurns are llama.cpp with the read-ahead as the device was found, and tuned,
// then with one thread too.
func (c *config) mappedTurns(ctx context.Context, m model, limit int64) ([]turn, error) {
	program, err := c.source(ctx)
	if err != nil {
		return nil, err
	}
	ahead, err := readAheadOf(ctx, m.path)
	if err != nil {
		return nil, err
	}
	mapped := func(name, kib string, threads, n int) turn {
		return turn{fmt.Sprintf("llama.cpp mmap, read-ahead %s%s KiB, %s", name, kib, threadsName(threads)), func(ctx context.Context) (v values, err error) {
			g, err := newGroup("benchpeer-peer", limit)
			if err != nil {
				return nil, err
			}
			defer func() { err = errors.Join(err, g.close()) }()
			if err := dropCaches(ctx); err != nil {
				return nil, err
			}
			err = ahead.with(kib, func() error {
				out, err := g.command(ctx, program, "-m", m.path, "-t", strconv.Itoa(threads), "-n", strconv.Itoa(n), "-c", "512",
					"-p", "the quick", "--no-repack", "--no-warmup", "-no-cnv", "--ignore-eos", "--seed", "3")
				if err != nil {
					return err
				}
				rate, err := evaluated(out)
				v = values{"decode": rate}
				return err
			})
			return v, err
		}}
	}
	return []turn{
		mapped("", tuned, 1, pagedWork.generate), mapped("", tuned, c.threads, pagedWork.generate),
		mapped("as found, ", ahead.found, c.threads, slowTokens),
	}, nil
}

// evaluation finds the rate of decoding in what llama.cpp says at its end.
var evaluation = regexp.MustCompile(`(?m)[^t] +eval time = .*, +([0-9.]+) tokens per second`)

func evaluated(out []byte) (float64, error) {
	found := evaluation.FindSubmatch(out)
	if found == nil {
		return 0, errors.New("llama.cpp does not say how long it took")
	}
	return strconv.ParseFloat(string(found[1]), 64)
}
