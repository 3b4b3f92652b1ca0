// Package routetrace records what a model routed: how often each expert was
// chosen and the sum of its weights, and perhaps every choice of every token. It
// stands beside the token's road; a tier plan is made of what it writes
// (docs/format/tierplan.md). A trace with choices tells much of the text, and one
// without still tells what it was about: it is as secret as the text.
package routetrace

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/go-json-experiment/json"

	"github.com/lite-llm/lite/internal/tierplan"
)

// Version is the version of the format.
const Version = 1

// Limits on what a trace may say.
const (
	MaxLine    = 4 << 20 // bytes
	MaxExperts = 1 << 22 // of all layers together
)

// Header begins a trace.
type Header struct {
	Version int            `json:"version"`
	Model   tierplan.Model `json:"model"`
	TierSet string         `json:"tier_set"`
	Window  int            `json:"window"` // tokens of a context at most
}

// Token is what one token chose: per layer, ascending; none for a dense layer.
type Token struct {
	Window   int         `json:"window"`
	Position int         `json:"position"`
	Experts  [][]int64   `json:"experts"`
	Weights  [][]float32 `json:"weights"`
}

// Layer is the usage of the experts of one layer, by canonical index.
type Layer struct {
	Layer  int       `json:"layer"`
	Chosen []uint64  `json:"chosen"`
	Mass   []float64 `json:"weight_mass"`
}

// End ends a trace, so that one that was cut off is not taken for a whole one.
type End struct {
	Tokens     uint64 `json:"tokens"`
	TextSHA256 string `json:"text_sha256"`
}

// line is a line of a trace: one of these.
type line struct {
	Trace *Header `json:"trace,omitzero"`
	Token *Token  `json:"token,omitzero"`
	Layer *Layer  `json:"layer,omitzero"`
	End   *End    `json:"end,omitzero"`
}

// Trace is what a trace says of the model as a whole.
type Trace struct {
	Header
	End
	Usage tierplan.Usage
}

// FormatError says that a file is no trace.
type FormatError struct {
	Line int // from 1
	Err  error
}

// Error implements error.
func (e *FormatError) Error() string { return fmt.Sprintf("trace, line %d: %v", e.Line, e.Err) }

// Unwrap returns the cause.
func (e *FormatError) Unwrap() error { return e.Err }

// The causes of a FormatError that have names.
var (
	ErrCut   = errors.New("it ends before its end: the trace was cut off")
	ErrOrder = errors.New("a line that does not belong here")
	ErrLong  = fmt.Errorf("a line of more than %d bytes", MaxLine)
)

// Writer writes a trace line by line.
type Writer struct{ w io.Writer }

// NewWriter writes the header.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	t := &Writer{w: w}
	h.Version = Version
	return t, t.line(line{Trace: &h})
}

// Token writes the choices of one token.
func (t *Writer) Token(token *Token) error { return t.line(line{Token: token}) }

// Close writes the usage and the end; what it was given to write to stays open.
func (t *Writer) Close(u tierplan.Usage, e End) error {
	for i := range u.Chosen {
		if err := t.line(line{Layer: &Layer{Layer: i, Chosen: u.Chosen[i], Mass: u.Mass[i]}}); err != nil {
			return err
		}
	}
	return t.line(line{End: &e})
}

func (t *Writer) line(l line) error {
	if err := json.MarshalWrite(t.w, l, json.Deterministic(true)); err != nil {
		return fmt.Errorf("writing a trace: %w", err)
	}
	_, err := t.w.Write([]byte{'\n'})
	return err
}

// Read reads a trace, and calls each, unless it is nil, with every token's
// choices. It returns a *FormatError for what is no trace.
func Read(r io.Reader, each func(*Token) error) (*Trace, error) {
	p := &parser{each: each}
	s := bufio.NewScanner(r)
	s.Buffer(nil, MaxLine)
	for s.Scan() {
		p.n++
		if err := p.read(s.Bytes()); err != nil {
			return nil, &FormatError{Line: p.n, Err: err}
		}
	}
	switch err := s.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, &FormatError{Line: p.n + 1, Err: ErrLong}
	case err != nil:
		return nil, fmt.Errorf("reading a trace: %w", err)
	case !p.ended:
		return nil, &FormatError{Line: p.n + 1, Err: ErrCut}
	}
	return &p.t, nil
}

