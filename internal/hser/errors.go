package hser

import "fmt"

// KError says that more candidates are to be chosen than are allowed, or none.
type KError struct {
	Level      Level
	K, Allowed int
}

// Error implements error.
func (e *KError) Error() string {
	if e.K < 1 {
		return fmt.Sprintf("%d %ss are to be chosen: choose at least one of the %d that are allowed", e.K, e.Level, e.Allowed)
	}
	return fmt.Sprintf("%d %ss are to be chosen of the %d that are allowed", e.K, e.Level, e.Allowed)
}

// SetError says that a tier set does not fit a model's tiers.
type SetError struct{ What string }

// Error implements error.
func (e *SetError) Error() string { return "tier set: " + e.What }

// ConfigError says that a model's routing contradicts itself.
type ConfigError struct{ What string }

// Error implements error.
func (e *ConfigError) Error() string { return "routing: " + e.What }

// ScoresError says that a step was given scores of another number than the
// candidates of its level.
type ScoresError struct {
	Level      Level
	Have, Want int
}

// Error implements error.
func (e *ScoresError) Error() string {
	return fmt.Sprintf("%d %s scores were given, want %d", e.Have, e.Level, e.Want)
}

// NaNError says that a routing score is not a number. It fails the request of
// that position and no other.
type NaNError struct {
	Level           Level
	Position, Layer int
}

// Error implements error.
func (e *NaNError) Error() string {
	return fmt.Sprintf("layer %d, position %d: a routing score of the level %s is not a number", e.Layer, e.Position, e.Level)
}
