package tierplan

import (
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Read reads a plan. It returns a *FormatError for what is no plan: unknown
// members, members that are there twice, and what is beyond a limit included.
// Validate says whether it is one for a model.
func Read(r io.Reader) (*Plan, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading a tier plan: %w", err)
	}
	return Parse(text)
}

// Parse is Read of bytes that are there already.
func Parse(text []byte) (*Plan, error) {
	if len(text) > MaxFile {
		return nil, &FormatError{Err: fmt.Errorf("more than %d bytes", MaxFile)}
	}
	p := &Plan{}
	if err := json.Unmarshal(text, p, json.RejectUnknownMembers(true)); err != nil {
		return nil, &FormatError{Err: err}
	}
	if p.Version != Version {
		return nil, &FormatError{Err: fmt.Errorf("version %d; this program reads version %d", p.Version, Version)}
	}
	return p, nil
}

// Write writes the plan: the same bytes for the same plan.
func (p *Plan) Write(w io.Writer) error {
	if err := json.MarshalWrite(w, p, json.Deterministic(true)); err != nil {
		return fmt.Errorf("writing a tier plan: %w", err)
	}
	_, err := w.Write([]byte{'\n'})
	return err
}

// readList reads an array of at most limit elements.
func readList[T any](d *jsontext.Decoder, what string, limit int) ([]T, error) {
	begin, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	if begin.Kind() != '[' {
		return nil, fmt.Errorf("%s are not an array", what)
	}
	list := []T{}
	for d.PeekKind() != ']' {
		if len(list) == limit {
			return nil, fmt.Errorf("more than %d %s", limit, what)
		}
		var v T
		if err := json.UnmarshalDecode(d, &v); err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err = d.ReadToken()
	return list, err
}

// UnmarshalJSONFrom reads at most MaxTiers tiers.
func (t *Tiers) UnmarshalJSONFrom(d *jsontext.Decoder) (err error) {
	*t, err = readList[Tier](d, "tiers", MaxTiers)
	return err
}

// UnmarshalJSONFrom reads at most MaxSets sets.
func (s *Sets) UnmarshalJSONFrom(d *jsontext.Decoder) (err error) {
	*s, err = readList[Set](d, "tier sets", MaxSets)
	return err
}

// UnmarshalJSONFrom reads at most MaxTiers names.
func (n *Names) UnmarshalJSONFrom(d *jsontext.Decoder) (err error) {
	*n, err = readList[string](d, "tiers of a set", MaxTiers)
	return err
}

// experts are the indices of one layer.
type experts []int32

// UnmarshalJSONFrom reads at most MaxExperts indices.
func (e *experts) UnmarshalJSONFrom(d *jsontext.Decoder) (err error) {
	*e, err = readList[int32](d, "experts of a layer", MaxExperts)
	return err
}

// UnmarshalJSONFrom reads at most MaxLayers layers.
func (l *Layers) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	layers, err := readList[experts](d, "layers", MaxLayers)
	*l = make(Layers, len(layers))
	for i := range layers {
		(*l)[i] = layers[i]
	}
	return err
}
