package base_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
)

func TestByteSizes(t *testing.T) {
	for text, want := range map[string]base.ByteSize{
		"0": 0, "1": 1, "1536": 1536, "7b": 7, "1k": 1024, "1KiB": 1024, "1kb": 1000, " 3 GiB ": 3 << 30, "3G": 3 << 30, "3g": 3 << 30,
		"1.5GiB": 3 << 29, "800MB": 800_000_000, ".5k": 512, "2TiB": 2 << 40, "2tb": 2e12, "9223372036854774784": 1<<63 - 1024,
	} {
		got, err := base.ParseByteSize(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", " ", "GiB", "-1", "+1", "1 2", "3 gigs", "1e9", "0x10", "1..2", "NaN", "inf", "1GiBs", "９"} {
		_, err := base.ParseByteSize(text)
		require.ErrorContains(t, err, "is not a size: write a number and a unit, such as 3GiB or 512MiB", text)
	}
	for _, text := range []string{"9223372036854775807", "8388608TiB", "99999999999999999999"} {
		_, err := base.ParseByteSize(text)
		require.ErrorContains(t, err, "too large", text)
	}
}

func TestByteSizePrints(t *testing.T) {
	for size, want := range map[base.ByteSize]string{
		0: "0 B", 1: "1 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", base.MiB - 1: "1024.0 KiB", base.MiB: "1.0 MiB",
		3 * base.GiB: "3.0 GiB", 5*base.TiB + base.TiB/2: "5.5 TiB", -5: "-5 B",
	} {
		require.Equal(t, want, size.String())
	}
}

// FuzzByteSize holds that what is accepted is not negative and is read again
// from what it prints, to a unit's rounding.
func FuzzByteSize(f *testing.F) {
	for _, s := range []string{"3GiB", "1.5g", "800 MB", "12", "-1", "9e9", "8388607TiB"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := base.ParseByteSize(s)
		if err != nil {
			return
		}
		require.GreaterOrEqual(t, n, base.ByteSize(0))
		again, err := base.ParseByteSize(n.String())
		if err != nil { // the largest sizes round up beyond what fits
			require.Greater(t, n, base.ByteSize(1<<62))
			return
		}
		require.InEpsilon(t, float64(n)+1, float64(again)+1, 0.051)
	})
}
