package lite

import (
	"fmt"

	"github.com/lite-llm/lite/internal/expert"
	"github.com/lite-llm/lite/internal/kv"
)

// Plan is how the memory of the process is divided. All sizes are bytes.
type Plan struct {
	Limit  int64  `json:"limit"`  // the cap
	Source string `json:"source"` // what said so
	// Process is what the program itself takes: its code, the Go runtime, the
	// vocabulary, and room for the collector.
	Process int64 `json:"process"`
	Trunk   int64 `json:"trunk"`
	KV      int64 `json:"kv"`
	Scratch int64 `json:"scratch"`
	// Experts is the budget of expert slots; AllExperts what all would take.
	Experts    int64 `json:"experts"`
	AllExperts int64 `json:"all_experts"`
	// Token is what the experts of one token take: below it every token reads
	// again what the last one read.
	Token   int64 `json:"token"`
	Context int   `json:"context"`
	Chunk   int   `json:"chunk"`
	Threads int   `json:"threads"`
	Direct  bool  `json:"direct"` // reads go past the page cache
}

// Needs is the memory that the plan uses.
func (p *Plan) Needs() int64 { return p.Process + p.Trunk + p.KV + p.Scratch + p.Experts }

// MemoryError says that a model does not run in the memory that it may take,
// and in how much it does: Options.Memory of Need is enough. Both are bytes.
type MemoryError struct {
	Need, Have int64
	Source     string // what said how much it may take
	Context    int    // positions that Need has room for
}

// Error implements error. The sizes are such as can be given to --memory: in
// whole MiB, Need rounded up.
func (e *MemoryError) Error() string {
	need, have := (e.Need+1<<20-1)>>20, e.Have>>20
	advice := "make room"
	if e.Source == sourceOption {
		advice = fmt.Sprintf("try --memory %dMiB", need)
	}
	return fmt.Sprintf("a context of %d tokens needs at least %d MiB of memory and may take %d MiB (%s): %s, or lower --context or --threads",
		e.Context, need, have, e.Source, advice)
}

// sourceOption is the Source of a limit that the caller set.
const sourceOption = "--memory"

// margin is what a refusal asks for beyond the floor: what a process has
// resident differs a little from run to run (by up to 2 MiB where it was seen), and
// the number that one run names must do for the next.
const margin = 4 << 20

// demand is what a model asks of memory, by the numbers that a plan chooses.
type demand struct {
	process, trunk int64
	page           int64 // of KV: 128 positions
	scratch        func(rows int) int64
	all, largest   int64 // slots of all experts, and of the largest
	token          int64 // slots of one token's experts
}

// Defaults of a plan, and how far it goes down before it refuses.
const (
	defaultContext = 4096
	leastContext   = 512
	defaultChunk   = 512
	leastChunk     = 16
)

// plan divides a limit. What the caller asked for is kept or refused; what it
// left open shrinks until the model fits.
func plan(d demand, limit int64, source string, context, modelContext, chunk, threads int) (*Plan, error) {
	p := &Plan{
		Limit: limit, Source: source, Process: d.process, Trunk: d.trunk, AllExperts: d.all, Token: d.token,
		Context: context, Chunk: chunk, Threads: threads,
	}
	if context == 0 {
		p.Context = min(defaultContext, modelContext)
	}
	if chunk == 0 {
		p.Chunk = defaultChunk
	}
	floor := min(expert.MinSlots*d.largest, d.all)
	for {
		p.Chunk = min(p.Chunk, p.Context)
		p.KV, p.Scratch = int64(kv.Pages(p.Context))*d.page, d.scratch(p.Chunk)
		p.Experts = 0
		left := limit - p.Needs()
		// A chunk or a context may shrink to make room for one token's
		// experts, or at the least for the floor.
		want := floor
		if (chunk == 0 && p.Chunk > leastChunk) || (context == 0 && p.Context > leastContext) {
			want = min(d.all, max(floor, d.token))
		}
		if left >= want {
			p.Experts = min(left, d.all)
			return p, nil
		}
		switch {
		case chunk == 0 && p.Chunk > leastChunk:
			p.Chunk /= 2
		case context == 0 && p.Context > leastContext:
			p.Context /= 2
		default:
			return nil, &MemoryError{Need: p.Needs() + floor + margin, Have: limit, Source: source, Context: p.Context}
		}
	}
}
