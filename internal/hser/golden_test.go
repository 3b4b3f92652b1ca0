package hser

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
)

// TestGolden holds decisions to the bits that are written down. A change to
// testdata/golden is a new profile (docs/format/numerics-routing.md).
//
//	joint k=K [seed=S] [position=P] [layer=L] [score=sigmoid] [groups=(G,USED)] [raw]
//	nested k=(TIERS,GROUPS,EXPERTS) [seed=S] …
//
// joint takes a line of logits and perhaps one of biases; nested routes the
// heads that are written in the file: tiers, then a tier's groups, then the
// experts of each of its groups.
func TestGolden(t *testing.T) {
	datadriven.RunTest(t, "testdata/golden", func(t *testing.T, d *datadriven.TestData) string {
		var key Key
		d.MaybeScanArgs(t, "seed", &key.Seed)
		d.MaybeScanArgs(t, "position", &key.Position)
		d.MaybeScanArgs(t, "layer", &key.Layer)
		rows := parseRows(t, d.Input)
		switch d.Cmd {
		case "joint":
			return goldenJoint(t, d, rows, key)
		case "nested":
			return goldenNested(t, d, rows, key)
		}
		d.Fatalf(t, "unknown command %s", d.Cmd)
		return ""
	})
}

func goldenJoint(t *testing.T, d *datadriven.TestData, rows [][]float32, key Key) string {
	var k int
	d.ScanArgs(t, "k", &k)
	c, set := flat(len(rows[0]), k)
	c.Normalize = !d.HasArg("raw")
	var score string
	if d.MaybeScanArgs(t, "score", &score); score == "sigmoid" {
		c.Score = Sigmoid
	}
	d.MaybeScanArgs(t, "groups", &c.LimitGroups, &c.LimitUsed)
	var bias []float32
	if len(rows) > 1 {
		bias = rows[1]
	}
	var r Router
	got, err := r.Joint(c, nil, rows[0], bias, set, key)
	return show(got, err)
}

func goldenNested(t *testing.T, d *datadriven.TestData, rows [][]float32, key Key) string {
	c := &Config{Mode: Nested, Normalize: !d.HasArg("raw")}
	set := &TierSet{}
	d.ScanArgs(t, "k", &set.KTier, &set.KGroup, &set.KExpert)
	h := &heads{tiers: rows[0]}
	rows = rows[1:]
	first := 0
	for i := range h.tiers {
		groups := rows[0]
		h.groups, h.expert = append(h.groups, groups), append(h.expert, rows[1:1+len(groups)])
		tier := Tier{Groups: len(groups), Experts: len(rows[1]), First: first}
		c.Tiers, set.Tiers = append(c.Tiers, tier), append(set.Tiers, i)
		first, rows = first+tier.size(), rows[1+len(groups):]
	}
	require.NoError(t, set.Validate(c))
	var r Router
	got, err := h.route(&r, c, set, key)
	return show(got, err)
}

func parseRows(t *testing.T, text string) [][]float32 {
	var rows [][]float32
	for line := range strings.Lines(text) {
		var row []float32
		for word := range strings.FieldsSeq(line) {
			v, err := strconv.ParseFloat(word, 32)
			require.NoError(t, err)
			row = append(row, float32(v))
		}
		rows = append(rows, row)
	}
	return rows
}

func show(chosen []Choice, err error) string {
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	for _, c := range chosen {
		fmt.Fprintf(&b, "expert %d (tier %d, group %d) weight %#08x %.6f\n", c.Index, c.Tier, c.Group, math.Float32bits(c.Weight), c.Weight)
	}
	return b.String()
}
