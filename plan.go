package lite

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/lite-llm/lite/internal/expert"
	"github.com/lite-llm/lite/internal/kv"
)

// Plan is how the memory of the process is divided. All sizes are bytes.
type Plan struct {
	Limit  int64  `json:"limit"`  // the cap
	Source string `json:"source"` // what said so
	// Process is what the program itself takes: its code, the Go runtime, the
	// vocabulary, what was open before, and room for the collector.
	Process int64 `json:"process"`
	Trunk   int64 `json:"trunk"`
	KV      int64 `json:"kv"`
	Scratch int64 `json:"scratch"`
	// Experts is the budget of expert slots; AllExperts what all would take.
	Experts    int64 `json:"experts"`
	AllExperts int64 `json:"all_experts"`
	// Records is what comes with the rest: the kernel's page tables, and the
	// cache's notes on the experts that it holds.
	Records int64 `json:"records"`
	// Token is what the experts of one token take: below it every token reads
	// again what the last one read.
	Token int64 `json:"token"`
	// TokenLimit is a cap under which they fit beside this context and chunk.
	TokenLimit int64 `json:"token_limit"`
	// Floor is the least cap under which the model runs, with the context and
	// the chunk that were asked for, or the least ones.
	Floor   int64 `json:"floor"`
	Context int   `json:"context"`
	Chunk   int   `json:"chunk"`
	Threads int   `json:"threads"`
	Direct  bool  `json:"direct"` // reads go past the page cache
	// ReadDepth is how many reads of experts are in flight at most.
	ReadDepth int      `json:"read_depth"`
	Measured  Measured `json:"measured"`
}

// Needs is the memory that the plan uses.
func (p *Plan) Needs() int64 { return p.Process + p.Trunk + p.KV + p.Scratch + p.Experts + p.Records }

// MemoryError says that a model does not run in the memory that it may take,
// and in how much it does: Options.Memory of Need is enough. Both are bytes.
type MemoryError struct {
	Need, Have int64
	Source     string // what said how much it may take
	Context    int    // positions that Need has room for
	Pinned     int64  // of Need, the tiers that a placement pins, in bytes
}

// Error implements error. The sizes are such as can be given to --memory: in
// whole MiB, Need rounded up.
func (e *MemoryError) Error() string {
	need, have := upToMiB(e.Need)>>20, e.Have>>20
	advice := "make room"
	if e.Source == sourceOption {
		advice = fmt.Sprintf("try --memory %dMiB", need)
	}
	pinned := ""
	if e.Pinned > 0 {
		pinned = fmt.Sprintf(", %d MiB of it for pinned tiers,", upToMiB(e.Pinned)>>20)
	}
	return fmt.Sprintf("a context of %d tokens needs at least %d MiB of memory%s and may take %d MiB (%s): %s, or lower --context or --threads",
		e.Context, need, pinned, have, e.Source, advice)
}

// sourceOption is the Source of a limit that the caller set.
const sourceOption = "--memory"

// margin is what a refusal asks for beyond the floor: what a process has
// resident differs a little from run to run (by up to 2 MiB where it was seen), and
// the number that one run names must do for the next.
const margin = 4 << 20

// demand is what a model asks of memory, by the numbers that a plan chooses.
type demand struct {
	process, trunk         int64
	page                   int64 // of KV: 128 positions
	scratch                func(rows int) int64
	all, largest, smallest int64 // slots of all experts, and of one
	count                  int64 // slots of all experts; 0 when nobody counted
	token                  int64 // slots of one token's experts
	floor                  int64 // the least slots; 0 is MinSlots of the largest
	pinned                 int64 // of the floor, what stays in memory because it was asked to
	margin                 int64 // what differs between runs beyond the usual
}

// Defaults of a plan, and how far it goes down before it refuses.
const (
	defaultContext = 4096
	fairContext    = 1024
	leastContext   = 512
	defaultChunk   = 512
	fairChunk      = 128
	leastChunk     = 16
)

// What memory costs beyond itself.
const (
	tableShare = 512 // a page table has 8 bytes for each 4 KiB
	slotRecord = 512 // of the heap for each resident expert: its entry, and the policy's
)

// shape is the numbers that a plan may choose.
type shape struct{ context, chunk int }

