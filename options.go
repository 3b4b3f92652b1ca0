package lite

import (
	"crypto/ed25519"
	"fmt"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/expert/prefetch"
	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/kernel/attn"
	"github.com/lite-llm/lite/internal/par"
	"github.com/lite-llm/lite/internal/tierplan"
	"github.com/lite-llm/lite/internal/vfs"
)

// Options say how a model is run. The zero value is a good choice. No option
// but RoutingSeed changes what a model answers: they change time and memory.
type Options struct {
	// Memory is a hard cap on the process, in bytes: what the program has
	// already, its Go heap and the caller's own data included, so that the
	// collector works harder as it is approached. 0 takes what the machine and
	// its cgroup have available, and a cap above that is lowered to it.
	Memory int64
	// Threads is the number of workers; 0 is as many of the processors that the
	// process may use as are fastest, measured when the model is opened.
	Threads int
	// Context is the most positions of a sequence; 0 is the model's own
	// length or 4,096, whichever is less, or what fits memory.
	Context int
	// KV is the type of stored keys and values: "f16" (the default), "bf16"
	// or "f32". A KV type is part of the model's numerics: bits differ
	// between types, and never within one.
	KV string
	// Chunk is the most tokens of a prompt that one step takes; 0 is 512, or
	// what fits memory.
	Chunk int
	// Kernels is "reference" or "avx2"; empty takes the environment variable
	// LITE_KERNELS, or the fastest.
	Kernels string
	// RoutingSeed overrides the model's routing seed, which orders equal
	// scores. Nil leaves the model's.
	RoutingSeed *uint64
	// Direct says how experts are read: DirectAuto past the page cache when
	// the model does not fit the memory that is free, or where that is much faster.
	Direct Direct
	// ReadDepth is how many reads of experts are in flight at most; 0 is the
	// fewest that are fastest, measured when the model is opened.
	ReadDepth int
	// Prefetch is how the experts of the next layer are guessed, so that they
	// are read while the disk would be idle: "off" (the default), "next" (the
	// next layer's router is asked; native models have none that stays in
	// memory, and it names nothing) or "transitions" (what followed before).
	// docs/adr/0006 has what they gave.
	Prefetch string
	// Verify checks every byte of a pack's weights against the pack's hashes when
	// it enters memory. Only packs can be verified; other models are refused.
	Verify bool
	// Key must have signed a pack's manifest, when it is set; it implies Verify.
	Key ed25519.PublicKey

	// Storage is about models in object stores.
	Storage Storage
	// Placement says where tiers may be, in the place of what the model says.
	Placement *Placement

	// Tiers, if not nil, divides the experts of a flat model into tiers, which
	// tier sets then choose among. With all tiers active the answers are those
	// of the model without a plan, to the bit.
	Tiers *TierPlan
	// TierSets are names and lists of tiers (ParseTierList) that requests will
	// use: memory is planned for their experts. Named sets need not be listed.
	TierSets []string
	// OpenTiers, if not empty, are the only tiers that requests may use.
	OpenTiers []string

	// Measure times the layers with experts, for Model.Times.
	Measure bool
	// NoCache keeps no expert: each is read whenever a layer asks for it, however
	// much memory there is. It is for measurements.
	NoCache bool

	fs vfs.FS // of the model's path; nil is the system's
}

// verify says whether bytes of a pack are checked.
func (o *Options) verify() bool { return o.Verify || o.Key != nil }

// Direct is how files are read.
type Direct uint8

// The ways to read.
const (
	DirectAuto Direct = iota
	DirectAlways
	DirectNever
)

// settled are options whose defaults are filled in.
type settled struct {
	Options
	kernels      kernel.Impl
	elem         attn.Elem
	threadsAsked bool
	remote       bool // the model is in an object store
	prefetch     prefetch.Kind
}

// OptionError says that an option cannot be used.
type OptionError struct{ What string }

// Error implements error.
func (e *OptionError) Error() string { return e.What }

// maxContext is far above any model's, and below what overflows a plan.
const maxContext = 1 << 30

// maxReadDepth is more than a disk's queue holds; each read has a thread.
const maxReadDepth = 256

func (o Options) settle() (settled, error) {
	s := settled{Options: o}
	for _, n := range []struct {
		name  string
		value int64
	}{{"memory", o.Memory}, {"threads", int64(o.Threads)}, {"context", int64(o.Context)}, {"chunk", int64(o.Chunk)}, {"reads in flight", int64(o.ReadDepth)}} {
		if n.value < 0 {
			return s, &OptionError{What: fmt.Sprintf("%s %d: want a number from 0", n.name, n.value)}
		}
	}
	if o.Context > maxContext || o.Chunk > maxContext {
		return s, &OptionError{What: fmt.Sprintf("context and chunk can be at most %d", maxContext)}
	}
	if o.ReadDepth > maxReadDepth {
		return s, &OptionError{What: fmt.Sprintf("reads in flight can be at most %d", maxReadDepth)}
	}
	s.threadsAsked = s.Threads > 0
	if s.Threads == 0 {
		s.Threads = par.Processors()
	}
	if s.KV == "" {
		s.KV = attn.F16.String()
	}
	if s.fs == nil {
		s.fs = vfs.OS{}
	}
	var err error
	if s.elem, err = attn.ParseElem(s.KV); err != nil {
		return s, &OptionError{What: err.Error()}
	}
	if s.Prefetch == "" {
		s.Prefetch = prefetch.Off.String()
	}
	if s.prefetch, err = prefetch.ParseKind(s.Prefetch); err != nil {
		return s, &OptionError{What: err.Error()}
	}
	if o.Kernels == "" {
		s.kernels, err = kernel.Default()
	} else {
		s.kernels, err = kernel.Parse(o.Kernels)
	}
	if err != nil {
		return s, &OptionError{What: err.Error()}
	}
	return s, nil
}

// ParseSize reads a number of bytes such as "3GiB", "512m" or "1073741824".
func ParseSize(s string) (int64, error) {
	n, err := base.ParseByteSize(s)
	return int64(n), err
}

// ParseParameters reads a positive number of parameters such as "2e9", "1.3B" or
// "300M".
func ParseParameters(s string) (int64, error) { return tierplan.ParseCount(s) }
