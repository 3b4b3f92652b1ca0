package sample

import (
	"fmt"
	"math"

	"github.com/lite-llm/lite/internal/kernel"
)

// Options say how tokens are chosen. The zero value is greedy. They apply in
// the order: penalties and bias, mask, temperature, top-k, top-p, min-p.
type Options struct {
	// Seed draws the answer: equal seeds, prompts and options give equal
	// answers.
	Seed uint64
	// Sample numbers the answers to one request, which differ by it alone.
	Sample uint64

	// RepeatPenalty divides the positive logits of recent tokens and
	// multiplies the negative ones (Keskar et al., 2019). More than 1 makes
	// them less likely; 0 and 1 do nothing.
	RepeatPenalty float32
	// RepeatLast is how many tokens back are recent, the prompt's included; 0
	// means 64, -1 all of them.
	RepeatLast int
	// PresencePenalty is subtracted from the logit of each token that was
	// generated before, FrequencyPenalty once for each time that it was. The
	// prompt does not count. 0 does nothing.
	PresencePenalty, FrequencyPenalty float32
	// Bias is added to the logits of tokens. An id outside the vocabulary
	// does nothing.
	Bias map[int32]float32

	// Mask, if not nil, says which tokens may come next.
	Mask Mask

	// Temperature divides the logits. 0 takes the most likely token.
	Temperature float32
	// TopK keeps the k most likely tokens; 0 keeps all.
	TopK int
	// TopP keeps the fewest most likely tokens whose probability reaches p
	// (Holtzman et al., 2020); 0 and 1 keep all.
	TopP float32
	// MinP keeps the tokens that are at least p times as likely as the most
	// likely one (Nguyen et al., 2024); 0 keeps all.
	MinP float32

	// Kernels is the implementation of the arithmetic. All give equal bits.
	Kernels kernel.Impl
}

// defaultRepeatLast is the window of RepeatPenalty when none is given.
const defaultRepeatLast = 64

// Mask says which tokens a grammar allows next. The sampler asks for every id
// of the vocabulary, ascending, once for each token that it chooses; the
// grammar is told of the choice by whoever called the sampler.
type Mask interface {
	Allows(id int32) bool
}

// OptionError says which option is out of range.
type OptionError struct{ What string }

// Error implements error.
func (e *OptionError) Error() string { return e.What }

func optionError(format string, args ...any) error {
	return &OptionError{What: fmt.Sprintf(format, args...)}
}

// Validate returns an *OptionError for the first option out of range.
func (o *Options) Validate() error {
	switch {
	case !finite(o.RepeatPenalty) || o.RepeatPenalty < 0:
		return optionError("repeat penalty %v: want a number from 0", o.RepeatPenalty)
	case o.RepeatLast < -1:
		return optionError("repeat window %d: want a number of tokens, or -1 for all", o.RepeatLast)
	case !finite(o.PresencePenalty):
		return optionError("presence penalty %v: want a finite number", o.PresencePenalty)
	case !finite(o.FrequencyPenalty):
		return optionError("frequency penalty %v: want a finite number", o.FrequencyPenalty)
	case !finite(o.Temperature) || o.Temperature < 0:
		return optionError("temperature %v: want a number from 0", o.Temperature)
	case o.TopK < 0:
		return optionError("top-k %d: want a number from 0", o.TopK)
	case !(o.TopP >= 0 && o.TopP <= 1):
		return optionError("top-p %v: want a number from 0 to 1", o.TopP)
	case !(o.MinP >= 0 && o.MinP <= 1):
		return optionError("min-p %v: want a number from 0 to 1", o.MinP)
	}
	for _, b := range sortedBias(o.Bias) {
		if !finite(b.value) {
			return optionError("bias %v of token %d: want a finite number", b.value, b.id)
		}
	}
	return nil
}

func finite(x float32) bool { return !math.IsNaN(float64(x)) && !math.IsInf(float64(x), 0) }
