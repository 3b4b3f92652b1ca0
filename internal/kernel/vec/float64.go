package vec

import "math"

// The functions below define rotation angles and logarithms. They use + − × ÷
// of float64 and integer operations only; the conversions keep the compiler
// from fusing a product with an addition, which would change bits between
// architectures. math.Floor, Frexp and Ldexp are exact everywhere.

// polynomial is c[0] + c[1]·z + c[2]·z² + …, by Horner's rule.
func polynomial(z float64, c []float64) float64 {
	p := c[len(c)-1]
	for i := len(c) - 2; i >= 0; i-- {
		p = float64(p*z) + c[i]
	}
	return p
}

// The series of Taylor. Their quotients are constants of the compiler, exact
// until they are rounded to float64 once.
var (
	atanhSeries = []float64{1, 1. / 3, 1. / 5, 1. / 7, 1. / 9, 1. / 11, 1. / 13, 1. / 15, 1. / 17, 1. / 19, 1. / 21}
	expSeries   = []float64{
		1, 1, 1. / 2, 1. / 6, 1. / 24, 1. / 120, 1. / 720, 1. / 5040, 1. / 40320, 1. / 362880, 1. / 3628800,
		1. / 39916800, 1. / 479001600, 1. / 6227020800, 1. / 87178291200,
	}
	sinSeries = []float64{
		1, -1. / 6, 1. / 120, -1. / 5040, 1. / 362880, -1. / 39916800, 1. / 6227020800, -1. / 1307674368000,
		1. / 355687428096000,
	}
	cosSeries = []float64{
		1, -1. / 2, 1. / 24, -1. / 720, 1. / 40320, -1. / 3628800, 1. / 479001600, -1. / 87178291200,
		1. / 20922789888000,
	}
)

// ln2 in two parts, the first of 33 bits: its product with an exponent is
// exact.
const (
	ln2Head = 0x1.62e42fee00000p-1
	ln2Tail = 0x1.a39ef35793c76p-33
)

// log64 is the natural logarithm, to 1e-15 of its value.
func log64(x float64) float64 {
	switch {
	case x != x || x < 0: //nolint:gocritic // NaN
		return math.NaN()
	case x == 0:
		return math.Inf(-1)
	case math.IsInf(x, 1):
		return x
	}
	m, e := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m, e = m*2, e-1
	}
	// log(m) = 2·atanh(s), s = (m-1)/(m+1), |s| < 0.1716.
	s := (m - 1) / (m + 1)
	log := float64(float64(2*s) * polynomial(float64(s*s), atanhSeries))
	return float64(float64(e)*ln2Head) + (float64(float64(e)*ln2Tail) + log)
}

// exp64 is e^x for |x| < 700, to 1e-15 of its value.
func exp64(x float64) float64 {
	n := math.Floor(float64(x*(1/math.Ln2)) + 0.5)
	r := x - float64(n*ln2Head)
	r -= float64(n * ln2Tail)
	return math.Ldexp(polynomial(r, expSeries), int(n))
}

// pow64 is base^y for a positive base.
func pow64(base, y float64) float64 { return exp64(float64(y * log64(base))) }

// sincos64 returns sine and cosine of a, |a| < 2^24, to 1e-15. Larger angles
// have a result too, and one that is the same everywhere, but a rougher one.
func sincos64(a float64) (sin, cos float64) {
	// π/2 in three parts, of 29, 27 and 53 bits: n has at most 24, so that
	// the first two products are exact (Cody and Waite, 1980).
	const (
		part1 = 0x1.921fb54p0
		part2 = 0x442d184p-56
		part3 = 0x69898cc51701b8p-112
	)
	n := math.Floor(float64(a*(2/math.Pi)) + 0.5)
	r := a - float64(n*part1)
	r -= float64(n * part2)
	r -= float64(n * part3)
	z := float64(r * r)
	s, c := float64(polynomial(z, sinSeries)*r), polynomial(z, cosSeries)
	switch int64(n) & 3 {
	case 1:
		return c, -s
	case 2:
		return -s, -c
	case 3:
		return -c, s
	}
	return s, c
}
