package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"github.com/lite-llm/lite"
)

// benchFlags are the flags of lite bench.
type benchFlags struct {
	modelFlags
	prompt, generate, runs int
	batch                  int
	shared                 bool
	profile                string
	tierSet                string
	kernels                bool
	capacity               bool
	sizes                  string
}

func newBench() *cobra.Command {
	f := &benchFlags{}
	c := &capacityBench{flags: &f.modelFlags}
	cmd := &cobra.Command{
		Use:   "bench MODEL | bench --kernels | bench --capacity",
		Short: "Measure prefill and decode, bytes read and hit rate; or the kernels; or what capacity costs",
		Long: `Measures a model: a prompt of fixed tokens, then greedy tokens, several times.
Prints one line of JSON for each run, with the keys of "stats" of
'lite run --json': prefill_tokens_per_s and decode_tokens_per_s, read_bytes by
rung, expert_hit_rate and the others. --batch answers several prompts together,
which reads an expert once for all of them in a step; rates are then those of all
answers together.

--kernels measures the products of every block format by one thread instead: one
row of input in GB/s of weights, 64 rows in 10^9 operations per second, beside
the plain Go reference. LITE_KERNELS=reference or avx2 chooses what runs, here
as everywhere; without it the fastest does.

--capacity measures what capacity costs a token: synthetic models of --sizes, from
10^9 to 10^15 parameters, with one active shape, in turns. Experts and routing heads
are made as they are read, held to their digests, cached and multiplied. Prints the
time of experts and of the router, tokens/s and their ratio to the smallest model's,
the bytes that a token reads, the description and the resident memory; --svg draws
the curves. Without --memory each model gets 512 MiB.`,
		Example: "  lite bench tiny\n  lite bench model.gguf --memory 2GiB --prompt 512 --generate 64\n  lite bench model.gguf --batch 4\n  lite bench --kernels\n  lite bench --capacity --svg capacity.svg",
		Args: func(cmd *cobra.Command, args []string) error {
			if f.kernels || f.capacity {
				return arguments(0)(cmd, args)
			}
			return arguments(1, "MODEL")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.kernels {
				return benchKernels(cmd.OutOrStdout(), kernelBench{rows: 1024, cols: 2048, batch: 64, atLeast: 200 * time.Millisecond, json: f.json})
			}
			if f.capacity {
				if err := c.settle(f.sizes, f.runs); err != nil {
					return err
				}
				return c.run(cmd)
			}
			return f.measure(cmd, args[0])
		},
	}
	f.add(cmd)
	f.addTierSet(cmd, &f.tierSet)
	fl := cmd.Flags()
	fl.IntVar(&f.prompt, "prompt", 256, "`N` tokens of prompt")
	fl.IntVar(&f.generate, "generate", 64, "`N` tokens to generate")
	fl.IntVar(&f.runs, "runs", 3, "measure `N` times")
	fl.IntVar(&f.batch, "batch", 1, "answer `N` prompts together")
	fl.BoolVar(&f.shared, "shared-prompt", false, "give all answers of a batch the same prompt")
	fl.StringVar(&f.profile, "cpuprofile", "", "write a profile of the processor's time after the first run to `FILE`, for go tool pprof")
	fl.BoolVar(&f.kernels, "kernels", false, "measure the products of every block format instead of a model")
	fl.BoolVar(&f.capacity, "capacity", false, "measure synthetic models of growing size instead of a model")
	c.add(cmd, &f.sizes)
	fl.Lookup("json").Usage = "print JSON lines (of a model: always)"
	return cmd
}

// measurement is a line of lite bench.
type measurement struct {
	Model        string     `json:"model"`
	Run          int        `json:"run"` // from 0
	Batch        int        `json:"batch"`
	TierSet      string     `json:"tier_set"`
	Threads      int        `json:"threads"`
	Kernels      string     `json:"kernels"`
	MemoryBytes  int64      `json:"memory_bytes"`  // what the plan uses
	TokensSHA256 string     `json:"tokens_sha256"` // of the first answer
	Stats        lite.Stats `json:"stats"`
}

func (f *benchFlags) measure(cmd *cobra.Command, path string) error {
	for _, n := range []struct {
		name  string
		value int
	}{{"prompt", f.prompt}, {"generate", f.generate}, {"runs", f.runs}, {"batch", f.batch}} {
		if n.value < 1 {
			return usagef("--%s %d: want a number from 1", n.name, n.value)
		}
	}
	const most = 1 << 20 // far above any context: what is more is refused below
	if f.batch > 1 && f.context == 0 && f.batch < most && f.prompt < most && f.generate < most {
		f.context = f.batch * positions(f.prompt+f.generate)
	}
	m, err := f.open(path)
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	info := m.Info()
	if have := info.Plan.Context / f.batch; f.prompt > have || f.generate > have-f.prompt {
		return usagef("--prompt %d and --generate %d do not fit the context of %d positions: lower them or raise --context", f.prompt, f.generate, have)
	}
	line := measurement{
		Model: info.Name, Batch: f.batch, TierSet: f.tierSet, Threads: info.Plan.Threads, Kernels: info.Kernels, MemoryBytes: info.Plan.Needs(),
	}
	if line.TierSet == "" {
		line.TierSet = info.DefaultSet
	}
	requests := f.requests(info.Vocabulary)
	end := func() error { return nil }
	for line.Run = range f.runs {
		if line.Run == min(1, f.runs-1) { // the first of several runs reads the experts
			if end, err = profile(f.profile); err != nil {
				return err
			}
		}
		b := m.GenerateBatch(cmd.Context(), requests)
		for range b.Tokens() {
		}
		for _, g := range b.Generations() {
			if err := g.Err(); err != nil {
				return err
			}
		}
		line.TokensSHA256, line.Stats = b.Generations()[0].TokensSHA256(), b.Stats()
		if err := printLine(cmd.OutOrStdout(), line); err != nil {
			return err
		}
	}
	return end()
}

// profile begins a profile of the processor's time, unless path is empty, and
// returns what ends it.
func profile(path string) (end func() error, err error) {
	if path == "" {
		return func() error { return nil }, nil
	}
	out, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("the profile: %w", err)
	}
	if err := pprof.StartCPUProfile(out); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return out.Close()
	}, nil
}

// positions is what an answer of n tokens takes of the context: whole pages.
func positions(n int) int {
	const page = 128
	return (n + page - 1) / page * page
}

// requests are those of a batch: prompts that begin at different places of one
// sequence, or the same one.
func (f *benchFlags) requests(vocabulary int) []lite.Request {
	tokens := benchTokens(f.prompt+f.batch-1, vocabulary)
	requests := make([]lite.Request, f.batch)
	for i := range requests {
		at := i
		if f.shared {
			at = 0
		}
		requests[i] = lite.Request{Tokens: tokens[at : at+f.prompt], MaxTokens: f.generate, TierSet: f.tierSet, IgnoreEnd: true}
	}
	return requests
}

// benchTokens are the same for every model, as far as its vocabulary goes, and
// spread over it.
func benchTokens(n, vocabulary int) []int32 {
	tokens := make([]int32, n)
	for i := range tokens {
		tokens[i] = int32((i*7919 + 13) % min(50000, max(1, vocabulary-8))) //nolint:gosec // an id
	}
	return tokens
}

// printLine prints a line of JSON.
func printLine(out io.Writer, v any) error {
	if err := json.MarshalWrite(out, v, json.Deterministic(true)); err != nil {
		return fmt.Errorf("printing a measurement: %w", err)
	}
	_, err := fmt.Fprintln(out)
	return err
}
