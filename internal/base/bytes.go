package base

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ByteSize is a number of bytes that prints and parses with binary units.
type ByteSize int64

// The binary units of a ByteSize.
const (
	KiB ByteSize = 1 << 10
	MiB ByteSize = 1 << 20
	GiB ByteSize = 1 << 30
	TiB ByteSize = 1 << 40
)

// units are the suffixes that ParseByteSize takes. "3G" means 3 GiB, as it
// does for dd, docker and the kernel's own cgroup files.
var units = map[string]float64{
	"": 1, "b": 1,
	"k": 1 << 10, "kib": 1 << 10, "kb": 1e3,
	"m": 1 << 20, "mib": 1 << 20, "mb": 1e6,
	"g": 1 << 30, "gib": 1 << 30, "gb": 1e9,
	"t": 1 << 40, "tib": 1 << 40, "tb": 1e12,
}

// ParseByteSize reads "3GiB", "512MiB", "1.5g", "800MB" or a plain number of
// bytes. It returns an error for anything else, for negative sizes and for
// sizes that do not fit 63 bits.
func ParseByteSize(s string) (ByteSize, error) {
	text := strings.TrimSpace(s)
	cut := strings.IndexFunc(text, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if cut < 0 {
		cut = len(text)
	}
	unit, ok := units[strings.ToLower(strings.TrimSpace(text[cut:]))]
	n, err := strconv.ParseFloat(text[:cut], 64)
	if err != nil || !ok {
		return 0, fmt.Errorf("%q is not a size: write a number and a unit, such as 3GiB or 512MiB", s)
	}
	if n *= unit; n >= math.MaxInt64 {
		return 0, fmt.Errorf("size %q is too large", s)
	}
	return ByteSize(n), nil
}

// String prints the size with the largest unit that leaves at least one, such
// as "1.5 GiB".
func (b ByteSize) String() string {
	for _, u := range []struct {
		size ByteSize
		name string
	}{{TiB, "TiB"}, {GiB, "GiB"}, {MiB, "MiB"}, {KiB, "KiB"}} {
		if b >= u.size {
			return strconv.FormatFloat(float64(b)/float64(u.size), 'f', 1, 64) + " " + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10) + " B"
}
