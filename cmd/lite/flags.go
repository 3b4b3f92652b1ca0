package main

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lite-llm/lite"
)

// modelFlags are what every command that opens a model takes.
type modelFlags struct {
	memory      string
	threads     int
	context     int
	chunk       int
	kv          string
	kernels     string
	read        string
	routingSeed uint64
	json        bool
	cmd         *cobra.Command
}

func (f *modelFlags) add(cmd *cobra.Command) {
	f.cmd = cmd
	fl := cmd.Flags()
	fl.StringVar(&f.memory, "memory", "", "hard cap on the process, such as 3GiB (default: what the machine and its cgroup have available)")
	fl.IntVar(&f.threads, "threads", 0, "workers (default: one for each processor)")
	fl.IntVar(&f.context, "context", 0, "most positions of a sequence (default: the model's own or 4096)")
	fl.IntVar(&f.chunk, "chunk", 0, "most prompt tokens of a step (default: 512, or what fits memory)")
	fl.StringVar(&f.kv, "kv", "f16", "type of stored keys and values: f16, bf16 or f32")
	fl.StringVar(&f.kernels, "kernels", "", "reference or avx2 (default: LITE_KERNELS, or the fastest)")
	fl.StringVar(&f.read, "read", "auto", "how experts are read: auto, direct (past the page cache) or buffered")
	fl.Uint64Var(&f.routingSeed, "routing-seed", 0, "order of equal routing scores (default: the model's)")
	fl.BoolVar(&f.json, "json", false, "print JSON")
}

// open opens the model with the flags' options.
func (f *modelFlags) open(path string) (*lite.Model, error) {
	o := lite.Options{Threads: f.threads, Context: f.context, Chunk: f.chunk, KV: f.kv, Kernels: f.kernels}
	if f.memory != "" {
		n, err := lite.ParseSize(f.memory)
		if err != nil {
			return nil, &usageError{fmt.Errorf("--memory: %w", err)}
		}
		o.Memory = n
	}
	if f.cmd.Flags().Changed("routing-seed") {
		o.RoutingSeed = &f.routingSeed
	}
	switch f.read {
	case "auto":
	case "direct":
		o.Direct = lite.DirectAlways
	case "buffered":
		o.Direct = lite.DirectNever
	default:
		return nil, &usageError{fmt.Errorf("--read %s: choose auto, direct or buffered", f.read)}
	}
	return lite.Open(path, o)
}

// sampleFlags say how tokens are chosen.
type sampleFlags struct {
	lite.Sampling
	temp, topP, minP, repeat float64
	cmd                      *cobra.Command
}

func (f *sampleFlags) add(cmd *cobra.Command) {
	f.cmd = cmd
	fl := cmd.Flags()
	fl.Uint64Var(&f.Seed, "seed", 0, "draws the answer; equal seeds give equal answers (default: drawn and printed)")
	fl.Float64Var(&f.temp, "temp", 0.7, "temperature; 0 takes the most likely token")
	fl.IntVar(&f.TopK, "top-k", 40, "keep the k most likely tokens; 0 keeps all")
	fl.Float64Var(&f.topP, "top-p", 0.95, "keep the most likely tokens that reach this probability; 0 keeps all")
	fl.Float64Var(&f.minP, "min-p", 0, "keep tokens at least this many times as likely as the best; 0 keeps all")
	fl.Float64Var(&f.repeat, "repeat-penalty", 1.05, "make the last 64 tokens less likely; 1 does nothing")
}

// settle returns the sampling, with a seed drawn when none was given.
func (f *sampleFlags) settle() (lite.Sampling, error) {
	s := f.Sampling
	s.Temperature, s.TopP, s.MinP, s.RepeatPenalty = float32(f.temp), float32(f.topP), float32(f.minP), float32(f.repeat)
	if !f.cmd.Flags().Changed("seed") {
		var b [8]byte
		if _, err := rand.Read(b[:]); err != nil {
			return s, fmt.Errorf("drawing a seed: %w", err)
		}
		s.Seed = binary.LittleEndian.Uint64(b[:]) >> 32 // short enough to type
	}
	return s, nil
}
