package jinja

import (
	"strings"
)

type testFunc func(r *run, v any, args []any) (bool, error)

// is makes a test of a predicate.
func is(f func(v any) bool) testFunc {
	return func(_ *run, v any, _ []any) (bool, error) { return f(v), nil }
}

// relation makes a test of a comparison.
func relation(op string) testFunc {
	return func(r *run, v any, args []any) (bool, error) {
		if len(args) != 1 {
			return false, fail("the test %s needs one value", op)
		}
		return r.compare(op, v, args[0])
	}
}

func isType[T any](v any) bool { _, ok := v.(T); return ok }

func isSequence(v any) bool { return isType[*list](v) || isType[string](v) || isType[*Dict](v) }

func cased(change func(string) string) testFunc {
	return is(func(v any) bool {
		s, ok := v.(string)
		return ok && change(s) == s && strings.ToUpper(s) != strings.ToLower(s)
	})
}

func divisible(by func(args []any) any, remainder int64) testFunc {
	return func(r *run, v any, args []any) (bool, error) {
		m, err := (&binary{"%", literal{v}, literal{by(args)}}).eval(r, nil)
		return err == nil && r.equal(m, remainder), err
	}
}

// tests by name.
var tests = map[string]testFunc{
	"defined":   is(func(v any) bool { return !isType[undefined](v) }),
	"undefined": is(isType[undefined]),
	"none":      is(func(v any) bool { return v == nil }),
	"string":    is(isType[string]),
	"boolean":   is(isType[bool]),
	"integer":   is(isType[int64]),
	"float":     is(isType[float64]),
	"number":    is(func(v any) bool { _, ok := number(v); return ok }),
	"mapping":   is(isType[*Dict]),
	"sequence":  is(isSequence),
	"iterable":  is(func(v any) bool { return isSequence(v) || isType[undefined](v) }),
	"callable":  is(func(v any) bool { return isType[function](v) }),
	"true":      is(func(v any) bool { return v == true }),
	"false":     is(func(v any) bool { return v == false }),
	"lower":     cased(strings.ToLower),
	"upper":     cased(strings.ToUpper),
	"odd":       divisible(func([]any) any { return int64(2) }, 1),
	"even":      divisible(func([]any) any { return int64(2) }, 0),
	"divisibleby": divisible(func(args []any) any {
		if len(args) == 1 {
			return args[0]
		}
		return nil
	}, 0),
	"eq": relation("=="), "equalto": relation("=="), "==": relation("=="), "ne": relation("!="), "!=": relation("!="),
	"lt": relation("<"), "lessthan": relation("<"), "<": relation("<"), "le": relation("<="), "<=": relation("<="),
	"gt": relation(">"), "greaterthan": relation(">"), ">": relation(">"), "ge": relation(">="), ">=": relation(">="),
	"in": relation("in"),
	"sameas": func(r *run, v any, args []any) (bool, error) {
		return len(args) == 1 && typeName(v) == typeName(args[0]) && r.equal(v, args[0]), nil
	},
}
