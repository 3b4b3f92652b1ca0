package vec

import "math"

// The functions below define the rotation angles and logarithms. They use
// + − × ÷ of float64 and integer operations only; the conversions keep the
// compiler from fusing a product with an addition, which would change bits
// between architectures.

// log64 is the natural logarithm, to about 1e-15.
func log64(x float64) float64 {
	switch {
	case x != x || x < 0: //nolint:gocritic // NaN
		return math.NaN()
	case x == 0:
		return math.Inf(-1)
	case math.IsInf(x, 1):
		return x
	}
	m, e := math.Frexp(x) // integer operations; m in [0.5, 1)
	if m < math.Sqrt2/2 {
		m, e = m*2, e-1
	}
	// log(m) = 2·atanh(s), s = (m-1)/(m+1), |s| < 0.1716.
	s := (m - 1) / (m + 1)
	z := float64(s * s)
	var p float64
	for k := 21; k >= 1; k -= 2 {
		p = float64(p*z) + 1/float64(k)
	}
	return float64(float64(2*s)*p) + float64(float64(e)*math.Ln2)
}

// exp64 is e^x for |x| < 700, to about 1e-15.
func exp64(x float64) float64 {
	const (
		high = 0x1.62e42fee00000p-1 // ln2, its first 33 bits
		low  = 0x1.a39ef35793c76p-33
	)
	n := math.Floor(float64(x/math.Ln2) + 0.5)
	r := x - float64(n*high)
	r -= float64(n * low)
	p := 1.0
	for k := 14; k >= 1; k-- {
		p = float64(float64(p*r)/float64(k)) + 1
	}
	return math.Ldexp(p, int(n))
}

// sincos64 returns sine and cosine of a, |a| < 2^24, to about 1e-15 plus the
// rounding of a itself.
func sincos64(a float64) (sin, cos float64) {
	// π/2 in three parts, of 29, 27 and 53 bits: n has at most 24, so that
	// the first two products are exact.
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
	s, c := 0.0, 0.0
	for k := 8; k >= 1; k-- { // Taylor series of sin(r)/r and cos(r)
		s = 1 - float64(float64(z*s0(s, k))/float64((2*k)*(2*k+1)))
		c = 1 - float64(float64(z*s0(c, k))/float64((2*k-1)*(2*k)))
	}
	s = float64(s * r)
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

// s0 begins the series: its innermost factor is one.
func s0(v float64, k int) float64 {
	if k == 8 {
		return 1
	}
	return v
}

// Pow64 is base^y for a positive base.
func pow64(base, y float64) float64 { return exp64(float64(y * log64(base))) }
