package tierplan

import "fmt"

// FormatError says that bytes are no tier plan.
type FormatError struct{ Err error }

// Error implements error.
func (e *FormatError) Error() string { return "tier plan: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *FormatError) Unwrap() error { return e.Err }

// Error says what a plan says that cannot be.
type Error struct{ What string }

// Error implements error.
func (e *Error) Error() string { return "tier plan: " + e.What }

func errorf(format string, args ...any) error { return &Error{What: fmt.Sprintf(format, args...)} }

// ModelError says that a plan or a trace is of another model.
type ModelError struct{ What, Field, Theirs, Ours string }

// Error implements error.
func (e *ModelError) Error() string {
	return fmt.Sprintf("the %s is of another model: its %s is %s, and this model's is %s", e.What, e.Field, e.Theirs, e.Ours)
}

// BudgetError says that a tier needs more parameters than its budget has.
type BudgetError struct {
	Tier           string
	Needs, Budget  int64
	Least          bool // Needs is the least that the tier can have
	Layer, Experts int  // of Least: so many experts at each layer
}

// Error implements error.
func (e *BudgetError) Error() string {
	if e.Least {
		return fmt.Sprintf("tier %q needs at least %d parameters, for %d experts at each layer, and its budget is %d", e.Tier, e.Needs, e.Experts, e.Budget)
	}
	return fmt.Sprintf("tier %q has experts of %d parameters, and its budget is %d", e.Tier, e.Needs, e.Budget)
}

// RestError says that the budgets of all tiers together do not hold a model.
type RestError struct {
	Experts         int   // that are in no tier
	Parameters      int64 // of these
	Budgets, Needed int64 // of all tiers, and of all experts
}

// Error implements error.
func (e *RestError) Error() string {
	return fmt.Sprintf("%d experts of %d parameters fit no tier: the budgets are %d together and the experts of the model have %d; add a tier without a budget",
		e.Experts, e.Parameters, e.Budgets, e.Needed)
}
