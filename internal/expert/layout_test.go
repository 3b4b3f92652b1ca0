package expert

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/memory"
	"github.com/lite-llm/lite/internal/rung"
)

func TestRange(t *testing.T) {
	obj := base.Object{Name: "shard", Size: 10_000}
	stacked := Pool{Count: 3, Parts: []base.Range{{Object: obj, Off: 10, Len: 300}, {Object: obj, Off: 400, Len: 60}}, Sizes: []int64{100, 20}}
	// The same bytes, laid out as a pack does: each expert whole.
	packed := Pool{First: 3, Count: 3, Stride: 128, Parts: []base.Range{
		{Object: obj, Off: 1000, Len: 2*128 + 100}, {Object: obj, Off: 1100, Len: 2*128 + 20},
	}, Sizes: []int64{100, 20}}
	l := Layout{{}, {Pools: []Pool{stacked, packed}}}
	require.NoError(t, l.Validate())
	for _, c := range []struct {
		id   ID
		part int
		want base.Range
	}{
		{ID{1, 0, 0}, 0, base.Range{Object: obj, Off: 10, Len: 100}},
		{ID{1, 0, 2}, 0, base.Range{Object: obj, Off: 210, Len: 100}},
		{ID{1, 0, 2}, 1, base.Range{Object: obj, Off: 440, Len: 20}},
		{ID{1, 0, 3}, 0, base.Range{Object: obj, Off: 1000, Len: 100}},
		{ID{1, 0, 5}, 0, base.Range{Object: obj, Off: 1256, Len: 100}},
		{ID{1, 0, 5}, 1, base.Range{Object: obj, Off: 1356, Len: 20}},
	} {
		require.Equal(t, c.want, l.Range(c.id, c.part), "%v part %d", c.id, c.part)
	}
	require.EqualValues(t, 720, l.Bytes())
	// A plan may store the experts of a flat model in another order.
	l[1].Order = []int32{5, 4, 3, 2, 1, 0}
	require.NoError(t, l.Validate())
	require.Equal(t, base.Range{Object: obj, Off: 1356, Len: 20}, l.Range(ID{1, 0, 0}, 1))
	require.Equal(t, base.Range{Object: obj, Off: 10, Len: 100}, l.Range(ID{1, 0, 5}, 0))
	require.Zero(t, testing.AllocsPerRun(10, func() { l.Range(ID{1, 0, 5}, 1) }))
}

// TestFind walks through more pools than there are, of every kind.
func TestFind(t *testing.T) {
	obj := base.Object{Name: "shard", Size: math.MaxInt64}
	pools := func(size int64, counts ...int64) (all []Pool) {
		first := int64(0)
		for tier, n := range counts {
			all = append(all, Pool{First: first, Count: n, Sizes: []int64{size}, Tier: tier, Parts: []base.Range{{Object: obj, Len: size * n}}})
			first += n
		}
		return all
	}
	l := Layout{{Pools: pools(4096, 5, 1, 1<<40, 2, 7), GroupHeads: pools(64, 1, 1, 1, 1, 1), ExpertHeads: pools(32, 3, 1, 1<<20, 1)}}
	require.NoError(t, l.Validate())
	for kind := range Kind(kinds) {
		for i, p := range l[0].of(kind) {
			for _, index := range []int64{p.First, p.First + p.Count/2, p.First + p.Count - 1} {
				got, at := l.find(ID{0, kind, index})
				require.Same(t, &l[0].of(kind)[i], got)
				require.Equal(t, index, at)
			}
		}
		last := l[0].of(kind)
		end := last[len(last)-1].First + last[len(last)-1].Count
		require.Panics(t, func() { l.find(ID{0, kind, end}) })
		require.Panics(t, func() { l.find(ID{0, kind, -1}) })
	}
	require.EqualValues(t, 4096*(15+1<<40)+5*64+32*(5+1<<20), l.Bytes())
	require.EqualValues(t, 15+1<<40+5+5+1<<20, l.Count())
	// Of tiers 1 and 2, the larger one: two of its expert heads, six experts.
	page := int64(memory.PageSize())
	require.Equal(t, page+2*page+6*max(page, 4096), l.Token(1, []int{1, 2}, 1, 2, 3))
	require.Equal(t, page+page+max(page, 4096), l.Token(1, []int{1}, 1, 2, 3))
	require.Equal(t, "L0/E3", ID{0, 0, 3}.String())
	require.Equal(t, "L2/T3", ID{2, KindGroupHead, 3}.String())
	require.Equal(t, "L2/G3", ID{2, KindExpertHead, 3}.String())
}

