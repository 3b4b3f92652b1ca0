package main

import (
	"fmt"
	"os"

	"github.com/lite-llm/lite/internal/chart"
)

// writeCapacitySVG draws where a token's time goes against the number of
// parameters, both by powers of ten: what does not depend on the size is level, and
// the router's rows, as their cube root, a straight line.
func writeCapacitySVG(path string, lines []*capacityLine) error {
	c := chart.Chart{
		Title: "Synthetic models: what capacity costs a token",
		X:     chart.Axis{Label: "parameters", Log: true, Unit: true},
		Y:     chart.Axis{Label: "ms", Log: true},
	}
	for _, part := range []struct {
		name string
		of   func(*capacityLine) *capacityTime
	}{
		{"experts resident", func(l *capacityLine) *capacityTime { return &l.Warm }},
		{"nothing kept", func(l *capacityLine) *capacityTime { return &l.Cold }},
	} {
		for _, curve := range []struct {
			name string
			of   func(*capacityTime) spread
		}{
			{"token", func(t *capacityTime) spread { return t.Token }},
			{"experts", func(t *capacityTime) spread { return t.Expert }},
			{"router", func(t *capacityTime) spread { return t.Router }},
		} {
			line := chart.Line{Name: curve.name + ", " + part.name}
			for _, l := range lines {
				line.Points = append(line.Points, chart.Point{X: float64(l.Params), Y: curve.of(part.of(l)).Median})
			}
			c.Lines = append(c.Lines, line)
		}
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("the drawing: %w", err)
	}
	if err := c.WriteSVG(f); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
