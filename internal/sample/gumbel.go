package sample

import "github.com/lite-llm/lite/internal/kernel/vec"

// streamToken is the third word of the counter: it tells the uses of the
// generator apart.
const streamToken = 0

// bits23 are the random bits of a candidate at a position: the noise belongs
// to the two, not to an order of evaluation.
func (s *Sampler) bits23(position int, id int32) uint32 {
	x := philox([4]uint32{uint32(position), uint32(id), streamToken, 0}, s.key) //nolint:gosec // a counter
	return x[0] >> 9
}

// gumbel is the noise −log(−log u) of u = (x+0.5)·2^-23, which is never 0 or 1.
func gumbel(x uint32) float32 {
	u := (float32(x) + 0.5) * (1.0 / (1 << 23))
	return -vec.Log32(-vec.Log32(u))
}

// noises is the number of whole numbers that bound a noise from above: the
// largest noise is 16.6.
const noises = 18

// atLeast[n] is a number of bits below which the noise is less than n. It only
// saves logarithms: it never changes who wins.
var atLeast = func() (t [noises]uint32) {
	for n := range t {
		lo, hi := uint32(0), uint32(1<<23)
		for lo < hi { // the first x whose noise reaches n, less a margin
			if mid := (lo + hi) / 2; gumbel(mid) >= float32(n)-0.01 {
				hi = mid
			} else {
				lo = mid + 1
			}
		}
		t[n] = lo
	}
	return t
}()

// draw takes the candidate with the largest sum of z and noise, which takes
// each with its probability (Gumbel-max; Maddison, Tarlow and Minka, 2014);
// equal sums go to the lower id. Candidates that cannot reach the best sum so
// far are passed over before their logarithms are computed, most of them
// before their bits are: with z = 0 for the most likely candidate, no token
// that is e^-20 times as likely is ever drawn.
func (s *Sampler) draw(c []candidate, position int) int32 {
	first := best(c)
	won, sum := first.id, first.z+gumbel(s.bits23(position, first.id))
	for _, v := range c {
		need := sum - v.z // what the noise must reach
		if need >= noises {
			continue
		}
		x := s.bits23(position, v.id)
		if need >= 0 && x < atLeast[int(need)] {
			continue
		}
		if at := v.z + gumbel(x); at > sum || at == sum && v.id < won { // no NaN comes here
			won, sum = v.id, at
		}
	}
	return won
}
