package lite

import (
	"fmt"

	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/tierplan"
	"github.com/lite-llm/lite/internal/tiny"
	"github.com/lite-llm/lite/internal/vfs"
)

// TierAsk is a tier that a plan is to have, with its budget.
type TierAsk = tierplan.Ask

// ParseTierAsk reads a tier with its budget: "fast=2e9" or "fast=300M" of
// parameters, "fast=25%" of those of all experts, or "rest", which takes what is
// left.
func ParseTierAsk(text string) (TierAsk, error) { return tierplan.ParseAsk(text) }

// PlanRequest says how a flat model is divided.
type PlanRequest struct {
	Trace *Trace    // by what the experts are measured
	Tiers []TierAsk // the first one gets the experts with the most weight mass
	// KExpert is how many experts a token takes at a layer under a set; a set
	// that is not named takes as many as the model does.
	KExpert map[string]int
}

// PlanReport says what a plan's tiers and sets hold of what the trace routed, and
// what tokens execute under each set.
type PlanReport struct {
	Model tierplan.Model        `json:"model"`
	Tiers []tierplan.TierReport `json:"tiers"`
	Sets  []PlannedSet          `json:"tier_sets"`
	// Curve is what the best experts hold, from none to all: weight mass and hit
	// rate against the parameters that are resident.
	Curve []tierplan.Point `json:"curve"`
}

// PlannedSet is a tier set of a plan.
type PlannedSet struct {
	tierplan.SetReport
	ActiveParams int64 `json:"active_params_bound"`
	ExpertBytes  int64 `json:"expert_bytes_bound"`
	// Evaluation is how well the model predicts a text under the set; nil where
	// that was not measured.
	Evaluation *Evaluation `json:"evaluation"`
}

// PlanTiers divides the experts of the flat model at path into tiers by a trace
// of it, and reports what they hold. It reads the model's description only. The
// error is a *TierFlatError for a model that cannot be divided, a *TierModelError
// for a trace of another one, a *TierBudgetError or a *TierRestError for budgets
// that do not do, a *TierPlanError, or one that Open gives.
func PlanTiers(path string, r PlanRequest) (*TierPlan, *PlanReport, error) {
	m, err := describedModel(path)
	if err != nil {
		return nil, nil, readError(err)
	}
	shape, err := m.PlanShape()
	if err != nil {
		return nil, nil, err
	}
	if err := shape.Check("trace", r.Trace.Model); err != nil {
		return nil, nil, err
	}
	p, err := tierplan.Split(shape, r.Trace.Usage, r.Tiers, r.KExpert)
	if err != nil {
		return nil, nil, err
	}
	p.Notes = tierplan.Notes{Tool: "lite tier-plan", TraceTokens: r.Trace.Tokens, TextSHA256: r.Trace.TextSHA256}
	held, err := p.Report(shape, r.Trace.Usage)
	if err != nil {
		return nil, nil, err
	}
	if err := m.Divide(p); err != nil {
		return nil, nil, err
	}
	report := &PlanReport{Model: held.Model, Tiers: held.Tiers, Curve: held.Curve}
	for i := range held.Sets {
		set := &m.Sets[i]
		report.Sets = append(report.Sets, PlannedSet{SetReport: held.Sets[i], ActiveParams: m.Bound(set).PActive, ExpertBytes: m.ExpertBytes(set)})
	}
	return p, report, nil
}

// describedModel is a model without weights.
func describedModel(path string) (*model.Model, error) {
	o := settled{Options: Options{fs: vfs.OS{}}}
	if path == tiny.Name {
		o.fs = vfs.Mem{tiny.Name: tiny.GGUF}
	}
	d := &Model{path: path, opt: o}
	if err := d.describe(path); err != nil {
		return nil, err
	}
	m, err := model.Build(d.w.Source(), nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}