// shapes lists them from the one that is wanted to the least, and says how many
// are fair. Each number that was asked for stays as it is. A smaller chunk reads
// a prompt's experts more often, and a smaller context ends conversations
// earlier: both go down to a fair size before one goes on to its least.
func shapes(asked shape, modelContext int) (all []shape, fair int) {
	s := asked
	if s.context == 0 {
		s.context = min(defaultContext, modelContext)
	}
	if s.chunk == 0 {
		s.chunk = defaultChunk
	}
	s.chunk = min(s.chunk, s.context)
	all = []shape{s}
	shrink := func(n *int, asked, least int) {
		for asked == 0 && *n > least {
			*n = max(least, *n/2)
			s.chunk = min(s.chunk, s.context)
			all = append(all, s)
		}
	}
	shrink(&s.chunk, asked.chunk, fairChunk)
	shrink(&s.context, asked.context, fairContext)
	fair = len(all)
	shrink(&s.chunk, asked.chunk, leastChunk)
	shrink(&s.context, asked.context, leastContext)
	return all, fair
}

// plan divides a limit. What the caller asked for is kept or refused; what it
// left open shrinks until one token's experts fit, or half of them, and so on:
// to a fair size for experts that may be read again, and below it only to run at
// all.
func plan(d demand, limit int64, source string, asked shape, modelContext, threads int) (*Plan, error) {
	floor := d.floor
	if floor == 0 {
		floor = min(expert.MinSlots*d.largest, d.all)
	}
	token := min(max(d.token, floor), d.all)
	ways, fair := shapes(asked, modelContext)
	least := ways[len(ways)-1]
	need := d.limitOf(least, floor)
	for want := token; ; want = max(floor, want/2) {
		among, last := ways[:fair], want == floor
		if last {
			among = ways
		}
		for _, s := range among {
			if p := d.fill(s, limit); p.Experts >= want && p.Needs() <= limit {
				p.Limit, p.Source, p.Threads, p.Floor, p.TokenLimit = limit, source, threads, need, d.limitOf(s, token)
				return p, nil
			}
		}
		if last {
			return nil, &MemoryError{Need: need, Have: limit, Source: source, Context: least.context, Pinned: d.pinned}
		}
	}
}

// limitOf is a cap that is enough for a shape and slots of that size.
func (d *demand) limitOf(s shape, slots int64) int64 {
	return upToMiB(d.fill(s, 0).Needs() + slots + d.records(slots) + margin + d.margin)
}

// upToMiB rounds up, so that the number can be typed.
func upToMiB(n int64) int64 { return (n + 1<<20 - 1) >> 20 << 20 }

// fill gives experts what a shape leaves of the limit.
func (d *demand) fill(s shape, limit int64) *Plan {
	p := &Plan{
		Process: d.process, Trunk: d.trunk, KV: int64(kv.Pages(s.context)) * d.page, Scratch: d.scratch(s.chunk),
		AllExperts: d.all, Token: d.token, Context: s.context, Chunk: s.chunk,
	}
	p.Records = (p.Needs() + tableShare - 1) / tableShare
	if left := limit - p.Needs(); left > 0 && d.all > 0 {
		p.Experts = min(d.all, d.within(left))
		p.Records += d.records(p.Experts)
	}
	return p
}

// records is what slots of that size cost beyond themselves, at most: all of them
// are of the smallest size, or are all that there are.
func (d *demand) records(slots int64) int64 {
	if d.all == 0 {
		return 0
	}
	q, rest := scaled(slots, d.perSlot(), d.smallest)
	q += min(rest, 1)
	if d.counted() {
		q = min(q, d.count*slotRecord+(slots+tableShare-1)/tableShare)
	}
	return q
}

// counted says that the number of slots bounds the notes on them.
func (d *demand) counted() bool { return d.count > 0 && d.count < math.MaxInt64/slotRecord }

// within is the most slots that fit n bytes with their records: the inverse of
// slots + records(slots).
func (d *demand) within(n int64) int64 {
	q, _ := scaled(n, d.smallest, d.smallest+d.perSlot())
	if d.counted() && n > d.count*slotRecord {
		tables, _ := scaled(n-d.count*slotRecord, tableShare, tableShare+1)
		q = max(q, tables)
	}
	return q
}

// perSlot is what the smallest slot costs beyond itself: less than itself,
// because it is at least a page.
func (d *demand) perSlot() int64 { return d.smallest/tableShare + slotRecord }

// scaled is n·a/b and the remainder, for a < b, without overflow.
func scaled(n, a, b int64) (q, rest int64) {
	hi, lo := bits.Mul64(uint64(n), uint64(a)) //nolint:gosec // sizes are not negative
	uq, ur := bits.Div64(hi, lo, uint64(b))    //nolint:gosec // as above
	return int64(uq), int64(ur)                //nolint:gosec // at most n and b
}
