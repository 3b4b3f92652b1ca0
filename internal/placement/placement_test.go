package placement

import (
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
)

// TestPolicies reads the files of testdata/policies.
//
//	file                        a user's file
//	model                       what a model says of a tier
//	resolve source=object       a user's file over the tiers hot and cold; the
//	                            model says that cold may not be in memory only
func TestPolicies(t *testing.T) {
	datadriven.RunTest(t, "testdata/policies", func(t *testing.T, d *datadriven.TestData) string {
		show := func(v any, err error) string {
			if err != nil {
				var e *Error
				require.ErrorAs(t, err, &e)
				return err.Error() + "\n"
			}
			b, err := json.Marshal(v, json.Deterministic(true))
			require.NoError(t, err)
			return string(b) + "\n"
		}
		switch d.Cmd {
		case "file":
			f, err := Read(strings.NewReader(d.Input))
			return show(f, err)
		case "model":
			p, err := OfModel("cold", jsontext.Value(d.Input))
			return show(p, err)
		case "resolve":
			f, err := Read(strings.NewReader(d.Input))
			require.NoError(t, err)
			source := ""
			d.ScanArgs(t, "source", &source)
			all, err := Resolve([]string{"hot", "cold"}, []Policy{{}, {Rungs: []string{DRAM, Object}}}, f, source)
			return show(all, err)
		}
		t.Fatalf("what is %s", d.Cmd)
		return ""
	})
}

func FuzzRead(f *testing.F) {
	f.Add(`{"tiers":{"a":{"rungs":["dram"],"pin":true,"budgets":{"dram":"1GiB"}}}}`)
	f.Add(`{"tiers":{"a":{"budgets":{"nvme":12}},"b":{"credentials":{"env":"X"}}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Read(strings.NewReader(text))
		if err != nil {
			var e *Error
			require.ErrorAs(t, err, &e)
			return
		}
		for name, p := range file.Tiers {
			require.True(t, p.May(DRAM), name)
			for _, n := range p.Budgets {
				require.Positive(t, n)
			}
		}
	})
}
