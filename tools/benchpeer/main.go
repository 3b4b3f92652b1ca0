// Command benchpeer holds Lite against llama.cpp and against what the machine can
// do at most: on the same files, in one interleaved run, section by section. It
// prints ratios with their spread and appends rows to docs/bench/results.tsv, those
// of what failed too, with the reason.
//
//	go run ./tools/benchpeer                      # everything, as root
//	go run ./tools/benchpeer --only speed,start --rounds 3
//	go run ./tools/benchpeer --only speed tiny model.gguf
//
// The models are GGUF files, or "genmodel:FLAGS", which tools/genmodel makes first;
// the section speed also takes "tiny", which llama.cpp cannot run. llama.cpp comes
// with the npm package node-llama-cpp: built, once with the backend that it chooses
// for this processor and once with its AVX2 backend alone, the instructions that
// Lite uses; and as source, for what only its own program does. Nothing of it is
// kept in the repository. Limits of memory are cgroups, which take root's rights; a
// section without them is a row that says so. docs/bench/README.md says what is
// computed, and how.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "benchpeer:", err)
		}
		os.Exit(1)
	}
}

// config is the flags, and what is made of them.
type config struct {
	rounds, longRounds, threads int
	prompt, generate            int
	contexts                    string
	model, long                 string
	only, cache                 string
	quick                       []string // models of the section speed
	binary                      string   // lite
	ledger                      *ledger
}

// section measures one kind of row. An error is one that concerns no row of its own.
type section struct {
	name, of string
	run      func(*config, context.Context) error
}

// sections, in their order.
var sections = []section{
	{"speed", "decode and prefill in memory beside llama.cpp, memory's bandwidth and the GEMM peak", (*config).speed},
	{"paging", "decode in 75, 50 and 25 % of the file, uniform and skewed routing", (*config).paging},
	{"tenth", "a model ten times its limit of memory", (*config).tenth},
	{"prefill", "bytes that a prompt reads in 25 % of the file", (*config).prefillReads},
	{"batch", "four answers together in 50 % of the file", (*config).batch},
	{"start", "from the start of the program to its first token", (*config).start},
	{"peak", "memory as Lite reports it and as the kernel counts it", (*config).peak},
	{"allocations", "allocations for a token", (*config).allocations},
	{"contexts", "prefill and decode in long contexts", (*config).longContexts},
}

func run(ctx context.Context, args []string) error {
	c, results, note, err := parse(args)
	if err != nil {
		return err
	}
	chosen, err := choose(c.only)
	if err != nil {
		return err
	}
	if c.cache, err = filepath.Abs(c.cache); err != nil {
		return fmt.Errorf("the cache: %w", err)
	}
	c.binary = filepath.Join(c.cache, "lite")
	if _, err := command(ctx, ".", "go", "build", "-o", c.binary, "./cmd/lite"); err != nil {
		return err
	}
	c.ledger = newLedger(ctx, results, note, os.Stdout)
	for _, s := range chosen {
		fmt.Fprintf(os.Stderr, "section %s: %s\n", s.name, s.of)
		err := s.run(c, ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			if err := c.ledger.fail(row{model: "-", work: s.of, unit: "-", threads: c.threads}, err); err != nil {
				return err
			}
		}
	}
	if n := c.ledger.failures; n > 0 {
		return fmt.Errorf("%d rows failed; they say why", n)
	}
	return nil
}

