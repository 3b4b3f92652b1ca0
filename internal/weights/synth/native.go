package synth

import (
	"fmt"
	"strings"
)

// nativeKeys describe the tiers and three sets of them: the first tier alone,
// all but the last, and all.
func nativeKeys(m *Model) {
	m.number("%.attention.head_count_kv", m.KVHeads)
	m.number("%.attention.key_length", m.headDim())
	m.number("%.attention.value_length", m.headDim())
	m.number("%.rope.dimension_count", m.headDim())
	var names []string
	var ff, groups, experts []uint32
	for _, t := range m.Tiers {
		names = append(names, t.Name)
		ff = append(ff, uint32(t.FF))                //nolint:gosec // sizes are checked by Shape
		groups = append(groups, uint32(t.Groups))    //nolint:gosec // as above
		experts = append(experts, uint32(t.Experts)) //nolint:gosec // as above
	}
	m.set("%.tier.names", names)
	m.set("%.tier.feed_forward_length", ff)
	m.set("%.tier.group_count", groups)
	m.set("%.tier.expert_count", experts)
	m.set("%.routing.mode", "nested")
	m.set("%.routing.score", "softmax")
	m.set("%.routing.normalize", true)
	m.set("%.routing.seed", uint64(0))
	n := len(names)
	sizes := []int{1, max(n-1, 1), n}
	var sets []string
	var kTier, kGroup, kExpert []uint32
	for i, size := range sizes {
		sets = append(sets, strings.Join(names[:size], ","))
		kTier = append(kTier, uint32(min(i+1, size)))    //nolint:gosec // at most 3
		kGroup = append(kGroup, 1)                       //
		kExpert = append(kExpert, uint32(m.ExpertsUsed)) //nolint:gosec // as above
	}
	m.set("%.tier_set.names", []string{"fast", "balanced", "full"})
	m.set("%.tier_set.tiers", sets)
	m.set("%.tier_set.tier_used_count", kTier)
	m.set("%.tier_set.group_used_count", kGroup)
	m.set("%.tier_set.expert_used_count", kExpert)
	m.set("%.tier_set.default", "full")
}

// nativeLayer has a head for the tiers, and for each tier one for its groups,
// one for its experts, and the experts.
func nativeLayer(m *Model) {
	m.attention(false)
	m.norm("ffn_norm.weight", m.Dim)
	m.head("ffn_tier_inp.weight", len(m.Tiers))
	for i, t := range m.Tiers {
		prefix := fmt.Sprintf("tier.%d.", i)
		m.head(prefix+"ffn_group_inp.weight", t.Groups)
		m.head(prefix+"ffn_expert_inp.weight", t.Groups*t.Experts)
		m.stack(prefix, t.FF, t.Groups*t.Experts)
	}
}
