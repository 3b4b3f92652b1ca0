package lite

import (
	"fmt"
	"os"
	"strings"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/tierplan"
)

// TierPlan divides the experts of a flat model into tiers (docs/tiers.md).
type TierPlan = tierplan.Plan

// TierList asks for tiers by their names instead of a set's.
type TierList = model.TierList

// ParseTierList reads a list of tiers such as
// "tiers=fast,mid,k_tier=2,k_group=1,k_expert=4". It returns a *TierListError.
func ParseTierList(text string) (*TierList, error) { return model.ParseTierList(text) }

// ReadTierPlan reads a tier plan from a file. It returns a *TierFormatError for
// a file that is none; whether it is one for a model is found out by Open.
func ReadTierPlan(path string) (*TierPlan, error) {
	f, err := os.Open(path) //nolint:gosec // the caller's file
	if err != nil {
		return nil, fmt.Errorf("opening a tier plan: %w", err)
	}
	defer func() { _ = f.Close() }() // it was read only
	p, err := tierplan.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// tierSet is the set of a name or a list.
func (m *Model) tierSet(name string, list *TierList) (*hser.TierSet, error) {
	if list != nil {
		return m.m.List(list)
	}
	return m.m.Set(name)
}

// BoundError says that a tier set cannot promise a limit of a request.
type BoundError struct {
	TierSet string
	Bytes   bool  // the limit is of expert bytes, and not of parameters
	Need    int64 // what a token of the set may execute
	Limit   int64
	Fit     []string // the named sets that keep all limits of the request
}

// Error implements error.
func (e *BoundError) Error() string {
	fit := "no tier set of this model keeps the limits"
	if len(e.Fit) > 0 {
		fit = "these keep the limits: " + strings.Join(e.Fit, ", ")
	}
	if e.Bytes {
		return fmt.Sprintf("a token may execute experts of %d bytes (%v) under the tier set %q, and the limit is %d bytes (%v); %s",
			e.Need, base.ByteSize(e.Need), e.TierSet, e.Limit, base.ByteSize(e.Limit), fit)
	}
	return fmt.Sprintf("a token may execute %d parameters under the tier set %q, and the limit is %d; %s", e.Need, e.TierSet, e.Limit, fit)
}

// promise holds a set to limits of what a token executes. What it promises is
// the bound, which no token exceeds, and not what tokens happen to execute.
func (m *Model) promise(set *hser.TierSet, params, bytes int64) error {
	if params < 0 || bytes < 0 {
		return &OptionError{What: fmt.Sprintf("limits of %d parameters and %d expert bytes: want numbers from 0", params, bytes)}
	}
	over := func(s *hser.TierSet) *BoundError {
		if need := m.m.Bound(s).PActive; params > 0 && need > params {
			return &BoundError{TierSet: s.Name, Need: need, Limit: params}
		}
		if need := m.m.ExpertBytes(s); bytes > 0 && need > bytes {
			return &BoundError{TierSet: s.Name, Bytes: true, Need: need, Limit: bytes}
		}
		return nil
	}
	e := over(set)
	if e == nil {
		return nil
	}
	for i := range m.m.Sets {
		if open, err := m.m.Set(m.m.Sets[i].Name); err == nil && over(open) == nil {
			e.Fit = append(e.Fit, open.Name)
		}
	}
	return e
}