// parse reads the flags.
func parse(args []string) (c *config, results, note string, err error) {
	c = &config{}
	fs := flag.NewFlagSet("benchpeer", flag.ContinueOnError)
	fs.Usage = func() {
		fmt.Fprintf(fs.Output(), "usage: benchpeer [flags] [MODEL…]\n\nMODELs are those of the section speed (default: tiny and that of --model).\n\nsections:\n")
		for _, s := range sections {
			fmt.Fprintf(fs.Output(), "  %-12s %s\n", s.name, s.of)
		}
		fmt.Fprintln(fs.Output(), "\nflags:")
		fs.PrintDefaults()
	}
	fs.StringVar(&c.only, "only", "", "sections to measure, with commas between; all when empty")
	fs.IntVar(&c.rounds, "rounds", 5, "how often each is measured, in turns")
	fs.IntVar(&c.longRounds, "long-rounds", 1, "the same of the section contexts, where a round takes half an hour")
	fs.IntVar(&c.threads, "threads", 2, "threads of each")
	fs.IntVar(&c.prompt, "prompt", 512, "tokens of the prompt, of the sections speed and prefill")
	fs.IntVar(&c.generate, "generate", 64, "tokens to generate")
	fs.StringVar(&c.contexts, "contexts", "4096,16384", "prompts of the section contexts, in tokens")
	fs.StringVar(&c.model, "model", "genmodel:--shape olmoe-7b --quant Q4_K_M", "a model of experts, of most sections")
	fs.StringVar(&c.long, "long", "genmodel:--shape qwen3-30b-a3b-12l --quant Q4_K_M --context 32768", "the model of the section contexts")
	fs.StringVar(&c.cache, "cache", ".cache", "directory for llama.cpp and generated models, on a disk")
	fs.StringVar(&results, "results", "docs/bench/results.tsv", "file to append to; empty for none")
	fs.StringVar(&note, "note", "", "a remark for the rows")
	if err := fs.Parse(args); err != nil {
		return nil, "", "", err
	}
	for _, n := range []int{c.rounds, c.longRounds, c.threads, c.prompt, c.generate - 1} {
		if n < 1 {
			return nil, "", "", errors.New("rounds, threads and tokens are numbers from 1, and two tokens are generated at least")
		}
	}
	if c.quick = fs.Args(); len(c.quick) == 0 {
		c.quick = []string{"tiny", c.model}
	}
	return c, results, note, nil
}

// choose returns the sections of these names, in their own order.
func choose(only string) ([]section, error) {
	if only == "" {
		return sections, nil
	}
	var chosen []section
	names := strings.Split(only, ",")
	for _, s := range sections {
		if i := slices.Index(names, s.name); i >= 0 {
			chosen, names = append(chosen, s), slices.Delete(names, i, i+1)
		}
	}
	if len(names) > 0 {
		return nil, fmt.Errorf("there is no section %q (or it is named twice); --help lists them", names[0])
	}
	return chosen, nil
}

// generated begins the name of a model that tools/genmodel makes.
const generated = "genmodel:"

// model is a file to run, and how it is called in the results.
type model struct{ name, path string }

// find makes a generated file, unless it is there.
func (c *config) find(ctx context.Context, name string) (model, error) {
	flags, made := strings.CutPrefix(name, generated)
	if !made {
		m := model{strings.TrimSuffix(filepath.Base(name), ".gguf"), name}
		if name == "tiny" {
			return m, nil
		}
		var err error
		m.path, err = filepath.Abs(name)
		return m, err
	}
	m := model{name: label(flags)}
	m.path = filepath.Join(c.cache, m.name+".gguf")
	if _, err := os.Stat(m.path); err == nil {
		return m, nil
	}
	unfinished := m.path + ".unfinished"
	if _, err := command(ctx, ".", "go", append([]string{"run", "./tools/genmodel", "--out", unfinished}, strings.Fields(flags)...)...); err != nil {
		return m, err
	}
	return m, os.Rename(unfinished, m.path)
}

// label names a generated model by its flags: the values alone of those that every
// model has.
func label(flags string) string {
	plain := strings.NewReplacer("--shape ", "", "--quant ", "", "--", "", " ", "-")
	parts := strings.Split(" "+strings.TrimSpace(flags), " --")
	for i := range parts {
		parts[i] = plain.Replace("--" + parts[i])
	}
	return strings.Join(parts[1:], "_")
}
