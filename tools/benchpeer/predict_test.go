package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPrediction is arithmetic by hand: 2 layers of 2 chosen experts, a second in
// memory of which three quarters are experts, 0.375 a layer and 0.1875 an expert; an
// expert is read in a second.
func TestPrediction(t *testing.T) {
	p := prediction{layers: 2, chosen: 2, inMemory: 1, expertShare: 0.75, expertBytes: 8, diskRate: 8}
	require.InDelta(t, 1, p.rate(), 1e-12) // nothing is missing
	p.miss = 1
	require.InDelta(t, 1/(0.25+2*(2+0.1875)), p.rate(), 1e-12)
	p.miss = 0.5
	require.InDelta(t, 1/(0.25+2*(0.25*0.375+0.5*1.1875+0.25*2.1875)), p.rate(), 1e-12)
	p.diskRate = 8e9 // reading hides behind the multiplications of the layer
	require.InDelta(t, 1, p.rate(), 1e-6)
}

func TestBinomial(t *testing.T) {
	total := 0.0
	for k := range 9 {
		total += binomial(8, k, 0.3)
	}
	require.InDelta(t, 1, total, 1e-12)
	require.InDelta(t, 28*0.09*0.117649, binomial(8, 2, 0.3), 1e-12)
}
