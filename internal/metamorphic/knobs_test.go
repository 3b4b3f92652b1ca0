package metamorphic

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/lite-llm/lite/internal/kernel"
)

// knob is something that may change time and never a result.
type knob struct {
	name   string
	values int // how many it has
}

// The sizes of numerics.md: chunks around a block of keys, 0 being all at once,
// and sequences that share a step, around the sizes of tiles.
var (
	chunks  = []int{1, 16, 127, 128, 129, 0}
	batches = []int{1, 2, 7, 8, 9, 32, 33, 257}
)

// restarts are what happens at some position: nothing, a part of the sequence
// is forgotten, or the process ends and another one begins anew.
var restarts = []string{"no", "truncate", "reopen"}

// divisions are how a flat model's experts are named: as one tier, or as several
// that are all active.
var divisions = []string{"flat", "planned"}

// knobs are those of a walk. A new one is a line here.
var knobs = []knob{
	{"chunk", len(chunks)},
	{"batch", len(batches)},
	{"cache", len(caches)},
	{"threads", 3},
	{"kernels", len(kernel.Available())},
	{"rung", len(rungs)},
	{"budget", len(budgets)},
	{"restart", len(restarts)},
	{"prefetch", len(prefetches)},
	{"tiers", len(divisions)},
}

// setup is a value of each knob, by index.
type setup []int

// at is the index of a knob's value.
func (s setup) at(name string) int {
	return s[slices.IndexFunc(knobs, func(k knob) bool { return k.name == name })]
}

func (s setup) chunk() int      { return chunks[s.at("chunk")] }
func (s setup) batch() int      { return batches[s.at("batch")] }
func (s setup) restart() string { return restarts[s.at("restart")] }
func (s setup) planned() bool   { return divisions[s.at("tiers")] == "planned" }

// settings are the knobs of a process.
func (s setup) settings() settings {
	return settings{
		kernels: kernel.Available()[s.at("kernels")], threads: 1 + s.at("threads"),
		rung: rungs[s.at("rung")], cache: caches[s.at("cache")], budget: budgets[s.at("budget")],
		prefetch: prefetches[s.at("prefetch")],
	}
}

// String says how to repeat a walk.
func (s setup) String() string {
	return fmt.Sprintf("chunk %d, batch %d, restart %s, planned %v, %+v", s.chunk(), s.batch(), s.restart(), s.planned(), s.settings())
}

// pairs of values of two knobs that setups had together.
type pairs map[[4]int]bool

// add notes the setup's pairs and returns how many are new.
func (p pairs) add(s setup, note bool) (fresh int) {
	for i := range s {
		for j := range i {
			at := [4]int{i, s[i], j, s[j]}
			if !p[at] {
				fresh++
			}
			if note {
				p[at] = true
			}
		}
	}
	return fresh
}

// missing is the number of pairs that no setup had.
func (p pairs) missing() (n int) {
	for i := range knobs {
		for j := range i {
			n += knobs[i].values * knobs[j].values
		}
	}
	return n - len(p)
}

// draw draws a setup: of several random ones that with the most new pairs, so
// that few walks have all of them.
func (p pairs) draw(r *rand.Rand) setup {
	var best setup
	most := -1
	for range 12 {
		s := make(setup, len(knobs))
		for i, k := range knobs {
			s[i] = r.IntN(k.values)
			// The reference is slow, and defines the wanted outcomes anyway.
			if k.name == "kernels" && s[i] == 0 && r.IntN(2) == 0 {
				s[i] = r.IntN(k.values)
			}
		}
		if n := p.add(s, false); n > most {
			best, most = s, n
		}
	}
	p.add(best, true)
	return best
}
