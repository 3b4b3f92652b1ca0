package synth

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Shape is the size of a model. Fields that a family has no use for are
// ignored by it.
type Shape struct {
	Family string // a key of families

	Layers, Dim, Heads, KVHeads int
	HeadDim                     int // values per head, Dim/Heads when 0
	FF                          int // hidden size of a dense layer
	Vocab, Context              int
	RopeBase, Eps               float64
	Tied                        bool // the output head is the embedding

	Experts, ExpertsUsed int
	ExpertFF             int // hidden size of an expert
	SharedFF             int // of qwen2moe's shared network; of each shared expert of deepseek2 it is ExpertFF

	// What only deepseek2 has.
	DenseLayers               int // leading layers without experts
	SharedExperts             int
	QLora, KVLora             int // ranks; QLora 0 is a query matrix in one piece
	Nope, Rot, ValueDim       int // values per head: not rotated, rotated, value
	ExpertGroups, GroupsUsed  int // 0 and 1 choose among all experts
	Sigmoid, NormalizeWeights bool
	WeightsScale              float64
	YarnFactor, YarnLog       float64 // no YaRN when the factor is 0
	YarnContext               int

	// What only lite has.
	Tiers []Tier
}

// Tier is a tier of the native architecture.
type Tier struct {
	Name                string
	FF, Groups, Experts int // Experts are per group
}

// Tiny is the shape of a model of that family which is small enough for a test and has all
// that the family has.
func Tiny(family string) Shape {
	s := Shape{
		Family: family, Layers: 2, Dim: 64, Heads: 4, KVHeads: 2, FF: 128, Vocab: 512, Context: 512,
		RopeBase: 10000, Eps: 1e-5, Experts: 8, ExpertsUsed: 2, ExpertFF: 32, SharedFF: 32,
	}
	switch family {
	case "llama", "qwen2":
		s.Experts = 0
	case "olmoe":
		s.KVHeads = 4
	case "qwen3":
		s.Experts, s.HeadDim = 0, 32
	case "qwen3moe":
		s.HeadDim = 32
	case "deepseek2":
		s.Layers, s.DenseLayers, s.SharedExperts, s.QLora, s.KVLora = 3, 1, 1, 64, 32
		s.Nope, s.Rot, s.ValueDim = 32, 16, 32
		s.ExpertGroups, s.GroupsUsed, s.Sigmoid, s.NormalizeWeights, s.WeightsScale = 4, 2, true, true, 2.5
		s.YarnFactor, s.YarnLog, s.YarnContext = 8, 0.1, 64
	case "sparse":
		s.Experts = 4
	case "lite":
		s.Tiers = []Tier{{"xs", 32, 2, 4}, {"s", 64, 2, 4}, {"m", 128, 2, 4}}
	}
	return s
}

// shapes are the published models whose shape is known by a name. "tiny" is
// there for every family.
var shapes = map[string]Shape{
	"smollm2-135m": {
		Family: "llama", Layers: 30, Dim: 576, Heads: 9, KVHeads: 3, FF: 1536,
		Vocab: 49152, Context: 8192, RopeBase: 100000, Eps: 1e-5, Tied: true,
	},
	"mixtral-8x7b": {
		Family: "mixtral", Layers: 32, Dim: 4096, Heads: 32, KVHeads: 8, FF: 14336, Vocab: 32000, Context: 32768,
		RopeBase: 1e6, Eps: 1e-5, Experts: 8, ExpertsUsed: 2, ExpertFF: 14336,
	},
	"olmoe-7b": {
		Family: "olmoe", Layers: 16, Dim: 2048, Heads: 16, KVHeads: 16, FF: 1024, Vocab: 50304, Context: 4096,
		RopeBase: 10000, Eps: 1e-5, Experts: 64, ExpertsUsed: 8, ExpertFF: 1024,
	},
	"qwen2.5-0.5b": {
		Family: "qwen2", Layers: 24, Dim: 896, Heads: 14, KVHeads: 2, FF: 4864,
		Vocab: 151936, Context: 32768, RopeBase: 1e6, Eps: 1e-6, Tied: true,
	},
	"qwen1.5-moe-a2.7b": {
		Family: "qwen2moe", Layers: 24, Dim: 2048, Heads: 16, KVHeads: 16, FF: 5632, Vocab: 151936, Context: 8192,
		RopeBase: 1e6, Eps: 1e-6, Experts: 60, ExpertsUsed: 4, ExpertFF: 1408, SharedFF: 5632,
	},
	"qwen3-0.6b": {
		Family: "qwen3", Layers: 28, Dim: 1024, Heads: 16, KVHeads: 8, HeadDim: 128, FF: 3072,
		Vocab: 151936, Context: 40960, RopeBase: 1e6, Eps: 1e-6, Tied: true,
	},
	"qwen3-30b-a3b":     qwen3A3B(48),
	"qwen3-30b-a3b-12l": qwen3A3B(12),
	"deepseek-v2-lite": {
		Family: "deepseek2", Layers: 27, Dim: 2048, Heads: 16, FF: 10944, Vocab: 102400, Context: 163840,
		RopeBase: 10000, Eps: 1e-6, Experts: 64, ExpertsUsed: 6, ExpertFF: 1408, DenseLayers: 1, SharedExperts: 2,
		KVLora: 512, Nope: 128, Rot: 64, ValueDim: 128, WeightsScale: 1,
		YarnFactor: 40, YarnLog: 0.0707, YarnContext: 4096,
	},
}

