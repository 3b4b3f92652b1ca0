package tierplan

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Ask is what a tier is to have.
type Ask struct {
	Name string
	// Parameters is its budget; 0 takes what is left.
	Parameters int64
	// Share is its budget as a part of the parameters of all experts, 0 to 1,
	// where Parameters is 0; 0 is none.
	Share float64
}

// units of a number of parameters.
var units = map[string]float64{"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}

// ParseAsk reads "fast=2e9", "fast=300M", "fast=25%" or "rest".
func ParseAsk(text string) (Ask, error) {
	name, amount, budget := strings.Cut(text, "=")
	a := Ask{Name: name}
	if err := checkName("tier", name, MaxName, ""); err != nil || !budget {
		return a, err
	}
	if share, ok := strings.CutSuffix(amount, "%"); ok {
		v, err := strconv.ParseFloat(share, 64)
		if err != nil || !(v > 0 && v <= 100) {
			return a, errorf("tier %q: %q is no part: want a number up to 100 and a '%%', such as 25%%", name, amount)
		}
		a.Share = v / 100
		return a, nil
	}
	n, err := ParseCount(amount)
	if err != nil {
		return a, errorf("tier %q: %v", name, err)
	}
	a.Parameters = n
	return a, nil
}

// ParseCount reads a positive number of parameters such as "2e9", "1.3B" or
// "300M".
func ParseCount(text string) (int64, error) {
	unit, number := 1.0, text
	if n := len(text); n > 0 && units[text[n-1:]] != 0 {
		unit, number = units[text[n-1:]], text[:n-1]
	}
	if n, err := strconv.ParseInt(number, 10, 64); err == nil && unit == 1 && n > 0 {
		return n, nil // every digit counts
	}
	v, err := strconv.ParseFloat(number, 64)
	if v *= unit; err != nil || !(v >= 1 && v < math.MaxInt64) {
		return 0, fmt.Errorf("%q is no number of parameters: want a positive one such as 2e9, 1.3B or 300M", text)
	}
	return int64(v), nil
}

// of is the budget in parameters, of experts that have total ones; 0 is none.
func (a *Ask) of(total int64) int64 {
	if a.Parameters > 0 || a.Share == 0 {
		return a.Parameters
	}
	return max(1, int64(a.Share*float64(total)))
}
