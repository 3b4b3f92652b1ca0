package model

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/model/block"
)

// native is Lite's own architecture (docs/format/native.md): every layer
// routes a token through tiers, groups and experts, each with a head of its
// own, and tiers have experts of different sizes.
func native(b *builder) {
	b.setRope(b.rotary(b.uintOr("rope.dimension_count", b.headDim()), false))
	hidden := b.tiers()
	b.sets()
	config := b.routing()
	b.layers(func(l *Layer, i int, p string) {
		l.AttnNorm = b.vector(p+"attn_norm.weight", b.m.Dim)
		l.Attn = b.gqa(p)
		l.FFNNorm = b.vector(p+"ffn_norm.weight", b.m.Dim)
		h := &block.HSER{Config: config, TierHead: b.matrix(p+"ffn_tier_inp.weight", b.m.Dim, len(b.m.Tiers))}
		first := 0
		for t, tier := range b.m.Tiers {
			q := fmt.Sprintf("%stier.%d.", p, t)
			n := tier.Groups * tier.Experts
			h.GroupHeads = append(h.GroupHeads, b.matrix(q+"ffn_group_inp.weight", b.m.Dim, tier.Groups))
			h.ExpertHeads = append(h.ExpertHeads, b.matrix(q+"ffn_expert_inp.weight", b.m.Dim, n))
			h.Pools = append(h.Pools, b.pool(i, q, first, n, hidden[t]))
			first += n
		}
		l.FFN = h
	})
}

// tiers reads the tiers and returns the hidden size of each one's experts.
func (b *builder) tiers() []int {
	names := b.strings("tier.names")
	hidden, groups, experts := b.uints("tier.feed_forward_length"), b.uints("tier.group_count"), b.uints("tier.expert_count")
	if n := len(names); n == 0 || len(hidden) != n || len(groups) != n || len(experts) != n {
		b.fail("lite.tier.*: %d names, %d hidden sizes, %d group counts and %d expert counts: want as many of each",
			len(names), len(hidden), len(groups), len(experts))
		return nil
	}
	for i, name := range names {
		if groups[i] == 0 || experts[i] == 0 || hidden[i] == 0 {
			b.fail("tier %q: groups, experts and hidden size must be positive", name)
		}
		b.m.Tiers = append(b.m.Tiers, Tier{Name: name, Groups: groups[i], Experts: experts[i]})
	}
	return hidden
}

// sets reads the named tier sets.
func (b *builder) sets() {
	names, tiers := b.strings("tier_set.names"), b.strings("tier_set.tiers")
	kt, kg, ke := b.uints("tier_set.tier_used_count"), b.uints("tier_set.group_used_count"), b.uints("tier_set.expert_used_count")
	if n := len(names); n == 0 || len(tiers) != n || len(kt) != n || len(kg) != n || len(ke) != n {
		b.fail("lite.tier_set.*: the lists must be equally long and not empty")
		return
	}
	for i, name := range names {
		set := hser.TierSet{Name: name, KTier: kt[i], KGroup: kg[i], KExpert: ke[i]}
		for tier := range strings.SplitSeq(tiers[i], ",") {
			at := slices.IndexFunc(b.m.Tiers, func(t Tier) bool { return t.Name == strings.TrimSpace(tier) })
			if at < 0 {
				b.fail("tier set %q names the tier %q, which does not exist", name, tier)
			}
			set.Tiers = append(set.Tiers, at)
		}
		b.m.Sets = append(b.m.Sets, set)
	}
	b.m.DefaultSet = b.stringOr("tier_set.default", names[0])
	if _, err := b.m.Set(b.m.DefaultSet); err != nil {
		b.fail("lite.tier_set.default: %w", err)
	}
}

// routing is the configuration that all layers share.
func (b *builder) routing() *hser.Config {
	c := &hser.Config{Mode: hser.Nested, Score: hser.Softmax, Normalize: b.boolOr("routing.normalize", true)}
	if mode := b.stringOr("routing.mode", "nested"); mode != "nested" {
		b.fail("lite.routing.mode %q is not supported (supported: nested)", mode)
	}
	if score := b.stringOr("routing.score", "softmax"); score != "softmax" {
		b.fail("lite.routing.score %q is not supported (supported: softmax)", score)
	}
	seed, _, err := b.src.Uint("lite.routing.seed")
	b.check(err)
	b.m.RoutingSeed = seed
	first := 0
	for _, t := range b.m.Tiers {
		c.Tiers = append(c.Tiers, hser.Tier{Name: t.Name, Groups: t.Groups, Experts: t.Experts, First: first})
		first += t.Groups * t.Experts
	}
	for i := range b.m.Sets {
		if b.err == nil {
			b.check(b.m.Sets[i].Validate(c))
		}
	}
	return c
}

func (b *builder) strings(key string) []string {
	v, _, err := b.src.Strings(b.arch + "." + key)
	b.check(err)
	return v
}

func (b *builder) uints(key string) []int {
	v, _, err := b.src.Uints(b.arch + "." + key)
	b.check(err)
	out := make([]int, len(v))
	for i, x := range v {
		if x > maxDim {
			b.fail("%s.%s[%d] is %d, more than the limit of %d", b.arch, key, i, x, maxDim)
			continue
		}
		out[i] = int(x)
	}
	return out
}
