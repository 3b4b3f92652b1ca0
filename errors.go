package lite

import (
	"errors"

	"github.com/lite-llm/lite/internal/engine"
	"github.com/lite-llm/lite/internal/kv"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/sample"
	"github.com/lite-llm/lite/internal/weights/gguf"
)

// ErrNoTemplate is returned for a conversation with a model whose file has no
// chat template: it completes text, and takes Request.Prompt.
var ErrNoTemplate = errors.New("this model has no chat template: give it a text to go on from")

// ErrEmpty is returned for a request without a single token.
var ErrEmpty = errors.New("the prompt is empty")

// ErrClosed is returned when a closed model is asked for something.
var ErrClosed = errors.New("the model is closed")

// The errors that tell a caller more than their text.
type (
	// FormatError says what is wrong with a file, and where.
	FormatError = gguf.FormatError
	// FamilyError says that a file's architecture is not one that Lite runs.
	FamilyError = model.FamilyError
	// TierSetError says that a model has no tier set of that name, and which
	// it has.
	TierSetError = model.SetError
	// SamplingError says which value of a Sampling is out of range.
	SamplingError = sample.OptionError
	// TokenError says that a token of a request is not in the vocabulary.
	TokenError = engine.TokenError
	// ContextError says how many positions were needed, and how many there
	// are.
	ContextError = kv.FullError
)
