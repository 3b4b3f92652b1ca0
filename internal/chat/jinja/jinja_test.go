package jinja

import (
	"os"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
)

// ordered reads JSON with the order of its keys and its integers kept.
func ordered(t *testing.T, raw jsontext.Value) any {
	t.Helper()
	switch raw.Kind() {
	case '{':
		d := NewDict()
		dec := jsontext.NewDecoder(strings.NewReader(string(raw)))
		_, err := dec.ReadToken()
		require.NoError(t, err)
		for dec.PeekKind() != '}' {
			key, err := dec.ReadToken()
			require.NoError(t, err)
			name := key.String()
			v, err := dec.ReadValue()
			require.NoError(t, err)
			d.Set(name, ordered(t, v.Clone()))
		}
		return d
	case '[':
		var items []jsontext.Value
		require.NoError(t, json.Unmarshal(raw, &items))
		out := []any{}
		for _, item := range items {
			out = append(out, ordered(t, item))
		}
		return out
	case '0':
		if !strings.ContainsAny(string(raw), ".eE") {
			var n int64
			require.NoError(t, json.Unmarshal(raw, &n))
			return n
		}
	default:
	}
	var v any
	require.NoError(t, json.Unmarshal(raw, &v))
	return v
}

// TestReference holds the engine to the reference implementation, case by case.
func TestReference(t *testing.T) {
	text, err := os.ReadFile("../testdata/cases.json")
	require.NoError(t, err)
	var file struct {
		Vars  jsontext.Value `json:"vars"`
		Cases []struct {
			Source string `json:"source"`
			Want   string `json:"want"`
			Error  bool   `json:"error"`
		} `json:"cases"`
	}
	require.NoError(t, json.Unmarshal(text, &file))
	require.Greater(t, len(file.Cases), 300)
	d, ok := ordered(t, file.Vars).(*Dict)
	require.True(t, ok)
	for _, c := range file.Cases {
		got, err := render(c.Source, d.values)
		switch {
		case c.Error && err == nil:
			t.Errorf("%s\n got %q, want an error", c.Source, got)
		case !c.Error && err != nil:
			t.Errorf("%s\n got the error %v, want %q", c.Source, err, c.Want)
		case !c.Error && got != c.Want:
			t.Errorf("%s\n got  %q\n want %q", c.Source, got, c.Want)
		}
	}
}

func render(source string, vars map[string]any) (string, error) {
	tpl, err := Parse(source, Limits{})
	if err != nil {
		return "", err
	}
	return tpl.Render(vars, nil)
}

// TestBombsAreStopped tries what exhausts other engines.
func TestBombsAreStopped(t *testing.T) {
	for _, source := range []string{
		"{{ 'a' * 10**12 }}", "{{ [0] * 10**12 }}", "{% for a in range(10**9) %}{% endfor %}",
		"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
		"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
		"{% set ns = namespace(x='aa') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
		"{% set ns = namespace(x='aa') %}{% for i in range(99) %}{% set ns.x = ns.x | replace('a', 'aaaa') %}{% endfor %}",
		"{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
		"{{ '%999999999d' % 1 }}", "{{ 'a'.ljust(10**10) }}", "{{ 'a' | center(10**10) }}", "{{ 'a' | indent(10**10, true) }}",
		"{{ range(3) | batch(10**12, 0) | list }}", "{{ " + strings.Repeat("(", 5000) + "1" + strings.Repeat(")", 5000) + " }}",
		strings.Repeat("{% if true %}", 5000), "{{ " + strings.Repeat("not ", 5000) + "1 }}", "{{ " + strings.Repeat("-", 5000) + "1 }}",
	} {
		_, err := render(source, nil)
		var limit *LimitError
		require.ErrorAs(t, err, &limit, "%.60s", source)
	}
}

func TestErrorsSayWhere(t *testing.T) {
	_, err := Parse("a\nb\n{% if %}", Limits{})
	var s *SyntaxError
	require.ErrorAs(t, err, &s)
	require.Equal(t, 3, s.Line)
	_, err = render("{{ raise_exception('roles must alternate') }}", nil)
	var raised *RaisedError
	require.ErrorAs(t, err, &raised)
	require.Equal(t, "roles must alternate", raised.Message)
}

// FuzzRender holds the engine to: no panic, and limits that hold.
func FuzzRender(f *testing.F) {
	for _, s := range []string{"{{ a }}", "{% for x in l %}{{ x | upper }}{% endfor %}", "{% set x = 1 %}{{- x -}}", "{{ 'a'[::-1] }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1) }}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		tpl, err := Parse(source, Limits{Steps: 20_000, Memory: 1 << 20})
		if err != nil {
			return
		}
		out, err := tpl.Render(map[string]any{"a": "x", "l": []any{1, "b", nil}}, nil)
		if err == nil && len(out) > 1<<20 {
			t.Fatalf("%d bytes of output", len(out))
		}
	})
}
