// Package expert lends experts: a layer asks for those that its router chose,
// and gets leases as their bytes become readable. It is where the two roads
// meet: rungs below, the model's blocks above. What it decides (which bytes
// stay) changes time, never a result; what it cannot read it reports.
//
// A Cache is a monitor. One lock guards all of its state; whoever changes the
// state signals the readers, a pool of goroutines whose size is the depth of
// the disk's queue, and each of them pulls its next read:
//
//	Acquire ─ residents ─────────────────────────────► Next ─ lease ─ Release
//	   └───── missing ── slot ── reads ── finished ──────┘               │
//	                      ▲                                              │
//	                      └──────────── room: spare, or evicted ◄────────┘
//
// Demands come before hints, and an expert takes its slot only when a reader is
// free for it, so that slots are not held by what nobody reads yet.
package expert

import (
	"fmt"
	"time"

	"github.com/lite-llm/lite/internal/expert/policy"
)

// Kind is what an ID names: an expert, or a routing head that is too large a
// part of the model to be trunk and is leased as experts are.
type Kind = policy.Kind

// The kinds.
const (
	KindExpert     Kind = iota // Index is the expert's canonical number within the layer
	KindGroupHead              // scores the groups of a tier; Index is the tier
	KindExpertHead             // scores the experts of a group; Index counts the groups of all tiers of the layer
)

// kinds is how many there are.
const kinds = 3

// ID names an expert, or a routing head, of a layer.
type ID struct {
	Layer int32
	Kind  Kind
	Index int64
}

// String prints an ID as logs show it: "L12/E7" is an expert, "L12/T3" the head
// within tier 3, "L12/G40" the head within group 40.
func (id ID) String() string { return fmt.Sprintf("L%d/%c%d", id.Layer, "ETG"[id.Kind], id.Index) }

// Store lends experts.
type Store interface {
	// Acquire opens a batch of leases on ids, each named once; ids is borrowed
	// for the call. One batch is open at a time, and opening a second is a
	// mistake that panics. A batch may name more experts than fit memory: a
	// release frees the room that the next one waits for.
	Acquire(ids []ID) *Batch
	// Hint says that these experts may be asked for soon, and replaces the
	// last hint; likeliest first. They are read when no demand is waiting or
	// being read, into few places, in which what was not asked for is the first
	// to leave; or not at all. Any goroutine may call it. ids is borrowed for
	// the call.
	Hint(ids []ID)
	// Stats returns the counts so far. Any goroutine may call it.
	Stats() Stats
	// Close ends reads and gives back the memory. A lease that is held is a
	// mistake that panics. Closing again does nothing.
	Close() error
}

// Stats counts what a store did since it was opened.
type Stats struct {
	Hits, Misses uint64 // leases that found their bytes resident, or did not
	MissedBytes  int64  // bytes of the experts that were not resident, each as often as it was missed
	Evictions    uint64
	Reads        uint64 // ranges read
	ReadBytes    int64  // bytes read from the rung, padding of direct reads included
	Resident     int64  // bytes of memory that experts take now
	Budget       int64  // bytes that they may take
	Rung         string // where misses are read from
	Tiers        []TierStats
	Slots        int    // pieces of memory that experts stand in, spare ones included
	Waits        uint64 // calls of Next that had to wait for a read
	// Guesses counts experts that were begun because of a hint. GuessesUsed of
	// them were asked for, GuessesWasted left before, and the others are still
	// there. GuessBytes is the part of ReadBytes that was read for hints.
	Guesses, GuessesUsed, GuessesWasted uint64
	GuessBytes                          int64
	// WaitTime is how long they waited together; 0 without Options.Clock.
	WaitTime time.Duration
}

// HitRate is the share of leases that found their bytes resident, 1 when
// there were none.
func (s Stats) HitRate() float64 {
	if s.Hits+s.Misses == 0 {
		return 1
	}
	return float64(s.Hits) / float64(s.Hits+s.Misses)
}
