// Package policy decides which expert leaves memory. Policies are pure state
// machines: no goroutine, no clock, no I/O, so that a simulator can run the
// ones that the store runs. They stand beside the parameter's road, at its
// crossing with the token's: what they decide changes time and never a result.
//
// LRFU with a half-life of 16 tokens is the default. TestHitRates simulates 16
// layers of 64 experts of which a token uses 8, 128 in all, and keeps its table
// in testdata/hitrates. In short, hits in percent of leases, by how many of the
// 1024 experts are resident:
//
//	resident          64   128   256   512   768
//	uniform   LRU      0    13    23    49    74
//	          LRFU     5    11    23    48    74
//	Zipf      LRU      0    32    45    73    89
//	          LRFU    28    44    60    78    90
//	topics    LRU      0    52    63    80    92
//	          LRFU    31    48    65    81    92
//
// The trained model tiny, read from a file, with 1.3, 2.3, 4.4 and 6.5 of the 11
// MB of its experts resident, hits 0, 22, 39 and 76 percent under LRU, and 19,
// 31, 56 and 81 under LRFU.
//
// Where routing has no memory and no favourites nothing helps: hits are the
// fraction that is resident. Where it has favourites, an expert's count of uses
// tells more than its last one, and the more so the less fits: a token passes
// through all layers before it comes back, which an LRU that is smaller than a
// token never survives. Counts are kept of experts that left, or everything that
// comes back looks new and Zipf falls to 17 at 128; and they decay, or the cache
// stays with a topic that the text has left. Ranking layers too (what was just
// passed is needed last) gained less than one percent and is not done.
package policy

// Kind is what an Index counts within a layer.
type Kind uint8

// Key names an expert, or another thing that is leased, to a policy.
type Key struct {
	Layer int32
	Kind  Kind
	Index int64
}

// before orders keys, so that ties are decided alike in every run.
func (k Key) before(o Key) bool {
	switch {
	case k.Layer != o.Layer:
		return k.Layer < o.Layer
	case k.Kind != o.Kind:
		return k.Kind < o.Kind
	}
	return k.Index < o.Index
}

// Policy orders the resident experts. It is used by one goroutine at a time.
type Policy interface {
	// Insert adds an expert that has become resident, used at this step.
	// Steps never decrease.
	Insert(k Key, step uint64)
	// Touch says that a resident expert was used again.
	Touch(k Key, step uint64)
	// Remove takes out a resident expert that left.
	Remove(k Key)
	// Victim returns the expert to evict among those that free accepts, and
	// false when it accepts none. The expert stays until Remove.
	Victim(free func(Key) bool) (Key, bool)
}
