package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lite-llm/lite"
	"github.com/lite-llm/lite/internal/memory"
	"github.com/lite-llm/lite/internal/rung/synth"
)

// capacityBench measures what capacity costs a token: synthetic models of several
// sizes and one active shape, in turns.
type capacityBench struct {
	sizes []string // parameters, as in a synthetic model's name
	shape string   // what else the names say
	touch int      // distinct experts that a warm measurement touches
	runs  int
	least time.Duration // of a measurement
	svg   string
	flags *modelFlags
}

// capacityMemory is what a model gets unless --memory says another cap: less than the
// experts of 10^9 parameters together. A model that fits has its experts in large
// pages, which reads them faster; no size may have that for itself.
const capacityMemory = 512 << 20

// answerTokens is the length of an answer of the benchmark at most: as many passes
// of one token, the prompt's included.
const answerTokens = 4

// capacityLine is what was measured of one size. Its JSON is the line of
// lite bench --capacity --json.
type capacityLine struct {
	Model     string  `json:"model"`
	Synthetic bool    `json:"synthetic"` // always
	Params    int64   `json:"params"`
	Active    int64   `json:"active_params"`
	Layers    int     `json:"layers"`
	Tiers     int     `json:"tiers"`
	Groups    int     `json:"groups_per_tier"`
	Experts   int     `json:"experts_per_group"`
	All       float64 `json:"experts"` // in all layers
	// RouterRows is T + k_tier·G + k_tier·k_group·E, of each layer.
	RouterRows       int   `json:"router_rows"`
	DescriptionBytes int64 `json:"description_bytes"`
	// ResidentBytes is what the process has more resident than before the model
	// was opened, with Touched experts (routing heads apart) in the cache.
	ResidentBytes int64        `json:"resident_bytes"`
	Touched       int          `json:"touched_experts"`
	Warm          capacityTime `json:"warm"`
	Cold          capacityTime `json:"cold"`
	Threads       int          `json:"threads"`
	Kernels       string       `json:"kernels"`
}

// capacityTime is where the time of a token goes: medians of the runs, with the
// least and the most. The ratio is that of tokens/s to the smallest size's in the
// same run.
type capacityTime struct {
	Expert       spread `json:"expert_ms"`
	Router       spread `json:"router_ms"`
	Token        spread `json:"token_ms"`
	TokensPerSec spread `json:"tokens_per_s"`
	Ratio        spread `json:"ratio"`
	ExpertRatio  spread `json:"expert_time_ratio"`
	// ReadBytes is what a token reads of experts and leased heads.
	ReadBytes float64 `json:"read_bytes_per_token"`
	runs      []capacityRun
}

// capacityRun is a token of one run, in milliseconds.
type capacityRun struct{ expert, router, token, read float64 }

// spread is the median of some numbers, the least and the most.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

func spreadOf(v []float64) spread {
	v = slices.Clone(v)
	slices.Sort(v)
	n := len(v)
	if n == 0 {
		return spread{}
	}
	return spread{(v[(n-1)/2] + v[n/2]) / 2, v[0], v[n-1]}
}

// capacitySize is a model while it is measured.
type capacitySize struct {
	line     capacityLine
	requests []lite.Request
}

// run measures and prints.
func (b *capacityBench) run(cmd *cobra.Command) error {
	sizes := make([]*capacitySize, len(b.sizes))
	for i, params := range b.sizes {
		s, err := b.describe(params)
		if err != nil {
			return err
		}
		sizes[i] = s
	}
	for i, s := range sizes {
		if err := b.choose(cmd.Context(), s); err != nil {
			return fmt.Errorf("%s: %w", b.sizes[i], err)
		}
	}
	for run := range b.runs {
		for i, s := range sizes {
			fmt.Fprintf(cmd.ErrOrStderr(), "run %d of %d, %s\n", run+1, b.runs, s.line.Model)
			if err := b.measure(cmd.Context(), s); err != nil {
				return fmt.Errorf("%s: %w", b.sizes[i], err)
			}
		}
	}
	lines := make([]*capacityLine, len(sizes))
	for i, s := range sizes {
		s.line.Warm.sum(&sizes[0].line.Warm)
		s.line.Cold.sum(&sizes[0].line.Cold)
		lines[i] = &s.line
	}
	if b.svg != "" {
		if err := writeCapacitySVG(b.svg, lines); err != nil {
			return err
		}
	}
	if b.flags.json {
		for _, l := range lines {
			if err := printLine(cmd.OutOrStdout(), l); err != nil {
				return err
			}
		}
		return nil
	}
	return printCapacity(cmd, lines)
}

// name is the name of a synthetic model.
func (b *capacityBench) name(params string) string {
	name := synth.Prefix + params
	if b.shape != "" {
		name += "," + b.shape
	}
	return name
}