func qwen3A3B(layers int) Shape {
	return Shape{
		Family: "qwen3moe", Layers: layers, Dim: 2048, Heads: 32, KVHeads: 4, HeadDim: 128, FF: 6144, Vocab: 151936,
		Context: 40960, RopeBase: 1e6, Eps: 1e-6, Experts: 128, ExpertsUsed: 8, ExpertFF: 768,
	}
}

// ShapeOf is the named shape, "tiny" or one of Shapes, for the family, which may be empty if the name
// says it.
func ShapeOf(name, family string) (Shape, error) {
	if name == "tiny" {
		if _, ok := families[family]; !ok {
			return Shape{}, fmt.Errorf("--family %q is unknown; known: %s", family, strings.Join(sortedKeys(families), ", "))
		}
		return Tiny(family), nil
	}
	s, ok := shapes[name]
	if !ok {
		return Shape{}, fmt.Errorf("--shape %q is unknown; known: tiny, %s", name, strings.Join(sortedKeys(shapes), ", "))
	}
	if family != "" && family != s.Family {
		return Shape{}, fmt.Errorf("--shape %s is of the family %s, not %s", name, s.Family, family)
	}
	return s, nil
}

// Families lists the families.
func Families() []string { return sortedKeys(families) }

// Shapes lists the names of published models' shapes.
func Shapes() []string { return sortedKeys(shapes) }

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Field is a size that a flag of tools/genmodel can set.
type Field struct {
	Flag, Usage string
	of          func(*Shape) *int
}

// Fields are all of them.
var Fields = []Field{
	{"layers", "number of layers", func(s *Shape) *int { return &s.Layers }},
	{"dim", "embedding length", func(s *Shape) *int { return &s.Dim }},
	{"heads", "query heads", func(s *Shape) *int { return &s.Heads }},
	{"kv-heads", "key and value heads", func(s *Shape) *int { return &s.KVHeads }},
	{"head-dim", "values per head", func(s *Shape) *int { return &s.HeadDim }},
	{"ff", "hidden size of a dense layer", func(s *Shape) *int { return &s.FF }},
	{"vocab", "tokens", func(s *Shape) *int { return &s.Vocab }},
	{"context", "context length in tokens", func(s *Shape) *int { return &s.Context }},
	{"experts", "experts per layer", func(s *Shape) *int { return &s.Experts }},
	{"experts-used", "experts per token", func(s *Shape) *int { return &s.ExpertsUsed }},
	{"expert-ff", "hidden size of an expert", func(s *Shape) *int { return &s.ExpertFF }},
	{"shared-ff", "qwen2moe: hidden size of the shared network", func(s *Shape) *int { return &s.SharedFF }},
	{"shared-experts", "deepseek2: experts that every token uses", func(s *Shape) *int { return &s.SharedExperts }},
	{"dense-layers", "deepseek2: leading layers without experts", func(s *Shape) *int { return &s.DenseLayers }},
	{"q-lora", "deepseek2: rank of the queries, 0 for none", func(s *Shape) *int { return &s.QLora }},
	{"kv-lora", "deepseek2: rank of keys and values", func(s *Shape) *int { return &s.KVLora }},
	{"nope", "deepseek2: values per head that are not rotated", func(s *Shape) *int { return &s.Nope }},
	{"rot", "deepseek2: values per head that are rotated", func(s *Shape) *int { return &s.Rot }},
	{"value-dim", "deepseek2: values per head of a value", func(s *Shape) *int { return &s.ValueDim }},
	{"groups", "deepseek2: expert groups", func(s *Shape) *int { return &s.ExpertGroups }},
	{"groups-used", "deepseek2: expert groups per token", func(s *Shape) *int { return &s.GroupsUsed }},
}

