package tierplan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Shape is what a plan must know of a flat model: one whose layers of experts
// have one routing head each.
type Shape struct {
	Name, Architecture string
	Dim, Vocab         int
	// Experts is the number of experts of each layer, 0 for a dense one, and
	// Params the parameters of one of them.
	Experts []int
	Params  []int64
	// Used is how many experts a token takes at a layer.
	Used int
	// LimitGroups > 1 says that only the best LimitUsed of so many equal groups
	// are candidates (hser.Config).
	LimitGroups, LimitUsed int
}

// Model identifies the model.
func (s *Shape) Model() Model {
	m := Model{Name: s.Name, Architecture: s.Architecture, Layers: len(s.Experts)}
	var text strings.Builder // never fails
	fmt.Fprintf(&text, "%s %d %d %d %d %d\n", s.Architecture, s.Dim, s.Vocab, s.Used, s.LimitGroups, s.LimitUsed)
	for i, n := range s.Experts {
		m.Experts = max(m.Experts, n)
		fmt.Fprintf(&text, "%d %d\n", n, s.Params[i])
	}
	sum := sha256.Sum256([]byte(text.String()))
	m.SHA256 = hex.EncodeToString(sum[:])
	return m
}

// Total is the parameters of all experts.
func (s *Shape) Total() (n int64) {
	for i, experts := range s.Experts {
		n += int64(experts) * s.Params[i]
	}
	return n
}

// limited says whether groups of experts are dropped before the choice.
func (s *Shape) limited() bool { return s.LimitGroups > 1 && s.LimitUsed < s.LimitGroups }

// Check says whether what was made of one model fits this one. The name may
// differ: it is what a file calls itself. It returns a *ModelError.
func (s *Shape) Check(what string, m Model) error {
	have := s.Model()
	for _, field := range []struct{ name, theirs, ours string }{
		{"architecture", m.Architecture, have.Architecture},
		{"layers", strconv.Itoa(m.Layers), strconv.Itoa(have.Layers)},
		{"experts of a layer", strconv.Itoa(m.Experts), strconv.Itoa(have.Experts)},
		{"shape", m.SHA256, have.SHA256},
	} {
		if field.theirs != field.ours {
			return &ModelError{What: what, Field: field.name, Theirs: field.theirs, Ours: field.ours}
		}
	}
	return nil
}
