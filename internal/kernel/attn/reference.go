package attn

// scores writes the scaled scores of every query with the first keys of a
// block: one chain over the head dimension, ascending, then times the scale.
func (k *Kernels) scores(q []float32, ldq, n int, kv KeyValues, blk Block, keys int, scale float32, s *Scratch) {
	for i := range n {
		for t := range keys {
			var acc float32
			for d, v := range q[i*ldq : i*ldq+kv.DK] {
				acc += float32(v * kv.Elem.at(blk.K, d*BlockLen+t))
			}
			s.scores[i*BlockLen+t] = acc * scale
		}
	}
}

// values writes every query's block output: the sum over its keys, ascending,
// of weight times value.
func (k *Kernels) values(n int, kv KeyValues, blk Block, b int, lens []int, s *Scratch) {
	for i := range n {
		o := s.vector(0, n, i, kv.DV)
		clear(o)
		for t := range min(BlockLen, lens[i]-b*BlockLen) {
			p := s.scores[i*BlockLen+t]
			for d := range o {
				o[d] += float32(p * kv.Elem.at(blk.V, t*kv.DV+d))
			}
		}
	}
}