// Set parses a flag's value into its field.
func (f *Field) Set(s *Shape, text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 1<<24 {
		return errors.New("want a number from 0 to 16777216")
	}
	*f.of(s) = n
	return nil
}

// ParseTiers reads "xs:32:2x4,s:64:2x4": name, hidden size, groups and experts
// per group of each tier.
func ParseTiers(text string) ([]Tier, error) {
	var tiers []Tier
	for one := range strings.SplitSeq(text, ",") {
		t := Tier{}
		name, sizes, _ := strings.Cut(one, ":")
		if _, err := fmt.Sscanf(sizes, "%d:%dx%d", &t.FF, &t.Groups, &t.Experts); err != nil || name == "" {
			return nil, fmt.Errorf("tier %q: want NAME:HIDDEN:GROUPSxEXPERTS, such as xs:32:2x4", one)
		}
		t.Name = name
		tiers = append(tiers, t)
	}
	return tiers, nil
}

// headDim is the number of values per head.
func (s *Shape) headDim() int {
	if s.HeadDim > 0 {
		return s.HeadDim
	}
	return s.Dim / max(s.Heads, 1)
}

// check returns an error for sizes that no model can have.
func (s *Shape) check() error {
	for _, f := range []struct {
		what string
		ok   bool
	}{
		{"--layers, --dim, --heads, --ff and --context must be positive", min(s.Layers, s.Dim, s.Heads, s.FF, s.Context) > 0},
		{"--heads must be a multiple of --kv-heads", s.Family == "deepseek2" || s.KVHeads > 0 && s.Heads%max(s.KVHeads, 1) == 0},
		{"--head-dim must be even", s.headDim()%2 == 0 && s.headDim() > 0},
		{"--experts-used must be 1 to --experts", s.Experts == 0 || s.ExpertsUsed >= 1 && s.ExpertsUsed <= s.Experts},
		{"--expert-ff must be positive", s.Experts == 0 || s.ExpertFF > 0},
		{"--groups must divide --experts", s.ExpertGroups <= 1 || s.Experts%s.ExpertGroups == 0 && s.GroupsUsed >= 1 && s.GroupsUsed <= s.ExpertGroups},
	} {
		if !f.ok {
			return errors.New(f.what)
		}
	}
	return s.checkFamily()
}

// checkFamily checks what only some families have.
func (s *Shape) checkFamily() error {
	switch s.Family {
	case "mixtral", "olmoe", "qwen2moe", "qwen3moe":
		if s.Experts == 0 {
			return fmt.Errorf("the family %s needs --experts", s.Family)
		}
	case "sparse":
		if s.Experts < 2 || s.FF%s.Experts != 0 {
			return errors.New("the family sparse needs at least 2 --experts, which divide --ff")
		}
	case "deepseek2":
		if min(s.Experts, s.KVLora, s.Nope, s.Rot, s.ValueDim) <= 0 || s.Rot%2 != 0 {
			return errors.New("deepseek2 needs --experts, --kv-lora, --nope, --value-dim and an even --rot")
		}
	case "lite":
		if len(s.Tiers) == 0 {
			return errors.New("the family lite needs --tiers")
		}
		for _, t := range s.Tiers {
			if min(t.FF, t.Groups, t.Experts) <= 0 || t.Experts < s.ExpertsUsed {
				return fmt.Errorf("tier %s needs positive sizes and at least --experts-used %d experts per group", t.Name, s.ExpertsUsed)
			}
		}
	}
	return nil
}
