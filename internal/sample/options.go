// Package sample turns logits into the next token. It stands at the end of the
// token's road. Randomness comes from a counter-based generator keyed by the
// seed and the prompt, so that a token depends on nothing but its request
// (docs/format/numerics.md, rule 9).
package sample

import (
	"fmt"
	"math"
)

// Options say how tokens are chosen. The zero value is greedy.
type Options struct {
	Seed        uint64
	Temperature float32 // 0 takes the most likely token
	TopK        int     // keep the k most likely; 0 keeps all
	TopP        float32 // keep the least set whose probability reaches p; 0 or 1 keeps all
	MinP        float32 // keep what is at least p times as likely as the best; 0 keeps all
	// RepeatPenalty divides positive logits of recent tokens and multiplies
	// negative ones (Keskar et al., 2019); 0 or 1 does nothing.
	RepeatPenalty float32
	RepeatLast    int // how many tokens back are recent; 0 means 64, -1 all
	// PresencePenalty is subtracted from the logit of each token generated
	// before, FrequencyPenalty as often as it was.
	PresencePenalty, FrequencyPenalty float32
	Bias                              map[int32]float32 // added to logits
	// Sample numbers the answers of one request, which differ by it alone.
	Sample uint64
}

// OptionError says which option is out of range.
type OptionError struct{ What string }

// Error implements error.
func (e *OptionError) Error() string { return e.What }

// Validate returns an *OptionError for the first option out of range.
func (o *Options) Validate() error {
	finite := func(x float32) bool { return !math.IsNaN(float64(x)) && !math.IsInf(float64(x), 0) }
	switch {
	case !finite(o.Temperature) || o.Temperature < 0:
		return &OptionError{fmt.Sprintf("temperature %v: want 0 or more", o.Temperature)}
	case o.TopK < 0:
		return &OptionError{fmt.Sprintf("top-k %d: want 0 or more", o.TopK)}
	case !(o.TopP >= 0 && o.TopP <= 1):
		return &OptionError{fmt.Sprintf("top-p %v: want 0 to 1", o.TopP)}
	case !(o.MinP >= 0 && o.MinP <= 1):
		return &OptionError{fmt.Sprintf("min-p %v: want 0 to 1", o.MinP)}
	case !finite(o.RepeatPenalty) || o.RepeatPenalty < 0:
		return &OptionError{fmt.Sprintf("repeat penalty %v: want more than 0", o.RepeatPenalty)}
	case !finite(o.PresencePenalty) || !finite(o.FrequencyPenalty):
		return &OptionError{"presence and frequency penalties must be numbers"}
	}
	return nil
}
