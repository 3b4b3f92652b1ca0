package lite

import "time"

// Times is where the time of layers with experts went, since a model was opened.
type Times struct {
	// Router is what choosing took: multiplying the routing heads, and reading
	// those that are leased.
	Router time.Duration
	// Experts is what the chosen ones took: reading, multiplying, adding.
	Experts time.Duration
}

// Times is where the time of layers with experts went, under Options.Measure; zero
// without. It waits for a generation that is running.
func (m *Model) Times() Times {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.eng == nil {
		return Times{}
	}
	return Times(m.eng.Times())
}

// clock is a monotonic time for measurements, or nil where nobody asked for any.
func (o *settled) clock() func() time.Duration {
	if !o.Measure {
		return nil
	}
	begin := time.Now() //nolint:forbidigo // measures, and decides nothing
	return func() time.Duration { return time.Since(begin) }
}
