package attn

import "math"

// block folds block b into every query that sees a part of it.
func (k *Kernels) block(qs queries, kv KeyValues, b int, s *Scratch) {
	lo, hi, fewest, most := qs.rows(b)
	k.scores(qs, kv, kv.Blocks[b], lo, hi, most, s)
	level := levelBlock
	if b%superBlocks == 0 {
		level = levelSuper // the first part of a fold is taken as it is
	}
	for i := lo; i < hi; i++ {
		if seen := qs.seen(i, b); seen > 0 {
			s.block[i].m = k.weights(s.scores[i*BlockLen:(i+1)*BlockLen], seen, qs.scale)
			clear(s.vector(level, i))
		}
	}
	sums(s.block[lo:hi], s.scores[lo*BlockLen:hi*BlockLen], fewest)
	k.values(kv, kv.Blocks[b], level, span{lo, hi, 0, fewest}, s)
	for i := lo; i < hi; i++ {
		seen := qs.seen(i, b)
		if seen <= 0 {
			continue
		}
		for _, p := range s.scores[i*BlockLen+fewest : i*BlockLen+seen] {
			s.block[i].l += p
		}
		k.values(kv, kv.Blocks[b], level, span{i, i + 1, fewest, seen}, s)
		if level == levelSuper {
			s.super[i] = s.block[i]
		} else {
			k.fold(&s.super[i], s.vector(levelSuper, i), s.block[i], s.vector(levelBlock, i))
		}
	}
}

// scores writes the scores of queries [lo, hi) with the first keys of a block,
// not scaled yet. It may write more of a row: up to the width of a tile.
func (k *Kernels) scores(qs queries, kv KeyValues, blk Block, lo, hi, keys int, s *Scratch) {
	clear(s.scores[lo*BlockLen : hi*BlockLen])
	k.accumulate(product{
		c: s.scores[lo*BlockLen:], ldc: BlockLen,
		a: qs.q[lo*qs.ld:], lda: qs.ld,
		b: blk.K, ldb: BlockLen, elem: kv.Elem,
		rows: hi - lo, cols: tileWidth(keys, hi-lo), n: kv.DK,
	})
}

// tileWidth rounds a number of keys up, so that tiles without a remainder
// compute them: one or two queries over many keys need wide ones to be fast.
func tileWidth(keys, rows int) int {
	width := 16
	if rows < 3 && keys > 32 {
		width = 64
	}
	return (keys + width - 1) / width * width
}

// weights turns a row of scores, of which the first are seen, into the weights
// exp(scale·score - m), and returns m, the largest of the scaled scores.
func (k *Kernels) weights(row []float32, seen int, scale float32) (m float32) {
	// The row is filled up to whole vectors with scores that are no maximum;
	// their weights are not read.
	whole := (seen + 15) &^ 15
	row = row[:whole]
	k.vec.Scale(row, row, scale)
	for i := seen; i < whole; i++ {
		row[i] = lowest
	}
	m = k.vec.Max(row)
	k.vec.ExpShift(row, row, m)
	return m
}

var lowest = float32(math.Inf(-1))

// sums writes the sum of the first weights of every row to l: one chain each,
// ascending, four at a time because an addition waits for the one before.
func sums(parts []part, rows []float32, keys int) {
	for len(parts) >= 4 {
		p0, p1 := rows[:keys], rows[BlockLen:][:keys]
		p2, p3 := rows[2*BlockLen:][:keys], rows[3*BlockLen:][:keys]
		var l0, l1, l2, l3 float32
		for i := range p0 {
			l0 += p0[i]
			l1 += p1[i]
			l2 += p2[i]
			l3 += p3[i]
		}
		parts[0].l, parts[1].l, parts[2].l, parts[3].l = l0, l1, l2, l3
		parts, rows = parts[4:], rows[4*BlockLen:]
	}
	for i := range parts {
		var l float32
		for _, p := range rows[i*BlockLen:][:keys] {
			l += p
		}
		parts[i].l = l
	}
}

// span is a range of queries and one of keys in a block.
type span struct{ lo, hi, from, to int }

// values adds weighted values to the outputs of a span of queries.
func (k *Kernels) values(kv KeyValues, blk Block, level int, r span, s *Scratch) {
	if r.from >= r.to {
		return
	}
	k.accumulate(product{
		c: s.out[level][r.lo*kv.DV:], ldc: kv.DV,
		a: s.scores[r.lo*BlockLen+r.from:], lda: BlockLen,
		b: blk.V[r.from*kv.DV*kv.Elem.Bytes():], ldb: kv.DV, elem: kv.Elem,
		rows: r.hi - r.lo, cols: kv.DV, n: r.to - r.from,
	})
}
