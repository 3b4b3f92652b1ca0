package lite

import (
	"maps"
	"slices"

	"github.com/lite-llm/lite/internal/placement"
	"github.com/lite-llm/lite/internal/rung"
	"github.com/lite-llm/lite/internal/rung/cache"
)

// Rungs says where the bytes of an open model are and may be, and what was read
// from where since it was opened.
type Rungs struct {
	Rungs []RungUse  `json:"rungs"` // from the nearest on
	Tiers []TierRung `json:"tiers"`
}

// RungUse is what a model uses a rung for.
type RungUse struct {
	Rung  string `json:"rung"`  // dram, nvme or object
	Place string `json:"place"` // the file, the directory or the bucket
	// UsedBytes are on it and BudgetBytes may be, of experts in memory and of all
	// that the cache directory keeps. Files and buckets, which are not ours, have
	// neither.
	UsedBytes   int64 `json:"used_bytes,omitzero"`
	BudgetBytes int64 `json:"budget_bytes,omitzero"`
	// Reads and ReadBytes are what it gave, the trunk and descriptions included.
	Reads     uint64 `json:"reads"`
	ReadBytes int64  `json:"read_bytes"`
	// Misses were looked for on it in vain, Evictions removed from it, Corrupt
	// found damaged on it and DiskErrors met there; each was read farther away.
	Misses     uint64 `json:"misses,omitzero"`
	Evictions  uint64 `json:"evictions,omitzero"`
	Corrupt    uint64 `json:"corrupt,omitzero"`
	DiskErrors uint64 `json:"disk_errors,omitzero"`
	// Requests are what a bucket was asked, Retries those after a failure, Hedges
	// those beside one that was late, Stalls those that were given up.
	Requests uint64 `json:"requests,omitzero"`
	Retries  uint64 `json:"retries,omitzero"`
	Hedges   uint64 `json:"hedges,omitzero"`
	Stalls   uint64 `json:"stalls,omitzero"`
}

// TierRung is the placement of a tier that is in force, and where the tier is.
type TierRung struct {
	Name    string           `json:"name"`
	Rungs   []string         `json:"rungs"` // where it may be
	Pinned  bool             `json:"pinned"`
	Budgets map[string]int64 `json:"budgets"` // in bytes, by rung; none is no bound of its own
	// Resident is the memory that its experts take, and Cached what they take in a
	// cache directory of their own.
	Resident int64 `json:"resident_bytes"`
	Cached   int64 `json:"cached_bytes,omitzero"`
	// Hits and Misses are leases that found their expert resident, or did not, and
	// MissedBytes what these had to read.
	Hits        uint64 `json:"hits"`
	Misses      uint64 `json:"misses"`
	MissedBytes int64  `json:"missed_bytes"`
}

// Rungs describes them now. Any goroutine may call it while the model is open.
func (m *Model) Rungs() Rungs {
	s := m.store.Stats()
	memory := RungUse{Rung: placement.DRAM, Place: "memory", UsedBytes: s.Resident, BudgetBytes: s.Budget, Reads: s.Hits, Misses: s.Misses, Evictions: s.Evictions}
	r := Rungs{Rungs: []RungUse{memory}, Tiers: []TierRung{}}
	if m.remote != nil {
		r.Rungs = append(r.Rungs, m.remote.uses()...)
	} else if c, ok := m.rung.(rung.Counter); ok {
		n := c.Counts()
		r.Rungs = append(r.Rungs, RungUse{Rung: m.rung.Name(), Place: m.path, Reads: n.Reads, ReadBytes: n.Bytes})
	}
	for i := range m.places {
		p := &m.places[i]
		t := TierRung{Name: p.name, Pinned: p.policy.Pin, Budgets: map[string]int64{}}
		for _, use := range r.Rungs {
			if p.policy.May(use.Rung) && !slices.Contains(t.Rungs, use.Rung) {
				t.Rungs = append(t.Rungs, use.Rung)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(p.policy.Budgets)) {
			t.Budgets[name] = int64(p.policy.Budgets[name])
		}
		if i < len(s.Tiers) {
			n := s.Tiers[i]
			t.Resident, t.Hits, t.Misses, t.MissedBytes = n.Slots, n.Hits, n.Misses, n.MissedBytes
		}
		if m.remote != nil && m.remote.tiers[p.name] != nil {
			t.Cached = m.remote.tiers[p.name].Stats().Used
		}
		r.Tiers = append(r.Tiers, t)
	}
	return r
}

// caches are the cache directories, those of tiers last.
func (r *remote) caches() (all []*cache.Rung) {
	for _, c := range []*cache.Rung{r.kept, r.described} {
		if c != nil {
			all = append(all, c)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.tiers)) {
		all = append(all, r.tiers[name])
	}
	return all
}

// uses are those of the cache directory and the bucket.
func (r *remote) uses() []RungUse {
	var all []RungUse
	kept := RungUse{Rung: placement.NVMe, Place: r.storage.CacheDir}
	for _, c := range r.caches() {
		s := c.Stats()
		kept.Reads, kept.ReadBytes, kept.Misses = kept.Reads+s.Hits, kept.ReadBytes+s.HitBytes, kept.Misses+s.Misses
		kept.Evictions, kept.Corrupt, kept.DiskErrors = kept.Evictions+s.Evicted, kept.Corrupt+s.Corrupt, kept.DiskErrors+s.DiskErrors
		if c == r.described { // it shares the directory of kept
			kept.UsedBytes = max(kept.UsedBytes, s.Used)
			continue
		}
		kept.UsedBytes, kept.BudgetBytes = kept.UsedBytes+s.Used, kept.BudgetBytes+s.Budget
	}
	if r.kept != nil {
		all = append(all, kept)
	}
	n, asked := r.object.Counts(), r.object.Requests()
	return append(all, RungUse{
		Rung: placement.Object, Place: r.name, Reads: n.Reads, ReadBytes: n.Bytes, Requests: asked.Attempts,
		Retries: asked.Retries, Hedges: asked.Hedges, Stalls: asked.Stalls,
	})
}

// readBytes is what was read so far, by rung.
func (m *Model) readBytes(store string, bytes int64) map[string]int64 {
	if m.remote == nil {
		return map[string]int64{store: bytes}
	}
	n := map[string]int64{}
	for _, use := range m.remote.uses() {
		n[use.Rung] = use.ReadBytes
	}
	return n
}
