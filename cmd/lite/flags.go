package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

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
	read        string
	readDepth   int
	prefetch    string
	routingSeed uint64
	json        bool
	tiers       string
	openTiers   []string
	// tierSet is what addTierSet put there: lists among them are planned for.
	tierSet func() []string
	storageFlags
	placement string
	verify    bool
	key       string
	cmd       *cobra.Command
}

func (f *modelFlags) add(cmd *cobra.Command) {
	f.cmd = cmd
	fl := cmd.Flags()
	fl.StringVar(&f.memory, "memory", "", "hard cap on the process, a `SIZE` such as 3GiB (default: what the machine and its cgroup have available)")
	fl.IntVar(&f.threads, "threads", 0, "`N` workers (default: as many of the processors as are fastest, measured at start)")
	fl.IntVar(&f.context, "context", 0, "at most `N` positions of a sequence (default: the model's own or 4096, or what fits memory)")
	fl.IntVar(&f.chunk, "chunk", 0, "at most `N` prompt tokens in a step (default: 512, or what fits memory)")
	fl.StringVar(&f.kv, "kv", "f16", "`TYPE` of stored keys and values: f16, bf16 or f32")
	fl.StringVar(&f.read, "read", "auto", "`HOW` experts are read: auto, direct (past the page cache) or buffered")
	fl.IntVar(&f.readDepth, "read-depth", 0, "at most `N` reads of experts in flight (default: the fewest that are fastest, measured at start)")
	fl.StringVar(&f.prefetch, "prefetch", "off", "`HOW` the next layer's experts are guessed and read ahead: off, next (its router is asked) or transitions (what followed before)")
	fl.Uint64Var(&f.routingSeed, "routing-seed", 0, "`SEED` of the order of equal routing scores (default: the model's)")
	fl.StringVar(&f.tiers, "tiers", "", "divide a flat model's experts by the tier plan in `FILE` (lite tier-plan)")
	fl.StringSliceVar(&f.openTiers, "open-tiers", nil, "use none but these tiers: `NAMES` parted by commas (default: all)")
	fl.BoolVar(&f.verify, "verify", false, "check a pack's weights against its hashes as they are read")
	fl.StringVar(&f.key, "key", "", "the public key in this `FILE` must have signed the pack; implies --verify")
	f.storageFlags.add(cmd)
	fl.StringVar(&f.placement, "placement", "", "put tiers on memory, disk and object store as the `FILE` says (docs/tiers.md)")
	fl.BoolVar(&f.json, "json", false, "print JSON")
}

// options are what the flags say.
func (f *modelFlags) options() (lite.Options, error) {
	o := lite.Options{Threads: f.threads, Context: f.context, Chunk: f.chunk, KV: f.kv, ReadDepth: f.readDepth, Prefetch: f.prefetch}
	if f.memory != "" {
		n, err := lite.ParseSize(f.memory)
		if err == nil && n == 0 {
			err = errors.New("0 is no size to run in; leave the flag out to take what is available")
		}
		if err != nil {
			return o, usagef("--memory: %w", err)
		}
		o.Memory = n
	}
	if f.cmd.Flags().Changed("routing-seed") {
		o.RoutingSeed = &f.routingSeed
	}
	o.OpenTiers = f.openTiers
	if f.tierSet != nil {
		o.TierSets = f.tierSet()
	}
	if f.tiers != "" {
		var err error
		if o.Tiers, err = lite.ReadTierPlan(f.tiers); err != nil {
			return o, err
		}
	}
	if f.placement != "" {
		var err error
		if o.Placement, err = lite.ReadPlacement(f.placement); err != nil {
			return o, err
		}
	}
	var err error
	if o.Storage, err = f.storage(); err != nil {
		return o, err
	}
	o.Verify = f.verify
	if f.key != "" {
		key, err := publicKey(f.key)
		if err != nil {
			return o, usagef("--key: %w", err)
		}
		o.Key = key
	}
	switch f.read {
	case "auto":
	case "direct":
		o.Direct = lite.DirectAlways
	case "buffered":
		o.Direct = lite.DirectNever
	default:
		return o, usagef("--read %q: choose auto, direct or buffered", f.read)
	}
	return o, nil
}

// open opens the model with the flags' options.
func (f *modelFlags) open(path string) (*lite.Model, error) {
	o, err := f.options()
	if err != nil {
		return nil, err
	}
	m, err := unlessInterrupted(f.cmd.Context(), func() (*lite.Model, error) { return lite.Open(path, o) })
	return m, missingFile(err)
}

// missingFile says in words that a file is not there.
func missingFile(err error) error {
	if missing, ok := errors.AsType[*fs.PathError](err); ok && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no file %s (the embedded model is called \"tiny\")", missing.Path)
	}
	return err
}

// unlessInterrupted returns what do returns, or ctx's error as soon as it is
// cancelled. What do is doing then ends with the process.
func unlessInterrupted[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		v, err := do()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// tierSetUsage is the help of --tier-set.
const tierSetUsage = "tiers to use, by the `NAME` of a set that 'lite inspect' lists, or a list such as tiers=fast,mid[,k_tier=2,k_group=1,k_expert=4]"

// addTierSet adds the flag that chooses a tier set.
func (f *modelFlags) addTierSet(cmd *cobra.Command, set *string) {
	cmd.Flags().StringVar(set, "tier-set", "", tierSetUsage+" (default: the model's)")
	f.tierSet = func() []string {
		if *set == "" {
			return nil
		}
		return []string{*set}
	}
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
	fl.Uint64Var(&f.Seed, "seed", 0, "`SEED` that draws the answer; equal seeds give equal answers (default: drawn and printed)")
	fl.Float64Var(&f.temp, "temp", 0.7, "temperature `T`; 0 takes the most likely token")
	fl.IntVar(&f.TopK, "top-k", 40, "keep the `K` most likely tokens; 0 keeps all")
	fl.Float64Var(&f.topP, "top-p", 0.95, "keep the most likely tokens that reach probability `P`; 0 keeps all")
	fl.Float64Var(&f.minP, "min-p", 0, "keep tokens at least `P` times as likely as the best; 0 keeps all")
	fl.Float64Var(&f.repeat, "repeat-penalty", 1.05, "make the last 64 tokens less likely by a `FACTOR`; 1 does nothing")
}

// drawn says that the seed was not given.
func (f *sampleFlags) drawn() bool { return !f.cmd.Flags().Changed("seed") }

// settle returns the sampling, with a seed drawn when none was given.
func (f *sampleFlags) settle() (lite.Sampling, error) {
	s := f.Sampling
	s.Temperature, s.TopP, s.MinP, s.RepeatPenalty = float32(f.temp), float32(f.topP), float32(f.minP), float32(f.repeat)
	if f.drawn() {
		var b [4]byte // short enough to type
		if _, err := rand.Read(b[:]); err != nil {
			return s, fmt.Errorf("drawing a seed: %w", err)
		}
		s.Seed = uint64(binary.LittleEndian.Uint32(b[:]))
	}
	return s, s.Validate()
}
