package pack

import (
	"math/rand/v2"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// randomShape is a tier with a shape of few experts of odd sizes.
func randomShape(r *rand.Rand, nested bool) (*Tier, *Shape) {
	dim, ff := 32*(1+r.Int64N(70)), 32*(1+r.Int64N(70))
	t := &Tier{Name: "t", Groups: 1, Experts: 1 + r.Int64N(9)}
	if nested {
		t.Groups = 1 + r.Int64N(6)
	}
	s := ShapeOf(t.Groups*t.Experts, Matrix{"Q8_0", dim, ff}, Matrix{"F16", dim, ff}, Matrix{"Q4_0", ff, dim})
	if nested {
		s.GroupHead, s.ExpertHead = Matrix{"F32", dim, t.Groups}, Matrix{"Q8_0", dim, t.Experts}
		s.PerShard = t.Experts * (1 + r.Int64N(t.Groups))
	} else {
		s.PerShard = 1 + r.Int64N(s.Count)
	}
	return t, &s
}

// TestGeometry holds that what stands in a shard stands apart, aligned and inside
// of it; that a position names its leaf; and that leaves are counted right.
func TestGeometry(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 400 {
		m := &Manifest{ShardHead: Align * (1 + r.Int64N(3)), Routing: Joint, Stacks: ByLayer}
		if i%2 == 0 {
			m.Routing, m.Stacks = Nested, ByTier
		}
		tier, s := randomShape(r, m.Routing == Nested)
		require.NoError(t, s.check(tier, m.Routing == Nested))
		g, err := m.geometry(tier, s)
		require.NoError(t, err)
		leaves, experts := int64(0), int64(0)
		for k := range g.shards {
			require.Equal(t, leaves, g.leavesBefore(k))
			first, n := g.in(k)
			require.Equal(t, experts, first)
			end := int64(0)
			for j, at := range g.spans(k) {
				require.Zero(t, at.off%Align)
				require.GreaterOrEqual(t, at.off, end)
				require.Positive(t, at.len)
				require.Less(t, at.off-end, int64(Align), "no more than padding")
				require.EqualValues(t, j, g.leafAt(k, at.off))
				require.EqualValues(t, j, g.leafAt(k, at.off+at.len-1))
				require.EqualValues(t, j+1, g.leafAt(k, at.off+at.len))
				end = at.off + at.len
			}
			require.Equal(t, up(end), g.size(k))
			require.Equal(t, g.experts(k)+(n-1)*g.stride+g.span, end)
			leaves += g.leaves(k)
			experts += n
		}
		require.Equal(t, s.Count, experts)
		require.Equal(t, (g.shards+leaves)*HashSize, g.hashBytes())
	}
}

// TestDirNames holds that no name of a tier leaves its directory, and that no two
// names meet in one.
func TestDirNames(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{
		"tier_1b", ".", "..", "...", "../x", "/etc", `a\b`, "a/b", "a/../../b", "C:", "con", "%2F", "a%2Fb", "ü", "\x00", "~", "a b", "-", "x.", ".x",
	} {
		dir := dirName(name)
		require.NotContains(t, seen, dir, name)
		seen[dir] = name
		for _, c := range dir {
			require.True(t, strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.%", c), dir)
		}
		require.NotContains(t, []string{"", ".", ".."}, dir)
		require.Equal(t, "tiers/"+dir+"/L003-012.gguf", path.Clean(shardName(name, 3, 12)))
	}
	require.Equal(t, "tiers/tier_1b/L012.hashes", hashesName("tier_1b", 12))
}

// TestLeaves hashes in pieces of every size, and sees a byte in the padding.
func TestLeaves(t *testing.T) {
	data := make([]byte, 1000)
	rnd := rand.NewChaCha8([32]byte{1})
	_, _ = rnd.Read(data)
	spans := []span{{0, 100}, {100, 1}, {150, 300}, {600, 399}}
	var want []byte
	end := int64(0)
	for _, s := range spans {
		clear(data[end:s.off])
		h := sum(data[s.off:][:s.len])
		want = append(want, h[:]...)
		end = s.off + s.len
	}
	clear(data[end:])
	for _, n := range []int{1, 7, 100, 149, 1000} {
		l := newLeaves(spans)
		for rest := data; len(rest) > 0; {
			k, err := l.Write(rest[:min(n, len(rest))])
			require.NoError(t, err)
			rest = rest[k:]
		}
		require.Equal(t, want, l.sums)
		require.False(t, l.dirty)
	}
	for _, at := range []int{101, 149, 450, 599, 999} {
		data[at] = 1
		l := newLeaves(spans)
		_, _ = l.Write(data)
		require.True(t, l.dirty, at)
		require.Equal(t, want, l.sums)
		data[at] = 0
	}
}

// TestHashes has the published value of an empty input, and one spelling only.
func TestHashes(t *testing.T) {
	const empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
	require.Equal(t, empty, sum(nil).String())
	var h Hash
	require.NoError(t, h.UnmarshalText([]byte(empty)))
	require.Equal(t, sum(nil), h)
	for _, bad := range []string{"", empty[1:], empty + "0", strings.ToUpper(empty), "g" + empty[1:]} {
		require.Error(t, h.UnmarshalText([]byte(bad)), bad)
	}
}
