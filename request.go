package lite

import (
	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/sample"
)

// Message is one turn of a conversation. Roles are the template's: "system",
// "user", "assistant".
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Request asks for an answer. One of Prompt, Messages and Tokens is set; of
// several, Tokens counts before Messages before Prompt.
type Request struct {
	Prompt   string    // a text to go on from
	Messages []Message // a conversation, in the format of the model's template
	Tokens   []int32   // tokens to go on from, as they are

	// TierSet is the name of the tiers that the request may use, or a list such
	// as "tiers=fast,mid,k_expert=4" (ParseTierList); empty is the model's
	// default. It is exact: used as it is or refused.
	TierSet string
	// Tiers, if not nil, is a list in the place of TierSet.
	Tiers *TierList
	// MaxActiveParameters and MaxExpertBytes are promises for every token of the
	// request: it executes at most so many parameters, and experts (with the
	// routing heads that stand among them) of at most so many bytes, so that no
	// more of them is read for it either. 0 asks for none. What the tier set cannot promise is refused with a *BoundError
	// before anything runs; Stats say what ran.
	MaxActiveParameters int64
	MaxExpertBytes      int64
	// MaxTokens ends the answer after so many tokens; 0 goes on until the
	// model ends it or the context is full.
	MaxTokens int
	// Stop ends the answer before any of these texts. Text that may turn out
	// to be the beginning of one is held back until that is known.
	Stop []string
	// IgnoreEnd goes on after the model's own end, for measurements.
	IgnoreEnd bool
	// Hash makes Generation.LogitsSHA256 available, for comparisons.
	Hash bool

	Sampling
}

// Sampling says how tokens are chosen from their probabilities. The zero value
// takes the most likely token.
type Sampling struct {
	// Seed draws the answer: equal seeds and requests give equal answers.
	Seed        uint64
	Temperature float32 // 0 takes the most likely token
	TopK        int     // only the k most likely; 0 all
	TopP        float32 // only the most likely that reach probability p; 0 all
	MinP        float32 // only those at least p times as likely as the best; 0 all
	// RepeatPenalty above 1 makes the last 64 tokens less likely; 0 or 1 does
	// nothing.
	RepeatPenalty float32
	// PresencePenalty and FrequencyPenalty lower the logits of tokens that
	// were generated, once and as often as they were.
	PresencePenalty, FrequencyPenalty float32
	// Bias is added to the logits of these tokens.
	Bias map[int32]float32
}

// Validate returns a *SamplingError for the first value out of range. Generate
// validates too: this serves those who want to know before a model is open.
func (s *Sampling) Validate() error {
	o := s.options(kernel.Reference)
	return o.Validate()
}

// options are the sampler's, computed with the given kernels.
func (s *Sampling) options(k kernel.Impl) sample.Options {
	return sample.Options{
		Seed: s.Seed, Temperature: s.Temperature, TopK: s.TopK, TopP: s.TopP, MinP: s.MinP,
		RepeatPenalty: s.RepeatPenalty, PresencePenalty: s.PresencePenalty, FrequencyPenalty: s.FrequencyPenalty,
		Bias: s.Bias, Kernels: k,
	}
}

// Token is a piece of an answer.
type Token struct {
	ID int32
	// Text is what the token completes: empty while a character is not whole.
	Text string
}

// Stop says why an answer ended.
type Stop string

// The reasons.
const (
	StopEnd       Stop = "end"       // the model ended it
	StopText      Stop = "stop"      // a text of Request.Stop came
	StopLength    Stop = "length"    // Request.MaxTokens
	StopContext   Stop = "context"   // the context is full
	StopBreak     Stop = "break"     // the reader stopped reading
	StopCancelled Stop = "cancelled" // the context of Generate was cancelled
	StopError     Stop = "error"     // see Generation.Err
)

// Stats are the measurements of a generation.
type Stats struct {
	// PromptTokens is the length of the prompt, template and special tokens
	// included.
	PromptTokens int `json:"prompt_tokens"`
	// ReusedTokens of the prompt were in the session's context already.
	ReusedTokens int `json:"reused_tokens"`
	// GeneratedTokens is the length of the answer, its end included.
	GeneratedTokens int `json:"generated_tokens"`
	// TTFTMilliseconds is the time to the first token, from the turn of the
	// generation on, in milliseconds.
	TTFTMilliseconds float64 `json:"ttft_ms"`
	// PrefillTokensPerSec counts the tokens of the prompt that were computed,
	// per second.
	PrefillTokensPerSec float64 `json:"prefill_tokens_per_s"`
	// DecodeTokensPerSec counts the tokens after the first one, per second,
	// with what the reader of Tokens took.
	DecodeTokensPerSec float64 `json:"decode_tokens_per_s"`
	// ActiveParamsMax is the most parameters that one token executed, and
	// ActiveParamsBound what the model and its tier set allow.
	ActiveParamsMax   int64 `json:"active_params_max"`
	ActiveParamsBound int64 `json:"active_params_bound"`
	// ExpertBytesMax is the most bytes of experts that one token executed,
	// resident or read, and ExpertBytesBound what its tier set allows.
	ExpertBytesMax   int64 `json:"expert_bytes_max"`
	ExpertBytesBound int64 `json:"expert_bytes_bound"`
	// PeakRSSBytes is the most memory that the process had resident since it
	// began, in bytes; 0 where the system does not say.
	PeakRSSBytes int64 `json:"peak_rss_bytes"`
	// ReadBytes is what was read of experts during the generation, in bytes,
	// by the rung that it came from.
	ReadBytes map[string]int64 `json:"read_bytes"`
	// Residency is where the model's bytes are after the generation, and what was
	// read from where since the model was opened.
	Residency Rungs `json:"residency"`
	// MissedBytes is the size of the experts that were not resident when they were
	// needed, each as often as that was: what had to be read.
	MissedBytes int64 `json:"missed_bytes"`
	// ExpertHitRate is the part of leases, 0 to 1, whose expert was resident;
	// 1 when there were none. ExpertHits and ExpertMisses are its numbers.
	ExpertHitRate float64 `json:"expert_hit_rate"`
	ExpertHits    uint64  `json:"expert_hits"`
	ExpertMisses  uint64  `json:"expert_misses"`
	// ExpertEvictions counts the experts that left for others.
	ExpertEvictions uint64 `json:"expert_evictions"`
	// ResidentExpertBytes is what experts take in memory at the end, in bytes.
	ResidentExpertBytes int64 `json:"resident_expert_bytes"`
	// PredictedExperts counts what Options.Prefetch predicted of next layers,
	// whether or not it had to be read, and PredictedRight those that were asked
	// for. GuessedExperts of them were begun to be read; GuessesUsed were asked
	// for, GuessesWasted left before. GuessedBytes is the part of ReadBytes that
	// was read for them, in bytes.
	PredictedExperts uint64 `json:"predicted_experts"`
	PredictedRight   uint64 `json:"predicted_right"`
	GuessedExperts   uint64 `json:"guessed_experts"`
	GuessesUsed      uint64 `json:"guesses_used"`
	GuessesWasted    uint64 `json:"guesses_wasted"`
	GuessedBytes     int64  `json:"guessed_bytes"`
}
