package vec

import "math"

// The constants of Exp32. ln2 is split so that n*ln2High is exact for every n
// that occurs; the polynomial is a minimax fit of (exp(r)-1-r)/r² on
// [-ln2/2, ln2/2] (Cephes, expf).
const (
	expMax   = 88.72284   // above, exp is infinite
	expMin   = -103.97208 // below, exp rounds to zero
	log2e    = 1.44269504
	ln2High  = 0.693359375
	ln2Low   = -2.12194440e-4
	rounding = 12582912 // 1.5·2^23: adding it rounds to an integer, ties to even

	expC0 = 1.9875691500e-4
	expC1 = 1.3981999507e-3
	expC2 = 8.3334519073e-3
	expC3 = 4.1665795894e-2
	expC4 = 1.6666665459e-1
	expC5 = 5.0000001201e-1
)

// nan is the one NaN that the package returns.
var nan = math.Float32frombits(0x7fc00000)

// Exp32 is e^x. Its result is within one unit in the last place of the exact
// value, gradually underflows, is 0 at -Inf, +Inf above 88.72284, and one fixed
// quiet NaN for every NaN.
func Exp32(x float32) float32 {
	switch {
	case x != x: //nolint:gocritic // NaN
		return nan
	case x > expMax:
		return float32(math.Inf(1))
	case x < expMin:
		return 0
	}
	n := float32(float32(x*log2e)+rounding) - rounding
	r := x - float32(n*ln2High)
	r -= float32(n * ln2Low)
	p := float32(expC0*r) + expC1
	p = float32(p*r) + expC2
	p = float32(p*r) + expC3
	p = float32(p*r) + expC4
	p = float32(p*r) + expC5
	y := float32(p*float32(r*r)) + r
	y++
	// 2^n in two factors: each is a normal number, and only the last product
	// can round.
	i := int32(n)
	half := i >> 1
	return float32(y*power2(half)) * power2(i-half)
}

// power2 is 2^n for n in the normal range.
func power2(n int32) float32 { return math.Float32frombits(uint32(n+127) << 23) } //nolint:gosec // in range

// Log32 is the natural logarithm of a positive x, computed in float64 and
// rounded once. It is -Inf at zero, NaN below, +Inf at +Inf.
func Log32(x float32) float32 { return float32(log64(float64(x))) }

// Log is the natural logarithm in float64, for what is computed once when a
// model is built. Its bits are the same on every processor.
func Log(x float64) float64 { return log64(x) }