// TestMoreBytesThanCount holds that sums stop at the largest number.
func TestMoreBytesThanCount(t *testing.T) {
	p := Pool{Count: 1 << 62, Sizes: []int64{1}, Parts: []base.Range{{Object: base.Object{Size: 1 << 62}, Len: 1 << 62}}}
	l := Layout{{Pools: []Pool{p}}, {Pools: []Pool{p}}, {Pools: []Pool{p}}}
	require.NoError(t, l.Validate())
	require.EqualValues(t, math.MaxInt64, l.Bytes())
	all, largest := l.Slots(1)
	require.EqualValues(t, math.MaxInt64, all)
	require.Equal(t, 2*largest, l.Floor(1))
}

// TestPartsAreOneRead reads an expert whose parts stand together at once, with
// what is between them, and parts that only happen to adjoin too.
func TestPartsAreOneRead(t *testing.T) {
	pool := func(stride, count int64, offs ...int64) (p Pool) {
		p = Pool{Count: count, Stride: stride}
		for _, off := range offs {
			p.Parts = append(p.Parts, base.Range{Object: object, Off: off, Len: (count-1)*stride + 5_000})
			p.Sizes = append(p.Sizes, 5_000)
		}
		return p
	}
	for _, align := range []int{1, 512} {
		for _, c := range []struct {
			reads uint64
			Pool
		}{
			{1, pool(20_000, 4, 100, 5_100, 10_100)},
			{1, pool(20_000, 4, 100, 5_200, 15_100)},
			{1, pool(0, 1, 100, 5_100, 10_100)},
			{2, pool(0, 1, 100, 5_100, 10_200)},
			{3, pool(0, 1, 10_100, 5_100, 100)},
		} {
			l := Layout{{Pools: []Pool{c.Pool}}}
			cache := open(t, Options{Rung: &disk{align: align}, Layout: l, Budget: base.ByteSize(l.Floor(align))})
			for i := range c.Count {
				_, err := drain(t, cache, []ID{{0, 0, i}})
				require.NoError(t, err)
				verify(t, cache)
			}
			require.Equal(t, c.reads*uint64(c.Count), cache.Stats().Reads)
		}
	}
	for _, p := range []Pool{pool(20_000, 4, 100, 15_101), pool(20_000, 4, 5_100, 100), pool(20_000, 4, 100, 5_099)} {
		require.ErrorIs(t, Layout{{Pools: []Pool{p}}}.Validate(), ErrTogether)
	}
}

func TestSlots(t *testing.T) {
	page := int64(memory.PageSize())
	l := testLayout()
	for _, align := range []int{1, 512} {
		small, large := l[0].Pools[0].slotBytes(align), l[0].Pools[1].slotBytes(align)
		all, largest := l.Slots(align)
		require.Equal(t, 3*(8*small+4*large), all)
		require.Equal(t, large, largest)
		for _, n := range []int64{small, large} {
			require.Zero(t, n%page)
		}
		// Three parts, each with a beginning and an end that are not its own.
		require.Equal(t, round(3*(round(9001, max(int64(align), rung.LineSize))+int64(align-1)), page), large)
	}
}

