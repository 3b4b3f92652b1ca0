package main

import (
	"fmt"
	"strings"

	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/weights"
	"github.com/lite-llm/lite/internal/weights/gguf"
)

// shape is what a token costs in a model with the same experts at every layer, as
// far as its file says. Sizes are bytes.
type shape struct {
	layers, experts, chosen int
	// trunk is what a token reads of the weights that are not experts: the
	// embedding is a row, unless it is the output head too.
	trunk int64
	// allExperts is the size of all of them, and expertPart of the largest of the
	// matrices of one.
	allExperts, expertPart int64
	// prefillParams are multiplied for a token of a prompt, whose output head is
	// only computed for the last one.
	prefillParams int64
}

// perExpert is the mean size of an expert.
func (s *shape) perExpert() float64 {
	return float64(s.allExperts) / float64(max(1, s.layers*s.experts))
}

// active is what a token reads of all weights.
func (s *shape) active() float64 {
	return float64(s.trunk) + float64(s.layers*s.chosen)*s.perExpert()
}

// expertShare is the part of active that is experts.
func (s *shape) expertShare() float64 { return 1 - float64(s.trunk)/s.active() }

// shapeOf reads the description of a GGUF file.
func shapeOf(path string) (shape, error) {
	m, err := gguf.Open(vfs.OS{}, path)
	if err != nil {
		return shape{}, err
	}
	arch, err := m.Meta.String("general.architecture")
	if err != nil {
		return shape{}, fmt.Errorf("%s: %w", path, err)
	}
	count := func(key string) int {
		n, err := m.Meta.Int(arch + "." + key)
		if err != nil {
			return 0 // a dense model does not say it
		}
		return int(n)
	}
	s := shape{layers: count("block_count"), experts: count("expert_count"), chosen: count("expert_used_count")}
	if s.experts > 0 && (s.chosen < 1 || s.chosen > s.experts) {
		return shape{}, fmt.Errorf("%s: %d of %d experts are chosen", path, s.chosen, s.experts)
	}
	s.add(m)
	return s, nil
}

// add counts the tensors.
func (s *shape) add(m *weights.Model) {
	_, headed := m.Tensor("output.weight")
	for t := range m.All() {
		switch expert := strings.Contains(t.Name, "_exps."); {
		case expert && s.experts > 0:
			s.allExperts += t.Range.Len
			s.expertPart = max(s.expertPart, t.Range.Len/int64(s.experts))
			s.prefillParams += int64(t.Elements()) / int64(s.experts) * int64(s.chosen)
		case t.Name == "token_embd.weight":
			if !headed {
				s.trunk += t.Range.Len
			}
		default:
			s.trunk += t.Range.Len
			if t.Name != "output.weight" && len(t.Dims) > 1 {
				s.prefillParams += int64(t.Elements())
			}
		}
	}
}
