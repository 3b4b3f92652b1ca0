// Package tierplan says which experts of a flat model form which tier: a plan
// names and places, and changes nothing. It stands on the road of a parameter
// beside the file's description, and the model's family asks it whose tier an
// expert is. docs/format/tierplan.md has the format.
package tierplan

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Version is the version of the format.
const Version = 1

// Limits on what a plan may say. They are far above any model, and are checked
// while a plan is read, before anything is allocated for what is beyond them.
const (
	MaxFile    = 16 << 20 // bytes
	MaxTiers   = 64
	MaxSets    = 64
	MaxLayers  = 1 << 12
	MaxExperts = 1 << 16 // of a layer
	MaxName    = 64      // bytes of a name of a tier; a set's may join those of all
)

// Plan divides the experts of one model into tiers.
type Plan struct {
	Version int   `json:"version"`
	Model   Model `json:"model"`
	// Tiers are in canonical order: a tier's index is its place here.
	Tiers Tiers `json:"tiers"`
	// Sets are the named tier sets, Default one of them.
	Sets    Sets   `json:"sets"`
	Default string `json:"default"`
	Notes   Notes  `json:"notes,omitzero"`
}

// Model identifies the model that a plan or a trace is of. Two files of one
// model in different block formats are the same model here.
type Model struct {
	Name         string `json:"name"`
	Architecture string `json:"architecture"`
	Layers       int    `json:"layers"`
	Experts      int    `json:"experts"` // of the layer with the most
	// SHA256 is the digest of everything that Shape describes, in hexadecimal.
	SHA256 string `json:"shape_sha256"`
}

// Tier is a named pool of experts.
type Tier struct {
	Name   string `json:"name"`
	Budget Budget `json:"budget,omitzero"`
	// Experts are the canonical indices of each layer, ascending; none for a
	// layer that is dense.
	Experts Layers `json:"experts"`
	// Placement and Access are for who places and who grants: kept as they are.
	Placement jsontext.Value `json:"placement,omitzero"`
	Access    jsontext.Value `json:"access,omitzero"`
}

// Budget is what a tier may have.
type Budget struct {
	// Parameters is the most parameters of all experts of the tier; 0 is no
	// limit.
	Parameters int64 `json:"parameters,omitzero"`
}

// Set is a named tier set: these tiers, and so many experts of a token at a
// layer.
type Set struct {
	Name    string `json:"name"`
	Tiers   Names  `json:"tiers"`
	KExpert int    `json:"k_expert"`
}

// Notes say how a plan was made. Nothing depends on them.
type Notes struct {
	Tool        string `json:"tool,omitzero"`
	TraceTokens uint64 `json:"trace_tokens,omitzero"`
	TextSHA256  string `json:"text_sha256,omitzero"`
	Text        string `json:"text,omitzero"`
}

// The lists of a plan. Each is refused while it is read when it is longer than
// its limit.
type (
	// Tiers are at most MaxTiers.
	Tiers []Tier
	// Sets are at most MaxSets.
	Sets []Set
	// Names are at most MaxTiers.
	Names []string
	// Layers are at most MaxLayers lists of at most MaxExperts indices each.
	Layers [][]int32
)

// Index is the place of the tier of that name, or -1.
func (p *Plan) Index(name string) int {
	return slices.IndexFunc(p.Tiers, func(t Tier) bool { return t.Name == name })
}

// Table is the tier of each of a layer's n experts. The plan is valid.
func (p *Plan) Table(layer, n int) []uint8 {
	if n == 0 {
		return nil
	}
	of := make([]uint8, n)
	for t := range p.Tiers {
		for _, i := range p.Tiers[t].Experts[layer] {
			of[i] = uint8(t)
		}
	}
	return of
}

// Parameters is how many parameters the tier's experts have, when one expert of
// layer i has each[i].
func (t *Tier) Parameters(each []int64) (n int64) {
	for i, experts := range t.Experts {
		n += int64(len(experts)) * each[i]
	}
	return n
}
