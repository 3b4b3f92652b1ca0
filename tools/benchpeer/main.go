// Command benchpeer compares Lite with llama.cpp on the same files, in one
// interleaved run, and appends what it measured to docs/bench/results.tsv.
//
//	go run ./tools/benchpeer [--rounds 5] [--threads 2] [--note TEXT] MODEL…
//	go run ./tools/benchpeer --paging MODEL…
//
// A MODEL is "tiny" (which llama.cpp cannot run), a GGUF file, or
// "genmodel:FLAGS", which tools/genmodel makes first. llama.cpp comes built from
// the npm package node-llama-cpp, once with the backend that it chooses for this
// processor and once with its AVX2 backend alone, the instructions that Lite
// uses. --paging measures decoding in a cgroup of 75, 50 and 25 percent of the file's
// size instead, which takes the rights for it. Nothing of llama.cpp is kept in the
// repository.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
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

// config is the flags.
type config struct {
	rounds, threads, prompt, generate int
	paging                            bool
	cache, results, note              string
}

func run(ctx context.Context, args []string) error {
	var c config
	fs := flag.NewFlagSet("benchpeer", flag.ContinueOnError)
	fs.IntVar(&c.rounds, "rounds", 5, "how often each is measured, in turns")
	fs.IntVar(&c.threads, "threads", 2, "threads of each")
	fs.IntVar(&c.prompt, "prompt", 512, "tokens of the prompt")
	fs.IntVar(&c.generate, "generate", 64, "tokens to generate")
	fs.BoolVar(&c.paging, "paging", false, "measure decoding in less memory than the model needs")
	fs.StringVar(&c.cache, "cache", ".cache", "directory for llama.cpp and generated models")
	fs.StringVar(&c.results, "results", "docs/bench/results.tsv", "file to append to; empty for none")
	fs.StringVar(&c.note, "note", "", "a remark for the rows")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		return errors.New("name a model; --help tells more")
	}
	contenders, err := c.contenders(ctx)
	if err != nil {
		return err
	}
	for _, name := range fs.Args() {
		m, err := c.model(ctx, name)
		if err != nil {
			return err
		}
		if c.paging {
			err = c.page(ctx, m)
		} else {
			err = c.compare(ctx, m, contenders)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

// model is a file to run, and how it is called in the results.
type model struct{ name, path string }

// model makes a generated file, unless it is there.
func (c *config) model(ctx context.Context, name string) (model, error) {
	flags, generated := strings.CutPrefix(name, "genmodel:")
	if !generated {
		return model{strings.TrimSuffix(filepath.Base(name), ".gguf"), name}, nil
	}
	label := strings.NewReplacer("--", "", " ", "_").Replace(strings.TrimSpace(flags))
	m := model{label, filepath.Join(c.cache, label+".gguf")}
	if _, err := os.Stat(m.path); err == nil {
		return m, nil
	}
	_, err := command(ctx, ".", "go", append([]string{"run", "./tools/genmodel", "--out", m.path}, strings.Fields(flags)...)...)
	return m, err
}
