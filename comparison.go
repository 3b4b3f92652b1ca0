package lite

import (
	"fmt"
	"math"
)

// Comparison is how one evaluation differs from another one of the same text.
// It is paired: both have seen the same windows, so what makes a window hard
// for both falls out, and much smaller differences show than the standard
// errors of the two perplexities would let one see.
type Comparison struct {
	// TierSet and RandomRouting say what it is compared with.
	TierSet       string `json:"tier_set"`
	RandomRouting bool   `json:"random_routing"`
	// Difference is the mean over the windows of the negative log-likelihood
	// of a token, less that of the other one, in nats: the difference of the
	// logarithms of the perplexities. Below 0 is better.
	Difference float64 `json:"difference"`
	// StdErr is the standard error of Difference; 0 when there is one window.
	StdErr float64 `json:"std_err"`
	// StdErrs is Difference in standard errors; 0 when StdErr is.
	StdErrs float64 `json:"std_errs"`
	// Ratio is the perplexity over the other one's.
	Ratio float64 `json:"ratio"`
}

// Compare compares e with other. Both must be of the same text and window.
func (e *Evaluation) Compare(other *Evaluation) (*Comparison, error) {
	if len(e.NLL) != len(other.NLL) || e.Window != other.Window || e.Tokens != other.Tokens {
		return nil, fmt.Errorf("%d windows of %d tokens cannot be paired with %d of %d", len(e.NLL), e.Window, len(other.NLL), other.Window)
	}
	d := make([]float64, len(e.NLL))
	for i := range d {
		d[i] = e.NLL[i] - other.NLL[i]
	}
	c := &Comparison{TierSet: other.TierSet, RandomRouting: other.RandomRouting}
	c.Difference, c.StdErr = meanAndError(d)
	if c.StdErr > 0 {
		c.StdErrs = c.Difference / c.StdErr
	}
	c.Ratio = math.Exp(c.Difference)
	return c, nil
}

// meanAndError is the mean of x and its standard error, which one value alone
// does not tell: it is 0 then.
func meanAndError(x []float64) (mean, stdErr float64) {
	n := float64(len(x))
	for _, v := range x {
		mean += v
	}
	mean /= n
	if len(x) < 2 {
		return mean, 0
	}
	squares := 0.0
	for _, v := range x {
		squares += float64((v - mean) * (v - mean))
	}
	return mean, math.Sqrt(squares / (n - 1) / n)
}
