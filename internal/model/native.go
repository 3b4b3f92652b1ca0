package model

import (
	"errors"
	"fmt"
	"strings"

	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/model/block"
)

// native is Lite's own architecture (docs/format/native.md): every layer
// routes a token through tiers, groups and experts, each with a head of its
// own, and tiers have experts of different sizes.
func native(b *builder) {
	if v := b.uintOr("vocab_size", b.m.Vocab); v != b.m.Vocab {
		b.fail("lite.vocab_size is %d and token_embd.weight has %d rows", v, b.m.Vocab)
	}
	b.setRope(b.rotary(b.uintOr("rope.dimension_count", b.headDim()), false))
	hidden := b.tiers()
	b.sets()
	config := b.routing()
	b.layers(func(l *Layer, i int, p string) {
		l.AttnNorm = b.vector(p+"attn_norm.weight", b.m.Dim)
		l.Attn = b.gqa(p)
		l.FFNNorm = b.vector(p+"ffn_norm.weight", b.m.Dim)
		h := &block.HSER{Config: config, TierHead: b.matrix(p+"ffn_tier_inp.weight", b.m.Dim, len(b.m.Tiers))}
		first, groups := 0, int64(0)
		for t, tier := range b.m.Tiers {
			q := p + tierPrefix(t)
			n := tier.Groups * tier.Experts
			heads := block.Heads{FirstGroups: groups}
			var tensors [2]SlabTensor
			heads.Group, tensors[0] = b.head(q+"ffn_group_inp.weight", 1, tier.Groups)
			heads.Expert, tensors[1] = b.head(q+"ffn_expert_inp.weight", tier.Groups, tier.Experts)
			h.Heads = append(h.Heads, heads)
			h.Pools = append(h.Pools, b.pool(i, q, first, n, hidden[t]))
			if b.err != nil {
				return
			}
			pool := &b.m.Experts[i][t]
			pool.Groups, pool.Heads, pool.GroupHead, pool.ExpertHead = tier.Groups, heads, tensors[0], tensors[1]
			first += n
			groups += int64(tier.Groups)
		}
		l.FFN = h
	})
}

// Limits on the lists of a native model. A request names one set; every token
// scores all tiers, of which a model of 10^15 parameters has some hundred.
const (
	maxTiers = 1 << 16
	maxSets  = 64
)

// head is n routing heads of rows candidates each, one after the other in one
// tensor. They are leased: see block.HSER.
func (b *builder) head(name string, n, rows int) (block.Slab, SlabTensor) {
	t, row := b.shaped(name, b.m.Dim, n*rows)
	return block.Slab{Type: t, Rows: rows, Cols: b.m.Dim}, SlabTensor{Name: name, Size: row * int64(rows)}
}

// tiers reads the tiers and returns the hidden size of each one's experts.
func (b *builder) tiers() []int {
	names := b.names("tier.names", maxTiers)
	hidden, groups := b.counts("tier.feed_forward_length", len(names)), b.counts("tier.group_count", len(names))
	experts := b.counts("tier.expert_count", len(names))
	if b.err != nil {
		return nil
	}
	for i, name := range names {
		b.m.Tiers = append(b.m.Tiers, Tier{Name: name, Groups: groups[i], Experts: experts[i]})
	}
	return hidden
}

// sets reads the named tier sets.
func (b *builder) sets() {
	names := b.names("tier_set.names", maxSets)
	tiers := b.list("tier_set.tiers", len(names))
	kt, kg := b.counts("tier_set.tier_used_count", len(names)), b.counts("tier_set.group_used_count", len(names))
	ke := b.counts("tier_set.expert_used_count", len(names))
	if b.err != nil {
		return
	}
	number := b.tierNumbers()
	for i, name := range names {
		set := hser.TierSet{Name: name, KTier: kt[i], KGroup: kg[i], KExpert: ke[i]}
		set.Tiers = b.tiersOf(name, tiers[i], number)
		b.m.Sets = append(b.m.Sets, set)
	}
	b.m.DefaultSet = b.stringOr("tier_set.default", names[0])
	if _, err := b.m.Set(b.m.DefaultSet); err != nil {
		b.fail("lite.tier_set.default: %w", err)
	}
}

// tierNumbers are the tiers' indices by name.
func (b *builder) tierNumbers() map[string]int {
	number := make(map[string]int, len(b.m.Tiers))
	for i := range b.m.Tiers {
		number[b.m.Tiers[i].Name] = i
	}
	return number
}

// tiersOf are the tiers that a set lists.
func (b *builder) tiersOf(set, list string, number map[string]int) (tiers []int) {
	for tier := range strings.SplitSeq(list, ",") {
		at, ok := number[strings.TrimSpace(tier)]
		if !ok {
			b.fail("tier set %q names the tier %q, which does not exist", set, tier)
			return nil
		}
		tiers = append(tiers, at)
	}
	return tiers
}

// tierPrefix begins the names of a tier's tensors within a layer.
func tierPrefix(tier int) string { return fmt.Sprintf("tier.%d.", tier) }

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
	if b.err != nil {
		return c
	}
	b.check(c.Validate())
	for i := range b.m.Sets {
		err := b.m.Sets[i].Validate(c)
		if tooMany, ok := errors.AsType[*hser.KError](err); ok {
			b.fail("tier set %q: %w", b.m.Sets[i].Name, tooMany)
		}
		b.check(err) // says the set's name itself
	}
	return c
}

// names is a list of 1 to limit names, each there once, which a tier set or a
// command line can spell.
func (b *builder) names(key string, limit int) []string {
	names, _, err := b.src.Strings(b.arch + "." + key)
	b.check(err)
	if len(names) == 0 || len(names) > limit {
		b.fail("%s.%s has %d names: want 1 to %d", b.arch, key, len(names), limit)
		return nil
	}
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if name == "" || name != strings.TrimSpace(name) || strings.Contains(name, ",") {
			b.fail("%s.%s: %q is no name: it may not be empty, begin or end with a space, or have a comma", b.arch, key, name)
		}
		if seen[name] {
			b.fail("%s.%s has %q twice", b.arch, key, name)
		}
		seen[name] = true
	}
	return names
}

// list is exactly n texts.
func (b *builder) list(key string, n int) []string {
	v, _, err := b.src.Strings(b.arch + "." + key)
	b.check(err)
	b.long(key, len(v), n)
	return v
}

// counts is exactly n positive numbers.
func (b *builder) counts(key string, n int) []int {
	v, _, err := b.src.Uints(b.arch + "." + key)
	b.check(err)
	b.long(key, len(v), n)
	out := make([]int, 0, n)
	for i, x := range v {
		if b.err != nil {
			return nil
		}
		if x < 1 || x > maxDim {
			b.fail("%s.%s[%d] is %d: want 1 to %d", b.arch, key, i, x, maxDim)
		}
		out = append(out, int(x)) //nolint:gosec // checked above, or never used
	}
	return out
}

// long refuses a list that has not one element for each name.
func (b *builder) long(key string, have, want int) {
	if have != want {
		b.fail("%s.%s has %d elements, want %d: one for each name", b.arch, key, have, want)
	}
}
