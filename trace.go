package lite

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/lite-llm/lite/internal/engine"
	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/routetrace"
	"github.com/lite-llm/lite/internal/tierplan"
	"github.com/lite-llm/lite/internal/tokenizer"
)

// Trace is what a text routed in a model: how often each expert of each layer
// was chosen, and the sum of its weights. It tells what the text was about.
type Trace = routetrace.Trace

// TraceToken is what one token chose.
type TraceToken = routetrace.Token

// TraceFormatError says that a file is no trace.
type TraceFormatError = routetrace.FormatError

// TraceRequest says what is traced.
type TraceRequest struct {
	// TierSet is the tiers to use, by a name or a list as in Request; empty is
	// the model's default.
	TierSet string
	// Text goes through the model in windows, each of which begins an empty
	// context. All of it is traced.
	Text string
	// Window is the tokens of a window; 0 is 256, or the context when that is
	// less.
	Window int
	// Choices writes what every token chose too, which tells much of the text.
	Choices bool
	// Progress, if not nil, is told how many windows of how many are done.
	Progress func(done, all int)
}

// Trace passes a text through the model and writes what was routed to out as it
// goes, in the format of docs/format/tierplan.md: the same request gives the same
// bytes. It returns what ReadTrace would read. A model without experts is a
// *TierFlatError.
func (m *Model) Trace(ctx context.Context, r TraceRequest, out io.Writer) (*Trace, error) {
	set, err := m.tierSet(r.TierSet, nil)
	if err != nil {
		return nil, err
	}
	shape, err := m.m.Shape()
	if err != nil {
		return nil, err
	}
	windows, err := m.pieces(&r)
	if err != nil {
		return nil, err
	}
	t := &tracer{r: &r, trace: Trace{Usage: tierplan.NewUsage(shape.Experts)}}
	t.trace.Header = routetrace.Header{Version: routetrace.Version, Model: shape.Model(), TierSet: set.Name, Window: r.Window}
	if t.w, err = routetrace.NewWriter(out, t.trace.Header); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.routed = t.routed
	defer func() { m.routed = nil }()
	for i, tokens := range windows {
		t.begin(i, len(tokens))
		if _, err := m.forward(ctx, pass{set: set, tokens: tokens}, nil); err != nil {
			return nil, err
		}
		if err := t.end(); err != nil {
			return nil, err
		}
		if r.Progress != nil {
			r.Progress(i+1, len(windows))
		}
	}
	text := sha256.Sum256([]byte(r.Text))
	t.trace.TextSHA256 = hex.EncodeToString(text[:])
	return &t.trace, t.w.Close(t.trace.Usage, t.trace.End)
}

// pieces cuts the text's tokens into windows, the last of which may be shorter.
func (m *Model) pieces(r *TraceRequest) ([][]int32, error) {
	if r.Window == 0 {
		r.Window = min(defaultWindow, m.plan.Context)
	}
	if r.Window < 1 || r.Window > m.plan.Context {
		return nil, &OptionError{What: fmt.Sprintf("a window of %d tokens: take at least 1 and at most the context, %d", r.Window, m.plan.Context)}
	}
	tokens := m.text.tok.Encode(nil, r.Text, tokenizer.Options{AddSpecial: true})
	if len(tokens) == 0 {
		return nil, ErrEmpty
	}
	return slices.Collect(slices.Chunk(tokens, r.Window)), nil
}

// tracer counts what is routed, and keeps the choices of one window.
type tracer struct {
	r      *TraceRequest
	w      *routetrace.Writer
	trace  Trace
	tokens []TraceToken // of the window, with Choices only
}

// begin begins a window of so many tokens.
func (t *tracer) begin(window, tokens int) {
	t.trace.Tokens += uint64(tokens) //nolint:gosec // a length
	t.tokens = t.tokens[:0]
	for i := range tokens {
		if t.r.Choices {
			layers := len(t.trace.Usage.Chosen)
			t.tokens = append(t.tokens, TraceToken{Window: window, Position: i, Experts: make([][]int64, layers), Weights: make([][]float32, layers)})
		}
	}
}

// routed is told what a row chose at a layer. Rows come in the order of their
// positions, so that sums do not depend on chunks.
func (t *tracer) routed(layer int, row engine.Row, chosen []hser.Choice) {
	for _, c := range chosen {
		t.trace.Usage.Chosen[layer][c.Index]++
		t.trace.Usage.Mass[layer][c.Index] += float64(c.Weight)
		if t.r.Choices {
			one := &t.tokens[row.Pos]
			one.Experts[layer], one.Weights[layer] = append(one.Experts[layer], c.Index), append(one.Weights[layer], c.Weight)
		}
	}
}

// end writes the choices of a window.
func (t *tracer) end() error {
	for i := range t.tokens {
		if err := t.w.Token(&t.tokens[i]); err != nil {
			return err
		}
	}
	return nil
}

// ReadTrace reads a trace from a file, without what single tokens chose. It
// returns a *TraceFormatError for a file that is none.
func ReadTrace(path string) (*Trace, error) {
	f, err := os.Open(path) //nolint:gosec // the caller's file
	if err != nil {
		return nil, fmt.Errorf("opening a trace: %w", err)
	}
	defer func() { _ = f.Close() }() // it was read only
	t, err := routetrace.Read(f, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}
