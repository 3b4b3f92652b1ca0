package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lite-llm/lite"
)

// The exit codes. They are promised in exitCodes and in docs/command.md.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // what shells say of a process that Ctrl-C ended
)

// exitCodes ends the help of every command.
const exitCodes = `
Exit codes:
  0    it is done
  1    it failed: the model or a file cannot be used, or memory is too small
  2    it cannot be done as it was asked: a command, flag, value, tier set,
       token or prompt is wrong
  130  Ctrl-C ended it; what was said until then was printed
Errors are one line on standard error.
`

// usageError is a mistake in the command line.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// exitCode is the exit code of a command that returned err.
func exitCode(err error) int {
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case isA[*usageError](err), isA[*lite.OptionError](err), isA[*lite.SyntheticError](err), isA[*lite.SamplingError](err),
		isTierError(err), isA[*lite.TokenError](err), isA[*lite.ContextError](err),
		errors.Is(err, lite.ErrEmpty), errors.Is(err, lite.ErrNoTemplate):
		return exitUsage
	}
	return exitFailed
}

// isTierError says that tiers were asked for that there are not, or more of
// them than is allowed.
func isTierError(err error) bool {
	return isA[*lite.TierSetError](err) || isA[*lite.PlacementError](err) || isA[*lite.TierError](err) || isA[*lite.TierListError](err) ||
		isA[*lite.TierClosedError](err) || isA[*lite.TierRoomError](err) || isA[*lite.TierCountError](err) ||
		isA[*lite.TierBudgetError](err) || isA[*lite.TierRestError](err) || isA[*lite.TierPlanError](err) ||
		isA[*lite.TierModelError](err) || isA[*lite.TierFlatError](err) || isA[*lite.BoundError](err)
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// explain makes one line of an error. Names in it may come from a file that
// somebody else made, so nothing in it can move a terminal's cursor.
func explain(err error) string {
	if errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	return printable(strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; "))
}

// flagError says what is wrong with a flag in words for who typed it.
func flagError(cmd *cobra.Command, err error) error {
	help := fmt.Sprintf("'%s --help' lists the flags", cmd.CommandPath())
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		kinds := map[string]string{
			"int": "a whole number", "uint64": "a whole number from 0", "float64": "a number", "bool": "true or false",
		}
		if kind, ok := kinds[e.GetFlag().Value.Type()]; ok {
			return usagef("--%s %q: want %s", e.GetFlag().Name, e.GetValue(), kind)
		}
	}
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return usagef("there is no flag %s; %s", dashed(e.GetSpecifiedName()), help)
	}
	if e, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return usagef("%s needs a value; %s", dashed(e.GetSpecifiedName()), help)
	}
	return usagef("%w; %s", err, help)
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// arguments checks how many arguments there are; names are those of all.
func arguments(least int, names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		help := fmt.Sprintf("'%s --help' shows how", cmd.CommandPath())
		switch {
		case len(args) < least:
			return usagef("%s is missing; %s", names[len(args)], help)
		case len(args) > len(names) && len(names) > 0 && names[len(names)-1] == "PROMPT":
			return usagef("unexpected %q: put a prompt of several words in quotes; %s", args[len(names)], help)
		case len(args) > len(names):
			return usagef("unexpected %q; %s", args[len(names)], help)
		}
		return nil
	}
}
