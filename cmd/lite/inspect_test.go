package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestInspectTellsTheBound holds the lines of the sets, whose numbers the root
// package compares with a calculation by hand.
func TestInspectTellsTheBound(t *testing.T) {
	var out, errs bytes.Buffer
	require.Zero(t, run([]string{"inspect", "tiny", "--memory", "1GiB"}, strings.NewReader(""), &out, &errs), errs.String())
	var sets []string
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "set ") {
			sets = append(sets, strings.TrimSpace(line))
		}
	}
	require.Equal(t, []string{
		"set fast            {xs} k_tier 1, k_group 1, k_expert 2: L 6, C_dense 178.50 k, K 2, Θ_max 18.43 k, P_active 1.29 M, experts of 256.5 KiB",
		"set balanced        {xs, s, m} k_tier 2, k_group 1, k_expert 2: L 6, C_dense 179.65 k, K 4, Θ_max 73.73 k, P_active 2.85 M, experts of 1.2 MiB",
		"set full (default)  {xs, s, m, l} k_tier 3, k_group 1, k_expert 2: L 6, C_dense 180.80 k, K 6, Θ_max 147.46 k, P_active 6.39 M, experts of 3.6 MiB",
	}, sets)
}