// describe says what is known before anything is measured.
func (b *capacityBench) describe(params string) (*capacitySize, error) {
	spec, err := synth.Parse(b.name(params))
	if err != nil {
		return nil, err
	}
	m, err := synth.New(spec)
	if err != nil {
		return nil, err
	}
	s := &capacitySize{line: capacityLine{Model: b.name(params), Synthetic: true, Layers: spec.Layers}}
	l := &s.line
	l.Tiers, l.Groups, l.Experts = m.Sizes()
	l.All = float64(l.Layers) * float64(l.Tiers) * float64(l.Groups) * float64(l.Experts)
	l.DescriptionBytes, err = m.DescriptionBytes()
	return s, err
}

// open opens a model for a measurement.
func (b *capacityBench) open(s *capacitySize, cold bool) (*lite.Model, error) {
	o, err := b.flags.options()
	if err != nil {
		return nil, err
	}
	o.Measure, o.NoCache = true, cold
	if o.Memory == 0 {
		o.Memory = capacityMemory
	}
	return lite.Open(s.line.Model, o)
}

// measure measures one size once, warm and cold.
func (b *capacityBench) measure(ctx context.Context, s *capacitySize) error {
	debug.FreeOSMemory()
	before := memory.RSS()
	warm, err := b.open(s, false)
	if err != nil {
		return err
	}
	// What is measured has been run before, so that all of it is resident.
	_, err = answer(ctx, warm, s.requests)
	debug.FreeOSMemory()
	s.line.ResidentBytes = max(s.line.ResidentBytes, memory.RSS()-before)
	if err == nil {
		err = b.time(ctx, s, &s.line.Warm, warm)
	}
	if err := errors.Join(err, warm.Close()); err != nil {
		return err
	}
	cold, err := b.open(s, true)
	if err != nil {
		return err
	}
	return errors.Join(b.time(ctx, s, &s.line.Cold, cold), cold.Close())
}

// choose finds requests that together touch as many distinct experts as the
// measurement wants: fewer at a size where tokens share few.
func (b *capacityBench) choose(ctx context.Context, s *capacitySize) error {
	m, err := b.open(s, false)
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	info := m.Info()
	s.line.Params, s.line.Threads, s.line.Kernels = info.Params, info.Plan.Threads, info.Kernels
	set := info.Sets[0]
	s.line.RouterRows = s.line.Tiers + set.KTier*s.line.Groups + set.KTier*set.KGroup*s.line.Experts
	type expert struct{ layer, index int }
	seen := map[expert]bool{}
	for i := 0; len(seen) < b.touch && i < info.Vocabulary; i++ {
		r := lite.Request{Tokens: benchTokens(i+1, info.Vocabulary)[i:], MaxTokens: answerTokens, IgnoreEnd: true}
		tokens, err := answer(ctx, m, []lite.Request{r})
		if err != nil {
			return err
		}
		passed := append(slices.Clone(r.Tokens), tokens[:len(tokens)-1]...)
		at := make([][]expert, len(passed))
		err = m.Logits(ctx, "", passed, func(int, []float32) error { return nil }, func(layer, position int, chosen []lite.Expert) {
			for _, c := range chosen {
				at[position] = append(at[position], expert{layer, c.Index})
			}
		})
		if err != nil {
			return err
		}
		for r.MaxTokens = 0; r.MaxTokens < len(at) && len(seen) < b.touch; r.MaxTokens++ {
			for _, e := range at[r.MaxTokens] {
				seen[e] = true
			}
		}
		s.requests = append(s.requests, r)
	}
	s.line.Touched = len(seen)
	return nil
}

// answer answers the requests and returns the tokens.
func answer(ctx context.Context, m *lite.Model, requests []lite.Request) (tokens []int32, err error) {
	for _, r := range requests {
		g := m.Generate(ctx, r)
		for t := range g.Tokens() {
			tokens = append(tokens, t.ID)
		}
		if err := g.Err(); err != nil {
			return nil, err
		}
	}
	return tokens, nil
}

// time answers the requests again and again until there is enough to measure.
func (b *capacityBench) time(ctx context.Context, s *capacitySize, to *capacityTime, m *lite.Model) error {
	if _, err := answer(ctx, m, s.requests[:1]); err != nil { // wakes the workers
		return err
	}
	before, begin, tokens, read := m.Times(), time.Now(), 0, int64(0)
	var wall time.Duration
	for tokens == 0 || wall < b.least {
		for _, r := range s.requests {
			g := m.Generate(ctx, r)
			for range g.Tokens() {
				tokens++
			}
			if err := g.Err(); err != nil {
				return err
			}
			read += g.Stats().ReadBytes[synth.Name]
			s.line.Active = max(s.line.Active, g.Stats().ActiveParamsMax)
		}
		wall = time.Since(begin)
	}
	after, n := m.Times(), float64(tokens)
	ms := func(d time.Duration) float64 { return 1e3 * d.Seconds() / n }
	to.runs = append(to.runs, capacityRun{ms(after.Experts - before.Experts), ms(after.Router - before.Router), ms(wall), float64(read) / n})
	return nil
}

