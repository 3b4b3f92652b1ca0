package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func sample() *Chart {
	return &Chart{
		Title: "Hit rate & <budget>", X: Axis{Label: "parameters", Unit: true, Log: true}, Y: Axis{Label: "rate", FromZero: true},
		Lines: []Line{
			{Name: "mass", Points: []Point{{X: 1e9, Y: 0.5}, {X: 2e9, Y: 0.75}, {X: 1e12, Y: 1}}},
			{Name: "sets", Marks: true, Points: []Point{{X: 2e9, Y: 0.7, Err: 0.1, Name: "fast"}, {X: 1e10, Y: 0.9, Name: "full"}}},
			{Name: "nothing"},
		},
	}
}

// TestSVG is well-formed, says what it should, and is the same each time.
func TestSVG(t *testing.T) {
	var b, again bytes.Buffer
	require.NoError(t, sample().WriteSVG(&b))
	require.NoError(t, sample().WriteSVG(&again))
	require.Equal(t, b.String(), again.String())
	for _, text := range []string{"Hit rate &amp; &lt;budget&gt;", "parameters", ">mass<", ">sets<", "fast<", "full<", "1 B<", "100 B<"} {
		require.Contains(t, b.String(), text)
	}
	d := xml.NewDecoder(&b)
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
	}
}

func TestValuesThatCannotBeDrawn(t *testing.T) {
	for _, p := range []Point{{X: math.NaN(), Y: 1}, {X: math.Inf(1), Y: 1}, {X: 0, Y: 1}, {X: 1, Y: math.Inf(-1)}, {X: 1, Y: 1, Err: math.NaN()}} {
		c := sample()
		c.Lines[0].Points[1] = p
		require.ErrorIs(t, c.WriteSVG(io.Discard), ErrValue)
	}
}

// TestNamesOfOnePoint are written beside each other.
func TestNamesOfOnePoint(t *testing.T) {
	c := sample()
	c.Lines[1].Points = append(c.Lines[1].Points, Point{X: 1e10, Y: 0.9, Name: "again"})
	var b bytes.Buffer
	require.NoError(t, c.WriteSVG(&b))
	require.Contains(t, b.String(), "full, again<")
}

func TestShort(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 12: "12", 1500: "1.5 k", 2e9: "2 B", 1e15: "1 P", 0.25: "0.25"} {
		require.Equal(t, want, short(v))
	}
}
