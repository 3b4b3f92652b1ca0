package tune

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDepth(t *testing.T) {
	for name, c := range map[string]struct {
		rates []float64
		want  int
	}{
		"nothing measured": {nil, 0},
		"flat":             {[]float64{1.60, 1.62, 1.64, 1.61}, 1},
		"grows":            {[]float64{0.4, 0.8, 1.6, 3.1}, 8},
		"saturates":        {[]float64{1.7, 2.5, 2.66, 2.7}, 4},
		"falls":            {[]float64{1.0, 1.5, 1.2, 0.7}, 2},
		"one slow sample":  {[]float64{1.6, 0.2, 1.6, 1.6}, 1},
	} {
		var rates []ReadRate
		for i, r := range c.rates {
			rates = append(rates, ReadRate{true, Depths()[i], r})
		}
		require.Equal(t, c.want, Depth(rates), name)
	}
}

func TestDirect(t *testing.T) {
	require.False(t, Direct(1.6, 5), "the file is in the page cache")
	require.False(t, Direct(1.6, 1.2), "a little slower, and then it is")
	require.True(t, Direct(1.6, 0.3))
}

func TestThreadCounts(t *testing.T) {
	require.Equal(t, []int{1}, ThreadCounts(1))
	require.Equal(t, []int{2, 1}, ThreadCounts(2))
	require.Equal(t, []int{4, 3, 2, 1}, ThreadCounts(4))
	require.Equal(t, []int{64, 48, 32, 16, 1}, ThreadCounts(64))
}

func TestThreads(t *testing.T) {
	for name, c := range map[string]struct {
		times []float64 // of 8, 6, 4, 2 and 1 threads
		want  int
	}{
		"nothing measured":        {nil, 0},
		"scales":                  {[]float64{10, 13, 20, 40, 80}, 8},
		"bound by memory":         {[]float64{21, 20, 20, 30, 60}, 8},
		"two threads to a core":   {[]float64{26, 26, 20, 40, 80}, 4},
		"hardly slower":           {[]float64{24, 26, 20, 40, 80}, 8},
		"others use the machine":  {[]float64{90, 40, 32, 25, 40}, 2},
		"too small to be divided": {[]float64{9, 8, 7, 6, 4}, 1},
	} {
		var times []ThreadTime
		for i, d := range c.times {
			times = append(times, ThreadTime{ThreadCounts(8)[i], d})
		}
		require.Equal(t, c.want, Threads(times), name)
	}
}