// sum makes medians of the runs, and ratios to those of the smallest size.
func (t *capacityTime) sum(smallest *capacityTime) {
	of := func(f func(i int, r capacityRun) float64) spread {
		var v []float64
		for i, r := range t.runs {
			v = append(v, f(i, r))
		}
		return spreadOf(v)
	}
	t.Expert = of(func(_ int, r capacityRun) float64 { return r.expert })
	t.Router = of(func(_ int, r capacityRun) float64 { return r.router })
	t.Token = of(func(_ int, r capacityRun) float64 { return r.token })
	t.TokensPerSec = of(func(_ int, r capacityRun) float64 { return 1e3 / r.token })
	t.Ratio = of(func(i int, r capacityRun) float64 { return smallest.runs[i].token / r.token })
	t.ExpertRatio = of(func(i int, r capacityRun) float64 { return r.expert / smallest.runs[i].expert })
	t.ReadBytes = of(func(_ int, r capacityRun) float64 { return r.read }).Median
}

// printCapacity prints a table for people.
func printCapacity(cmd *cobra.Command, lines []*capacityLine) error {
	out := cmd.OutOrStdout()
	range3 := func(s spread, format string) string {
		return fmt.Sprintf(format+" ("+format+"–"+format+")", s.Median, s.Min, s.Max)
	}
	t := table{{"synthetic model", "parameters", "experts", "T × G × E", "router rows", "description", "resident", "experts touched"}}
	for _, l := range lines {
		t = append(t, []string{
			l.Model, count(l.Params), fmt.Sprintf("%.3g", l.All), fmt.Sprintf("%d × %d × %d", l.Tiers, l.Groups, l.Experts),
			strconv.Itoa(l.RouterRows), size(l.DescriptionBytes), size(l.ResidentBytes), strconv.Itoa(l.Touched),
		})
	}
	if err := t.print(out); err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		of   func(*capacityLine) *capacityTime
	}{{"warm", func(l *capacityLine) *capacityTime { return &l.Warm }}, {"cold", func(l *capacityLine) *capacityTime { return &l.Cold }}} {
		t = table{{part.name, "expert ms", "to smallest", "router ms", "token ms", "tokens/s", "to smallest", "experts and heads", "read a token"}}
		for _, l := range lines {
			p := part.of(l)
			t = append(t, []string{
				l.Model, range3(p.Expert, "%.2f"), range3(p.ExpertRatio, "%.3f"), range3(p.Router, "%.3f"), range3(p.Token, "%.2f"),
				range3(p.TokensPerSec, "%.2f"), range3(p.Ratio, "%.3f"), fmt.Sprintf("%.0f %%", 100*(p.Expert.Median+p.Router.Median)/p.Token.Median), size(int64(p.ReadBytes)),
			})
		}
		fmt.Fprintln(out)
		if err := t.print(out); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(out, "\nMedian (least–most) of interleaved runs. Warm: all experts that are touched are resident; cold: nothing is kept.")
	return err
}

// capacityFlags adds the flags of lite bench --capacity.
func (b *capacityBench) add(cmd *cobra.Command, sizes *string) {
	fl := cmd.Flags()
	fl.StringVar(sizes, "sizes", "1e9,1e12,1e15", "with --capacity: `PARAMETERS` of the models, with commas between them, the smallest first")
	fl.StringVar(&b.svg, "svg", "", "with --capacity: draw the curves to `FILE`")
	fl.IntVar(&b.touch, "touch", 180, "with --capacity: `N` distinct experts are touched warm")
	fl.DurationVar(&b.least, "least", 500*time.Millisecond, "with --capacity: measure each size for a `TIME` at least, in each run")
	fl.StringVar(&b.shape, "shape", "", "with --capacity: another active `SHAPE`, such as layers=2,dim=256,ff=256")
}

// settle checks the flags.
func (b *capacityBench) settle(sizes string, runs int) error {
	b.runs = runs
	for s := range strings.SplitSeq(sizes, ",") {
		if s = strings.TrimSpace(s); s != "" {
			b.sizes = append(b.sizes, s)
		}
	}
	switch {
	case len(b.sizes) == 0:
		return usagef("--sizes: want at least one number of parameters")
	case b.runs < 1:
		return usagef("--runs %d: want a number from 1", b.runs)
	case b.touch < 1 || b.touch > 1<<20:
		return usagef("--touch %d: want a number from 1 to %d", b.touch, 1<<20)
	}
	if b.svg != "" { // before minutes of measuring
		f, err := os.Create(b.svg)
		if err != nil {
			return fmt.Errorf("the drawing: %w", err)
		}
		return f.Close()
	}
	return nil
}