// parser reads a trace: a header, tokens, layers and an end.
type parser struct {
	t       Trace
	each    func(*Token) error
	n       int // lines
	experts int // of the layers so far
	ended   bool
}

func (p *parser) read(text []byte) error {
	var l line
	if err := json.UnmarshalRead(bytes.NewReader(text), &l, json.RejectUnknownMembers(true)); err != nil {
		return err
	}
	kinds := 0
	for _, is := range []bool{l.Trace != nil, l.Token != nil, l.Layer != nil, l.End != nil} {
		if is {
			kinds++
		}
	}
	switch {
	case kinds != 1, p.ended, (l.Trace != nil) != (p.n == 1):
		return ErrOrder
	case l.Trace != nil:
		return p.header(l.Trace)
	case l.Token != nil:
		return p.token(l.Token)
	case l.Layer != nil:
		return p.layer(l.Layer)
	}
	return p.end(l.End)
}

func (p *parser) header(h *Header) error {
	if h.Version != Version {
		return fmt.Errorf("version %d; this program reads version %d", h.Version, Version)
	}
	if h.Model.Layers < 1 || h.Model.Layers > tierplan.MaxLayers {
		return fmt.Errorf("a model of %d layers: want 1 to %d", h.Model.Layers, tierplan.MaxLayers)
	}
	p.t.Header = *h
	return nil
}

func (p *parser) token(t *Token) error {
	if len(p.t.Usage.Chosen) > 0 {
		return ErrOrder
	}
	if len(t.Experts) != p.t.Model.Layers || len(t.Weights) != len(t.Experts) {
		return fmt.Errorf("a token of %d and %d layers: want %d", len(t.Experts), len(t.Weights), p.t.Model.Layers)
	}
	for i := range t.Experts {
		if len(t.Experts[i]) != len(t.Weights[i]) {
			return fmt.Errorf("layer %d: %d experts and %d weights", i, len(t.Experts[i]), len(t.Weights[i]))
		}
	}
	if p.each == nil {
		return nil
	}
	return p.each(t)
}

func (p *parser) layer(l *Layer) error {
	u, n := &p.t.Usage, len(l.Chosen)
	p.experts += n
	switch {
	case l.Layer != len(u.Chosen) || l.Layer >= p.t.Model.Layers:
		return ErrOrder
	case len(l.Mass) != n:
		return fmt.Errorf("layer %d: %d experts and %d masses", l.Layer, n, len(l.Mass))
	case n > p.t.Model.Experts || p.experts > MaxExperts:
		return fmt.Errorf("layer %d has %d experts: more than the model's %d, or more than %d in all", l.Layer, n, p.t.Model.Experts, MaxExperts)
	}
	for i, mass := range l.Mass {
		if mass < 0 || math.IsNaN(mass) || math.IsInf(mass, 0) {
			return fmt.Errorf("layer %d: expert %d has a weight mass of %v", l.Layer, i, mass)
		}
	}
	u.Chosen, u.Mass = append(u.Chosen, l.Chosen), append(u.Mass, l.Mass)
	return nil
}

func (p *parser) end(e *End) error {
	if len(p.t.Usage.Chosen) != p.t.Model.Layers {
		return fmt.Errorf("the trace has %d of %d layers", len(p.t.Usage.Chosen), p.t.Model.Layers)
	}
	for layer, chosen := range p.t.Usage.Chosen {
		for i, n := range chosen {
			if n > e.Tokens {
				return fmt.Errorf("layer %d: expert %d was chosen %d times by %d tokens", layer, i, n, e.Tokens)
			}
		}
	}
	p.t.End, p.ended = *e, true
	return nil
}