func TestValidate(t *testing.T) {
	for name, c := range map[string]struct {
		change func(p *Pool)
		want   error
	}{
		"as it is":            {func(*Pool) {}, nil},
		"gap":                 {func(p *Pool) { p.First = 9 }, ErrIndices},
		"overlap":             {func(p *Pool) { p.First = 7 }, ErrIndices},
		"no experts":          {func(p *Pool) { p.Count = 0 }, ErrIndices},
		"too many experts":    {func(p *Pool) { p.Count = math.MaxInt64 }, ErrIndices},
		"no parts":            {func(p *Pool) { p.Parts, p.Sizes = nil, nil }, ErrParts},
		"a size is missing":   {func(p *Pool) { p.Sizes = p.Sizes[:2] }, ErrParts},
		"no bytes":            {func(p *Pool) { p.Sizes[1] = 0 }, ErrRange},
		"negative offset":     {func(p *Pool) { p.Parts[2].Off = -1 }, ErrRange},
		"past the end":        {func(p *Pool) { p.Parts[2].Off = object.Size - p.Parts[2].Len + 1 }, ErrRange},
		"at the end":          {func(p *Pool) { p.Parts[2].Off = object.Size - p.Parts[2].Len }, nil},
		"sum wraps":           {func(p *Pool) { p.Parts[0].Off = math.MaxInt64 - 5 }, ErrRange},
		"one expert too many": {func(p *Pool) { p.Count++ }, ErrRange},
		"product wraps":       {func(p *Pool) { p.Count, p.Sizes[0] = math.MaxInt32-8, 1<<33 }, ErrRange},
		"overlapping experts": {func(p *Pool) { p.Stride = p.Sizes[0] - 1 }, ErrRange},
		"wide stride":         {func(p *Pool) { p.Stride = p.Sizes[0] + 1 }, ErrRange},
	} {
		l := testLayout()
		c.change(&l[2].Pools[1])
		err := l.Validate()
		require.ErrorIs(t, err, c.want, name)
		if c.want != nil {
			var le *LayoutError
			require.ErrorAs(t, err, &le, name)
			require.Equal(t, LayoutError{Layer: 2, Pool: 1, Err: le.Err}, *le)
			require.ErrorContains(t, err, "layer 2")
		}
	}
	for _, order := range [][]int32{{}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, {-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}} {
		l := testLayout()
		l[2].Order = order
		require.ErrorIs(t, l.Validate(), ErrOrder)
	}
	l := testLayout()
	l[2].ExpertHeads = []Pool{{First: 1, Count: 1}}
	require.EqualError(t, l.Validate(), "expert heads of layer 2, pool 0: the pools do not count on from 0")
}

// FuzzLayout holds that every part of every expert of a valid layout is in its
// object, and that its slot has room for its reads.
func FuzzLayout(f *testing.F) {
	f.Add(int64(1000), int64(4), int64(10), int64(400), int64(100), int64(0), uint8(9))
	f.Add(int64(1000), int64(1), int64(900), int64(100), int64(100), int64(100), uint8(0))
	f.Add(int64(math.MaxInt64), int64(math.MaxInt32), int64(7), int64(math.MaxInt64-7), int64(4), int64(1<<31), uint8(12))
	f.Fuzz(func(t *testing.T, size, count, off, length, part, stride int64, align uint8) {
		p := Pool{Count: count, Parts: []base.Range{{Object: base.Object{Size: size}, Off: off, Len: length}}, Sizes: []int64{part}, Stride: stride}
		l := Layout{{Pools: []Pool{p}}}
		if l.Validate() != nil {
			return
		}
		for _, index := range []int64{0, count / 2, count - 1} {
			r := l.Range(ID{0, 0, index}, 0)
			require.GreaterOrEqual(t, r.Off, int64(0))
			require.Positive(t, r.Len)
			require.LessOrEqual(t, r.Off, size-r.Len, "expert %d", index)
			a := int64(1) << (align % 13)
			lead := r.Off & (a - 1)
			require.LessOrEqual(t, round(lead+r.Len, a), p.slotBytes(int(a)))
		}
	})
}
