package lite

import (
	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/quant"
	"github.com/lite-llm/lite/internal/sample"
)

// Profile is the version of the numerics contract: results of equal profiles
// are equal to the bit.
const Profile = sample.Profile

// Info describes a model.
type Info struct {
	Path         string           `json:"path"`
	Name         string           `json:"name"`
	Architecture string           `json:"architecture"`
	FileBytes    int64            `json:"file_bytes"`
	Layers       int              `json:"layers"`
	Dim          int              `json:"embedding_length"`
	Vocabulary   int              `json:"vocabulary"`
	Tokenizer    string           `json:"tokenizer"`
	Chat         bool             `json:"chat_template"`
	Context      int              `json:"context_length"`
	Params       int64            `json:"params"` // of all tensors that are used
	TrunkParams  int64            `json:"trunk_params"`
	Types        map[string]int64 `json:"bytes_by_type"`
	Tiers        []TierInfo       `json:"tiers"`
	Sets         []SetInfo        `json:"tier_sets"`
	DefaultSet   string           `json:"default_tier_set"`
	TierPlan     bool             `json:"tier_plan"` // tiers are those of a plan of a flat model
	RoutingSeed  uint64           `json:"routing_seed"`
	Profile      string           `json:"numerics_profile"`
	Kernels      string           `json:"kernels"`
	Pack         *PackInfo        `json:"pack"` // nil when it is not a pack
	Plan         Plan             `json:"plan"`
}

// TierInfo describes a tier.
type TierInfo struct {
	Name    string `json:"name"`
	Groups  int    `json:"groups"`
	Experts int    `json:"experts_per_group"` // under a tier plan, of the layer with the most
	Params  int64  `json:"params"`            // of its experts
	// RouterParams is that of the routing heads within the tier; 0 where they
	// are part of the trunk.
	RouterParams int64 `json:"router_params"`
	// ThetaMax is the parameters of its largest expert.
	ThetaMax int64 `json:"theta_max"`
	// Closed says that requests may not use it (Options.OpenTiers).
	Closed bool `json:"closed"`
}

// SetInfo describes a tier set and its bound: P_active ≤ L·(C_dense + K·Θ_max).
type SetInfo struct {
	Name     string   `json:"name"`
	Tiers    []string `json:"tiers"`
	KTier    int      `json:"k_tier"`
	KGroup   int      `json:"k_group"`
	KExpert  int      `json:"k_expert"`
	L        int      `json:"l"`
	CDense   float64  `json:"c_dense"`
	K        int      `json:"k"`
	ThetaMax int64    `json:"theta_max"`
	PActive  int64    `json:"p_active"`
	// ExpertBytes is the most bytes of experts that a token executes.
	ExpertBytes int64 `json:"expert_bytes"`
}

// Info describes the open model.
func (m *Model) Info() Info {
	info := Info{
		Path: m.path, Name: m.m.Name, Architecture: m.m.Arch, FileBytes: m.fileBytes(), Layers: len(m.m.Layers),
		Dim: m.m.Dim, Vocabulary: m.m.Vocab, Tokenizer: m.text.tok.Describe(), Chat: m.text.template != nil,
		Context: m.m.Context, Types: map[string]int64{}, DefaultSet: m.m.DefaultSet, RoutingSeed: m.m.RoutingSeed,
		Profile: Profile, Kernels: m.opt.kernels.String(), Plan: *m.plan, TierPlan: m.opt.Tiers != nil,
	}
	if m.pack != nil {
		info.Pack = packInfo(m.pack, m.path)
	}
	for _, t := range m.m.Trunk {
		info.Types[t.Type.String()] += t.Bytes
		info.TrunkParams += t.Bytes / int64(t.Type.BlockBytes()) * int64(t.Type.BlockLen())
	}
	info.Params = info.TrunkParams
	for _, pools := range m.m.Experts {
		for _, p := range pools {
			for i, slab := range p.Slabs {
				t := [...]quant.Type{p.Gate.Type, p.Up.Type, p.Down.Type}[i]
				info.Types[t.String()] += slab.Size * int64(p.Count)
			}
			if p.Groups > 0 {
				info.Types[p.Heads.Group.Type.String()] += p.GroupHead.Size
				info.Types[p.Heads.Expert.Type.String()] += p.ExpertHead.Size * int64(p.Groups)
			}
		}
	}
	for _, t := range m.m.Tiers {
		info.Params += t.Params + t.RouterParams
		info.Tiers = append(info.Tiers, TierInfo(t))
	}
	for i := range m.m.Sets {
		info.Sets = append(info.Sets, m.setInfo(&m.m.Sets[i]))
	}
	return info
}

func (m *Model) setInfo(set *hser.TierSet) SetInfo {
	b := m.m.Bound(set)
	s := SetInfo{
		Name: set.Name, KTier: set.KTier, KGroup: set.KGroup, KExpert: set.KExpert,
		L: b.Layers, CDense: b.CDense, K: b.K, ThetaMax: b.ThetaMax, PActive: b.PActive, ExpertBytes: m.m.ExpertBytes(set),
	}
	for _, t := range set.Tiers {
		s.Tiers = append(s.Tiers, m.m.Tiers[t].Name)
	}
	return s
}

// TierSet describes the tier set of that name, the default one for "", or the one
// of a list (ParseTierList): what a request that names it may use. The error is
// what such a request gives.
func (m *Model) TierSet(name string) (SetInfo, error) {
	set, err := m.tierSet(name, nil)
	if err != nil {
		return SetInfo{}, err
	}
	return m.setInfo(set), nil
}

// HasChat says whether the model's file has a chat template.
func (m *Model) HasChat() bool { return m.text.template != nil }

// TierSets lists the names of the model's tier sets.
func (m *Model) TierSets() []string {
	names := make([]string, len(m.m.Sets))
	for i := range m.m.Sets {
		names[i] = m.m.Sets[i].Name
	}
	return names
}

// Context is the most positions of a sequence.
func (m *Model) Context() int { return m.plan.Context }

// Vocabulary is the number of logits of a position.
func (m *Model) Vocabulary() int { return m.m.Vocab }
