package lite

import (
	"context"

	"github.com/lite-llm/lite/internal/engine"
	"github.com/lite-llm/lite/internal/hser"
)

// Expert is an expert that a token ran: its canonical index in the layer, and
// the weight of its output.
type Expert struct {
	Index  int     `json:"index"`
	Weight float32 `json:"weight"`
}

// Routing receives the experts of every token as they are chosen, in ascending
// index; the slice is borrowed for the call.
type Routing func(layer, position int, chosen []Expert)

// Logits passes the tokens through the model from an empty context and calls
// each with the logits (vocabulary many, borrowed for the call) of every
// position. routing may be nil.
func (m *Model) Logits(ctx context.Context, tierSet string, tokens []int32, each func(position int, logits []float32) error, routing Routing) error {
	set, err := m.tierSet(tierSet, nil)
	if err != nil {
		return err
	}
	if len(tokens) == 0 {
		return ErrEmpty
	}
	if len(tokens) > m.plan.Context {
		return &ContextError{Need: len(tokens), Have: m.plan.Context}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if routing != nil {
		var experts []Expert
		m.routed = func(layer int, row engine.Row, chosen []hser.Choice) {
			experts = experts[:0]
			for _, c := range chosen {
				experts = append(experts, Expert{Index: int(c.Index), Weight: c.Weight})
			}
			routing(layer, row.Pos, experts)
		}
		defer func() { m.routed = nil }()
	}
	_, err = m.forward(ctx, pass{set: set, tokens: tokens}, each)
	return err
}

// pass is tokens that go through the model from an empty context.
type pass struct {
	set    *hser.TierSet
	tokens []int32
	random *uint64 // see engine.Job
}

// executed is the most that one token executed.
type executed struct{ params, expertBytes int64 }

// add is the most of either.
func (e *executed) add(o executed) {
	e.params, e.expertBytes = max(e.params, o.params), max(e.expertBytes, o.expertBytes)
}

// forward passes tokens through the model in chunks, and calls each, unless it
// is nil, with the logits of every position. m.mu is held.
func (m *Model) forward(ctx context.Context, p pass, each func(position int, logits []float32) error) (most executed, err error) {
	if m.closed {
		return most, ErrClosed
	}
	want := engine.WantAll
	if each == nil {
		want = engine.WantNone
	}
	seq := m.pool.NewSequence()
	defer seq.Close()
	for tokens := p.tokens; len(tokens) > 0; {
		n := min(m.plan.Chunk, len(tokens))
		jobs := []engine.Job{{Seq: seq, Set: p.set, Tokens: tokens[:n], Want: want, Random: p.random}}
		err := m.step(ctx, jobs, func(_, pos int, logits []float32) error { return each(pos, logits) })
		if err == nil {
			err = jobs[0].Err
		}
		if err != nil {
			return most, err
		}
		most.add(executed{jobs[0].Active, jobs[0].ExpertBytes})
		tokens = tokens[n:]
	}
	return most, nil
}
