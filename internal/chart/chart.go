// Package chart draws lines and points as SVG: the curves of reports. It stands
// beside the roads and says nothing that the report's numbers do not say.
package chart

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Chart is lines over one pair of axes.
type Chart struct {
	Title string
	X, Y  Axis
	Lines []Line
}

// Axis is an axis with its label.
type Axis struct {
	Label string
	// Log draws powers of ten at equal distances; every value is then positive.
	Log bool
	// Unit names large numbers, such as 2e9 by "2 B".
	Unit bool
	// FromZero begins the axis at zero.
	FromZero bool
}

// Line is a series of points, joined in their order.
type Line struct {
	Name   string
	Points []Point
	// Marks shows every point, with its name where it has one.
	Marks bool
}

// Point is a value, with an error that is drawn when it is not 0.
type Point struct {
	X, Y, Err float64
	Name      string
}

// ErrValue is returned for a value that cannot be drawn: not a number, infinite,
// or not positive on an axis of powers of ten.
var ErrValue = errors.New("a value cannot be drawn")

// The size of a chart.
const (
	width  = 7 * vg.Inch
	height = 4.2 * vg.Inch
	margin = vg.Inch / 10
)

// colours are those of Okabe and Ito (2008), which people with any colour vision
// tell apart.
var colours = []color.RGBA{
	{0x00, 0x72, 0xb2, 0xff}, {0xd5, 0x5e, 0x00, 0xff}, {0x00, 0x9e, 0x73, 0xff}, {0xcc, 0x79, 0xa7, 0xff}, {0xe6, 0x9f, 0x00, 0xff}, {0x56, 0xb4, 0xe9, 0xff},
}

// WriteSVG draws the chart: the same bytes for the same chart.
func (c *Chart) WriteSVG(w io.Writer) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.Title, c.X.Label, c.Y.Label
	p.Legend.XOffs, p.Legend.YOffs = -margin, margin
	p.Legend.Padding = margin / 4
	c.X.apply(&p.X)
	c.Y.apply(&p.Y)
	p.Add(plotter.NewGrid())
	for i := range c.Lines {
		if err := c.line(p, &c.Lines[i], colours[i%len(colours)]); err != nil {
			return err
		}
	}
	c.room(p)
	if c.X.FromZero {
		p.X.Min = 0
	}
	if c.Y.FromZero {
		p.Y.Min = 0
	}
	canvas := vgsvg.New(width, height)
	p.Draw(draw.Crop(draw.New(canvas), margin, -margin, margin, -margin))
	if _, err := canvas.WriteTo(w); err != nil {
		return fmt.Errorf("writing a chart: %w", err)
	}
	return nil
}

// room widens the axis of X where points have names, which stand right of them.
func (c *Chart) room(p *plot.Plot) {
	for i := range c.Lines {
		if span := p.X.Max - p.X.Min; c.Lines[i].Marks && !c.X.Log && span > 0 {
			p.X.Min, p.X.Max = p.X.Min-0.03*span, p.X.Max+0.15*span
			return
		}
	}
}

// apply sets the scale and the labels of an axis.
func (a *Axis) apply(x *plot.Axis) {
	if a.Log {
		x.Scale, x.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	}
	if a.Unit {
		x.Tick.Marker = units{x.Tick.Marker}
	}
}

// units writes large numbers with a letter.
type units struct{ plot.Ticker }

// Ticks implements plot.Ticker.
func (u units) Ticks(least, most float64) []plot.Tick {
	ticks := u.Ticker.Ticks(least, most)
	for i := range ticks {
		if ticks[i].Label != "" {
			ticks[i].Label = short(ticks[i].Value)
		}
	}
	return ticks
}

// short is a number such as "1.5 B".
func short(v float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e15, "P"}, {1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e3, "k"}} {
		if math.Abs(v) >= u.size {
			return fmt.Sprintf("%.4g %s", v/u.size, u.name)
		}
	}
	return fmt.Sprintf("%.4g", v)
}

// line adds a series.
func (c *Chart) line(p *plot.Plot, l *Line, colour color.RGBA) error {
	if len(l.Points) == 0 {
		return nil
	}
	var s series
	for _, point := range l.Points {
		if bad(point.X, c.X.Log) || bad(point.Y, c.Y.Log) || bad(point.Err, false) {
			return fmt.Errorf("%w: %v, %v of %q", ErrValue, point.X, point.Y, l.Name)
		}
		xy := plotter.XY{X: point.X, Y: point.Y}
		if at := slices.IndexFunc(s.xy, func(o plotter.XY) bool { return near(o.X, xy.X) && near(o.Y, xy.Y) }); at >= 0 && point.Name != "" { // else one name would hide the other
			s.names[at], point.Name = s.names[at]+", "+point.Name, ""
		}
		s.xy = append(s.xy, xy)
		s.err = append(s.err, point.Err)
		s.names = append(s.names, point.Name)
	}
	line, err := plotter.NewLine(s.xy)
	if err != nil {
		return fmt.Errorf("drawing %q: %w", l.Name, err)
	}
	line.Color, line.Width = colour, vg.Points(1.5)
	p.Add(line)
	if l.Name != "" {
		p.Legend.Add(l.Name, line)
	}
	if !l.Marks {
		return nil
	}
	return s.marks(p, colour)
}

// near says that two values are drawn at one place, or nearly.
func near(a, b float64) bool { return math.Abs(a-b) <= 0.005*math.Abs(a) }

func bad(v float64, log bool) bool { return math.IsNaN(v) || math.IsInf(v, 0) || log && v <= 0 }

// series is what the parts of a line are drawn from.
type series struct {
	xy    plotter.XYs
	err   []float64
	names []string
}

// Len, XY, YError and Label are those that package plotter asks for.
func (s *series) Len() int                         { return len(s.xy) }
func (s *series) XY(i int) (x, y float64)          { return s.xy[i].X, s.xy[i].Y }
func (s *series) YError(i int) (low, high float64) { return s.err[i], s.err[i] }
func (s *series) Label(i int) string               { return " " + s.names[i] }

// marks adds a dot, its error and its name to every point.
func (s *series) marks(p *plot.Plot, colour color.RGBA) error {
	dots, err := plotter.NewScatter(s.xy)
	if err != nil {
		return fmt.Errorf("drawing points: %w", err)
	}
	dots.GlyphStyle = draw.GlyphStyle{Color: colour, Radius: vg.Points(2.5), Shape: draw.CircleGlyph{}}
	bars, err := plotter.NewYErrorBars(s)
	if err != nil {
		return fmt.Errorf("drawing errors: %w", err)
	}
	bars.Color = colour
	names, err := plotter.NewLabels(s)
	if err != nil {
		return fmt.Errorf("drawing names: %w", err)
	}
	p.Add(bars, dots, names)
	return nil
}
