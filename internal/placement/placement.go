// Package placement says on which rungs a tier's bytes may be, how many on each,
// and whether they stay in memory. It stands beside the parameter's road: what it
// decides moves bytes and never changes one. It is pure; the root package opens
// the rungs and the store of experts that keep to it.
package placement

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/lite-llm/lite/internal/base"
)

// The rungs that a policy may name, from the nearest on.
const (
	DRAM   = "dram"
	NVMe   = "nvme"
	Object = "object"
)

var known = []string{DRAM, NVMe, Object}

// Policy is the placement of one tier. The zero value uses every rung there is
// and bounds nothing.
type Policy struct {
	// Rungs are where bytes of the tier may be; empty means anywhere. Memory is
	// always one of them, because experts are computed there.
	Rungs []string `json:"rungs,omitzero"`
	// Pin loads the whole tier when the model is opened and keeps it in memory.
	Pin bool `json:"pin,omitzero"`
	// Budgets bound the bytes of the tier on a rung: its experts in memory, its
	// part of the cache directory.
	Budgets map[string]Size `json:"budgets,omitzero"`
	// Replicas are how many nodes of a cluster hold the tier.
	Replicas int `json:"replicas,omitzero"`
	// Credentials are for the tier's objects. Only a user's own file has them.
	Credentials *Credentials `json:"credentials,omitzero"`
}

// Credentials say where a tier's credentials are; none are in a policy.
type Credentials struct {
	Env     string `json:"env,omitzero"`
	Profile string `json:"profile,omitzero"`
	File    string `json:"file,omitzero"`
}

// Size is a number of bytes, which text gives as a number or as "20GiB".
type Size int64

// UnmarshalJSON implements json.Unmarshaler.
func (s *Size) UnmarshalJSON(b []byte) error {
	text := string(b)
	if b[0] == '"' {
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
	}
	n, err := base.ParseByteSize(text)
	if err == nil && n == 0 {
		err = errors.New("0 bytes are no budget: leave the rung out instead")
	}
	*s = Size(n)
	return err
}

// Error says what is wrong with a placement, or cannot be done about it.
type Error struct {
	Tier string // empty when it is about all of them
	What string
}

// Error implements error.
func (e *Error) Error() string {
	if e.Tier == "" {
		return "placement: " + e.What
	}
	return fmt.Sprintf("placement of tier %q: %s", e.Tier, e.What)
}

// Limits on what is read.
const (
	maxFile  = 1 << 20 // bytes
	maxTiers = 1 << 16
)

// File is a user's placement, by the names of tiers. A tier that it names is
// placed by it alone, whatever the model says.
type File struct {
	Tiers map[string]Policy `json:"tiers"`
}

// Read reads a user's file. The error is an *Error.
func Read(r io.Reader) (*File, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, &Error{What: fmt.Sprintf("the file is longer than %d bytes", maxFile)}
	}
	f := &File{}
	if err := json.Unmarshal(b, f, json.RejectUnknownMembers(true)); err != nil {
		return nil, &Error{What: plain(err)}
	}
	if len(f.Tiers) > maxTiers {
		return nil, &Error{What: fmt.Sprintf("the file names more than %d tiers", maxTiers)}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Tiers)) {
		p := f.Tiers[name]
		if err := p.validate(name); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// OfModel reads what a model says of a tier. Its maker names no credentials: they
// would be the user's.
func OfModel(tier string, v jsontext.Value) (Policy, error) {
	var p Policy
	if len(v) == 0 {
		return p, nil
	}
	if err := json.Unmarshal(v, &p, json.RejectUnknownMembers(true)); err != nil {
		return p, &Error{Tier: tier, What: plain(err)}
	}
	if p.Credentials != nil {
		return p, &Error{Tier: tier, What: "a model cannot name credentials; a placement file of yours can"}
	}
	return p, p.validate(tier)
}

// plain is what is wrong with JSON, without the name of the package that says so.
func plain(err error) string {
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "json: "), "jsontext: ")
}

func (p *Policy) validate(tier string) error {
	bad := func(format string, args ...any) error {
		return &Error{Tier: tier, What: fmt.Sprintf(format, args...)}
	}
	for i, r := range p.Rungs {
		if !slices.Contains(known, r) {
			return bad("there is no rung %q; there are %s", r, strings.Join(known, ", "))
		}
		if slices.Contains(p.Rungs[:i], r) {
			return bad("it names %s twice", r)
		}
	}
	if len(p.Rungs) > 0 && !slices.Contains(p.Rungs, DRAM) {
		return bad("experts are computed in memory: add %s to its rungs", DRAM)
	}
	for _, r := range slices.Sorted(maps.Keys(p.Budgets)) {
		switch {
		case r != DRAM && r != NVMe:
			return bad("a budget is of %s or %s, not of %q", DRAM, NVMe, r)
		case !p.May(r):
			return bad("it has a budget of %s, which is none of its rungs", r)
		}
	}
	if p.Replicas < 0 {
		return bad("%d replicas", p.Replicas)
	}
	if c := p.Credentials; c != nil && *c == (Credentials{}) {
		return bad("its credentials name neither env, profile nor file")
	}
	return nil
}

// May says whether bytes of the tier may be on a rung.
func (p *Policy) May(rung string) bool { return len(p.Rungs) == 0 || slices.Contains(p.Rungs, rung) }

// Resolve returns the policy of each tier: the user's, else the model's. The error
// is an *Error for a tier that the file names and the model has not, or one whose
// policy leaves it nowhere to be read from, source being where the model is.
func Resolve(tiers []string, model []Policy, user *File, source string) ([]Policy, error) {
	all := slices.Clone(model)
	if user != nil {
		for _, name := range slices.Sorted(maps.Keys(user.Tiers)) {
			i := slices.Index(tiers, name)
			if i < 0 {
				return nil, &Error{Tier: name, What: "the model has no such tier; it has " + strings.Join(tiers, ", ")}
			}
			all[i] = user.Tiers[name]
		}
	}
	for i := range all {
		if !all[i].May(source) {
			return nil, &Error{Tier: tiers[i], What: fmt.Sprintf("it may not be on %s, where the model is", source)}
		}
		// A model says these for wherever it may be; a user means this place.
		if user == nil || source == Object {
			continue
		}
		if p := user.Tiers[tiers[i]]; p.Credentials != nil || p.Budgets[NVMe] > 0 {
			return nil, &Error{Tier: tiers[i], What: "credentials and a budget of nvme are for models in an object store, and this one is in files"}
		}
	}
	return all, nil
}
