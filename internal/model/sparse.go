package model

import (
	"slices"
	"strings"

	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/model/block"
)

// SparseArch is the architecture of a dense model whose networks have been cut
// into experts (docs/format/sparse.md, package sparsify): its own keys say how, and
// all others are those of the dense model's architecture. Other programs do not know
// it and refuse it, as they should: they would weigh the experts.
const SparseArch = "lite-sparse"

// sparse is what a dense family needs to build experts in the place of its networks.
type sparse struct {
	hidden int // neurons of an expert
	config hser.Config
}

// bases are the dense families that can be cut.
func bases() []string { return []string{"llama", "qwen2", "qwen3"} }

// CanBeCut says whether dense models of an architecture can be cut into experts.
func CanBeCut(arch string) bool { return slices.Contains(bases(), arch) }

// base reads the dense model's architecture, whose keys are read from here on.
func (b *builder) base() {
	base := b.stringOr("base_architecture", "")
	if !slices.Contains(bases(), base) {
		b.fail("%s.base_architecture is %q, want one of: %s", SparseArch, base, strings.Join(bases(), ", "))
		return
	}
	s := &sparse{hidden: b.uint("expert_feed_forward_length")}
	names := b.names("tier.names", maxTiers)
	experts := b.counts("tier.expert_count", len(names))
	if b.err != nil {
		return
	}
	s.config = hser.Config{Mode: hser.Joint, Score: hser.Unit}
	first := 0
	for i, name := range names {
		b.m.Tiers = append(b.m.Tiers, Tier{Name: name, Groups: 1, Experts: experts[i]})
		s.config.Tiers = append(s.config.Tiers, hser.Tier{Name: name, Groups: 1, Experts: experts[i], First: first})
		first += experts[i]
	}
	b.check(s.config.Validate())
	b.sparseSets()
	b.arch, b.sparse = base, s
}

// sparseSets reads the named tier sets: so many of the experts of these tiers.
func (b *builder) sparseSets() {
	names := b.names("tier_set.names", maxSets)
	tiers, experts := b.list("tier_set.tiers", len(names)), b.counts("tier_set.expert_used_count", len(names))
	if b.err != nil {
		return
	}
	number := b.tierNumbers()
	for i, name := range names {
		set := hser.TierSet{Name: name, KTier: 1, KGroup: 1, KExpert: experts[i]}
		set.Tiers = b.tiersOf(name, tiers[i], number)
		b.m.Sets = append(b.m.Sets, set)
	}
	b.m.DefaultSet = b.stringOr("tier_set.default", names[0])
	if _, err := b.m.Set(b.m.DefaultSet); err != nil {
		b.fail("%s.tier_set.default: %w", b.arch, err)
	}
}

// network is a layer's feed-forward network: dense, or cut into experts, all of
// which together are the dense one.
func (b *builder) network(layer int, p string, hidden int) block.FeedForward {
	if b.sparse == nil {
		return b.ffn(p, "ffn_%s", hidden)
	}
	experts := 0
	for _, t := range b.m.Tiers {
		experts += t.Experts
	}
	if experts*b.sparse.hidden != hidden {
		b.fail("%d experts of %d neurons are not a network of %d", experts, b.sparse.hidden, hidden)
	}
	moe := &block.MoE{
		Router: b.matrix(p+"ffn_gate_inp.weight", b.m.Dim, experts), Bias: b.optional(p+"exp_probs_b.bias", experts),
		Config: b.sparse.config,
	}
	first := 0
	for t, tier := range b.m.Tiers {
		moe.Pools = append(moe.Pools, b.pool(layer, p+tierPrefix(t), first, tier.Experts, b.sparse.hidden))
		first += tier.Experts
	}
	return moe
}
