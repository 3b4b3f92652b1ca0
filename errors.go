package lite

import (
	"errors"

	"github.com/lite-llm/lite/internal/engine"
	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/kv"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/pack"
	"github.com/lite-llm/lite/internal/rung/synth"
	"github.com/lite-llm/lite/internal/sample"
	"github.com/lite-llm/lite/internal/tierplan"
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
	// TierError says that a model has no tier of that name, and which it has.
	TierError = model.TierError
	// TierListError says that a list of tiers is none.
	TierListError = model.ListError
	// TierClosedError says that a tier set has a tier that was not opened.
	TierClosedError = model.ClosedError
	// TierRoomError says that a list of tiers runs more experts than memory was
	// planned for (Options.TierSets).
	TierRoomError = model.RoomError
	// TierCountError says that a list of tiers chooses more than there is.
	TierCountError = hser.KError
	// TierPlanError says what a tier plan says that cannot be.
	TierPlanError = tierplan.Error
	// TierModelError says that a tier plan or a trace is of another model.
	TierModelError = tierplan.ModelError
	// TierBudgetError says that a tier needs more parameters than its budget has.
	TierBudgetError = tierplan.BudgetError
	// TierRestError says that the budgets of all tiers do not hold a model.
	TierRestError = tierplan.RestError
	// TierFormatError says that a file is no tier plan.
	TierFormatError = tierplan.FormatError
	// TierFlatError says that a model is not one that a plan can divide.
	TierFlatError = model.PlanError
	// SyntheticError says that the name of a synthetic model is none.
	SyntheticError = synth.NameError
	// SamplingError says which value of a Sampling is out of range.
	SamplingError = sample.OptionError
	// TokenError says that a token of a request is not in the vocabulary.
	TokenError = engine.TokenError
	// ManifestError says what is wrong with a pack.
	ManifestError = pack.ManifestError
	// IntegrityError says which bytes of a pack are not those that it was made
	// with. It is the cause of a ReadError when a request finds out.
	IntegrityError = pack.IntegrityError
	// SignatureError says why a pack is not trusted.
	SignatureError = pack.SignatureError
	// SpaceError says that a pack does not fit where it is written to.
	SpaceError = pack.SpaceError
	// ContextError says how many positions were needed, and how many there
	// are.
	ContextError = kv.FullError
)
