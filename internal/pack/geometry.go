package pack

import (
	"fmt"
	"math"
	"strings"
)

// parts is the number of projections of an expert: gate, up, down.
const parts = 3

// geometry is where things stand in the shards of one tier at one layer. All
// numbers are bytes unless they count something.
type geometry struct {
	head     int64 // the shard's head
	shards   int64
	count    int64 // experts
	perShard int64
	perGroup int64        // experts of a group; 0 in a joint model
	sizes    [parts]int64 // of one expert's projections
	at       [parts]int64 // their offsets within it
	span     int64        // from an expert's first byte to its last
	stride   int64        // from one expert to the next
	// The heads of a nested model and the room that they take.
	groupHead, groupRoom, expertHead, expertRoom int64
}

// up rounds up to a multiple of Align.
func up(n int64) int64 { return (n + Align - 1) &^ (Align - 1) }

// geometry computes the positions of a shape that has been checked. The error
// says that a shard's size does not fit.
func (m *Manifest) geometry(t *Tier, s *Shape) (*geometry, error) {
	g := &geometry{head: m.ShardHead, count: s.Count, perShard: s.PerShard, shards: (s.Count-1)/s.PerShard + 1}
	var err error
	size := func(x *Matrix) int64 {
		n, e := x.bytes()
		if e == nil && n > math.MaxInt64/8 {
			e = errTooLarge
		}
		if err == nil {
			err = e
		}
		return n
	}
	for i, x := range []*Matrix{&s.Gate, &s.Up, &s.Down} {
		g.sizes[i] = size(x)
		g.at[i] = g.stride
		if err != nil {
			return nil, err
		}
		g.span = g.stride + g.sizes[i]
		g.stride = up(g.span)
	}
	if s.GroupHead != (Matrix{}) {
		g.perGroup = t.Experts
		g.groupHead, g.expertHead = size(&s.GroupHead), size(&s.ExpertHead)
		if err != nil {
			return nil, err
		}
		g.groupRoom, g.expertRoom = up(g.groupHead), up(g.expertHead)
	}
	// The largest shard has all that there can be.
	experts, ok := times(g.perShard, g.stride)
	heads, ok2 := times(g.groups(g.perShard), g.expertRoom)
	total := float64(g.head) + float64(g.groupRoom) + float64(experts) + float64(heads)
	if !ok || !ok2 || total > maxExact {
		return nil, errTooLarge
	}
	return g, nil
}

// groups is how many groups that many experts are.
func (g *geometry) groups(experts int64) int64 {
	if g.perGroup == 0 {
		return 0
	}
	return experts / g.perGroup
}

// in is the experts of a shard: the first one and how many.
func (g *geometry) in(shard int64) (first, n int64) {
	first = shard * g.perShard
	return first, min(g.perShard, g.count-first)
}

// expertHeads is where the heads of the experts begin in a shard.
func (g *geometry) expertHeads(shard int64) int64 {
	if shard == 0 {
		return g.head + g.groupRoom
	}
	return g.head
}

// experts is where the experts begin in a shard.
func (g *geometry) experts(shard int64) int64 {
	_, n := g.in(shard)
	return g.expertHeads(shard) + g.groups(n)*g.expertRoom
}

// size is the bytes of a shard.
func (g *geometry) size(shard int64) int64 {
	_, n := g.in(shard)
	return g.experts(shard) + n*g.stride
}

// leaves is how many hashes a shard has: its head, the heads in it, its experts.
func (g *geometry) leaves(shard int64) int64 {
	_, n := g.in(shard)
	k := 1 + g.groups(n) + n
	if shard == 0 && g.groupRoom > 0 {
		k++
	}
	return k
}

// leaf is where the i-th of them stands.
func (g *geometry) leaf(shard, i int64) span {
	if i == 0 {
		return span{0, g.head}
	}
	i--
	if shard == 0 && g.groupRoom > 0 {
		if i == 0 {
			return span{g.head, g.groupHead}
		}
		i--
	}
	_, n := g.in(shard)
	heads := g.groups(n)
	if i < heads {
		return span{g.expertHeads(shard) + i*g.expertRoom, g.expertHead}
	}
	return span{g.experts(shard) + (i-heads)*g.stride, g.span}
}

// leafAt is the first leaf of a shard that ends after off, or the number of
// leaves when there is none.
func (g *geometry) leafAt(shard, off int64) int64 {
	lo, hi := int64(0), g.leaves(shard)
	for lo < hi {
		mid := (lo + hi) / 2
		if s := g.leaf(shard, mid); s.off+s.len <= off {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// spans are all leaves of a shard.
func (g *geometry) spans(shard int64) []span {
	all := make([]span, g.leaves(shard))
	for i := range all {
		all[i] = g.leaf(shard, int64(i))
	}
	return all
}

// hashBytes is the size of the .hashes file: a root for each shard, and then
// all leaves, shard after shard.
func (g *geometry) hashBytes() int64 {
	return (g.shards + g.leavesBefore(g.shards)) * HashSize
}

// leavesBefore is the leaves of all shards before one.
func (g *geometry) leavesBefore(shard int64) int64 {
	if shard == 0 {
		return 0
	}
	n := min(shard*g.perShard, g.count)
	k := shard + g.groups(n) + n
	if g.groupRoom > 0 {
		k++
	}
	return k
}

// TierDir is the directory of a tier's files, relative to the pack.
func TierDir(tier string) string { return "tiers/" + dirName(tier) }

// dirName is the directory of a tier. Letters of its name that some file system
// treats in its own way are written as %XX, so that no name leaves the pack and
// no two names meet.
func dirName(tier string) string {
	var b strings.Builder
	for i := range len(tier) {
		c := tier[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// shardName and hashesName are the names of a tier's files, relative to the
// pack.
func shardName(tier string, layer int, shard int64) string {
	return fmt.Sprintf("%s/L%03d-%03d.gguf", TierDir(tier), layer, shard)
}

func hashesName(tier string, layer int) string {
	return fmt.Sprintf("%s/L%03d.hashes", TierDir(tier), layer)
}
