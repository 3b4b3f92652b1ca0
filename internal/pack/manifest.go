package pack

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/lite-llm/lite/internal/quant"
)

// The names of files in a pack.
const (
	ManifestName  = "manifest.json"
	SignatureName = "manifest.sig"
	trunkName     = "trunk.gguf"
	trunkHashes   = "trunk.hashes"
)

// The constants of the format.
const (
	format  = "lite.pack"
	version = 1
	// Align is what experts, heads and tensors begin at multiples of, in bytes.
	Align = 4096
	// page is the bytes of a trunk that have a hash of their own. Reads of a
	// trunk take megabytes, and what is at their ends is read up to a page.
	page = 256 << 10
)

// The ways in which a model chooses its experts.
const (
	Joint  = "joint"  // one routing head for all experts of a layer, in the trunk
	Nested = "nested" // heads for groups and experts, beside the experts
)

// What the stacked tensors of a model's description hold.
const (
	ByLayer = "layer" // blk.L.ffn_gate_exps.weight: the experts of all tiers at a layer
	ByTier  = "tier"  // blk.L.tier.T.ffn_gate_exps.weight: those of one tier at a layer
)

// Limits on a manifest, far above any model and far below what would overflow
// or take memory out of proportion.
const (
	MaxManifest = 64 << 20 // bytes
	MaxLayers   = 1 << 12
	MaxTiers    = 1 << 16
	MaxShards   = 1 << 18
	MaxDim      = 1 << 31
	MaxHead     = 256 << 20 // bytes of a shard's head
	MaxName     = 128       // bytes of a tier's or a set's name
	maxExact    = 1 << 53   // the largest integer that JSON holds exactly
)

// Manifest says what is in a pack. It has an entry for each tier and layer and
// none for an expert, so that it stays small at any capacity; only a flat model
// that a plan divided lists which experts a tier has.
type Manifest struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	// Profile is the version of the numerics contract that the pack was made
	// under.
	Profile      string `json:"numerics_profile"`
	Name         string `json:"name"`
	Architecture string `json:"architecture"`
	Layers       int    `json:"layers"`
	Routing      string `json:"routing"` // Joint or Nested
	Stacks       string `json:"stacks"`  // ByLayer or ByTier; ByTier when Nested
	RoutingSeed  uint64 `json:"routing_seed,string"`
	// ShardHead is the bytes before the first tensor of every shard.
	ShardHead  int64  `json:"shard_head"`
	Trunk      Trunk  `json:"trunk"`
	Tiers      []Tier `json:"tiers"`
	Sets       []Set  `json:"tier_sets"`
	DefaultSet string `json:"default_tier_set"`
}

// Trunk describes trunk.gguf. Root is the hash of trunk.hashes, which has one
// hash for each page.
type Trunk struct {
	Bytes int64 `json:"bytes"`
	Page  int64 `json:"page"`
	Root  Hash  `json:"root"`
}

// Tier is a named pool of experts of the model.
type Tier struct {
	Name string `json:"name"`
	// Groups and Experts (of each group) are those of a nested model; a joint
	// one has one group.
	Groups  int64  `json:"groups"`
	Experts int64  `json:"experts_per_group"`
	Budget  Budget `json:"budget"`
	// Placement and Access belong to who places and who grants; a pack keeps
	// them as they are.
	Placement jsontext.Value `json:"placement,omitzero"`
	Access    jsontext.Value `json:"access,omitzero"`
	// Shapes are the different sizes that its experts have at different layers.
	Shapes []Shape `json:"shapes"`
	Layers []Layer `json:"layers"`
}

// Budget bounds a tier.
type Budget struct {
	Parameters int64 `json:"parameters"`
}

// Shape is the experts of one tier at a layer: how many, how many to a shard
// (the last one may have fewer), and the three projections of each.
type Shape struct {
	Count    int64  `json:"count"`
	PerShard int64  `json:"per_shard"`
	Gate     Matrix `json:"gate"`
	Up       Matrix `json:"up"`
	Down     Matrix `json:"down"`
	// GroupHead has a row for each group, ExpertHead one for each expert of a
	// group. Nested models have both, joint ones none.
	GroupHead  Matrix `json:"group_head,omitzero"`
	ExpertHead Matrix `json:"expert_head,omitzero"`
}

// Matrix is rows of blocks.
type Matrix struct {
	Type string `json:"type"`
	Cols int64  `json:"cols"`
	Rows int64  `json:"rows"`
}

// Layer is one tier at one layer. Root is the hash of the hashes of its shards.
type Layer struct {
	Layer int  `json:"layer"`
	Shape int  `json:"shape"` // index into the tier's shapes
	Root  Hash `json:"root"`
	// Experts are the canonical indices in the order of storage, where a plan
	// divided a flat model; without it they count on.
	Experts []int32 `json:"experts,omitzero"`
}

// Set is a named tier set.
type Set struct {
	Name    string   `json:"name"`
	Tiers   []string `json:"tiers"`
	KTier   int      `json:"k_tier"`
	KGroup  int      `json:"k_group"`
	KExpert int      `json:"k_expert"`
}

// encode is the manifest's bytes: JSON in the canonical form of RFC 8785, so
// that equal manifests have one hash.
func (m *Manifest) encode() ([]byte, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	v := jsontext.Value(b)
	err = v.Canonicalize()
	return v, err
}

// digest is the SHA-256 of a manifest's bytes, in hexadecimal: the identity of
// a pack.
func digest(manifest []byte) string {
	h := sha256.Sum256(manifest)
	return hex.EncodeToString(h[:])
}

// decode reads a manifest's bytes. What is accepted is sound: every size and
// position that follows from it fits, and is bounded by the limits above.
func decode(b []byte, path string) (*Manifest, error) {
	bad := func(format string, args ...any) (*Manifest, error) {
		return nil, &ManifestError{Path: path, What: fmt.Sprintf(format, args...)}
	}
	canonical := jsontext.Value(slices.Clone(b))
	if err := canonical.Canonicalize(); err != nil {
		return bad("is not JSON: %v", err)
	}
	if string(canonical) != string(b) {
		return bad("is not in the canonical form of RFC 8785: it was edited after the pack was made")
	}
	m := &Manifest{}
	// The format and the version first: another version has other members.
	var head struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return bad("cannot be read: %v", err)
	}
	if head.Format != format {
		return bad("is not the manifest of a pack (format %.80q, want %q)", head.Format, format)
	}
	if head.Version != version {
		return bad("is of version %d of the format; this program reads version %d", head.Version, version)
	}
	if err := json.Unmarshal(b, m, json.RejectUnknownMembers(true)); err != nil {
		return bad("cannot be read: %v", err)
	}
	// A member that is missing would have a value that nobody wrote.
	if again, err := m.encode(); err != nil || string(again) != string(b) {
		return bad("does not have all that a manifest has")
	}
	if err := m.validate(); err != nil {
		return bad("%v", err)
	}
	return m, nil
}

// parseType finds a block format by its name.
func parseType(name string) (quant.Type, bool) {
	for _, t := range quant.Types() {
		if t.String() == name {
			return t, true
		}
	}
	return 0, false
}
