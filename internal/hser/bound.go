package hser

// Bound is what a token may execute, in parameters (specification 001):
// P_active ≤ L·(C_dense + K·Θ_max).
type Bound struct {
	Layers   int     // L
	CDense   float64 // C_dense: trunk and router parameters of a token, per layer
	K        int     // experts of a layer at most
	ThetaMax int64   // parameters of the largest expert of the set
	PActive  int64   // the bound
}

// NewBound computes the bound of a model with the given number of layers, of
// which expertLayers route to experts. always is the parameters that a token
// executes whatever it chooses: trunk, output head, one embedding row and
// router rows scored.
func NewBound(layers, expertLayers int, always int64, k int, thetaMax int64) Bound {
	return Bound{
		Layers: layers, CDense: float64(always) / float64(layers), K: k, ThetaMax: thetaMax,
		PActive: always + int64(expertLayers)*int64(k)*thetaMax,
	}
}

// RouterRows is the number of routing rows that a token scores at a layer of a
// nested model: T + k_tier·G + k_tier·k_group·E, for the largest G and E of the
// set's tiers.
func (s *TierSet) RouterRows(c *Config) int {
	groups, experts := 0, 0
	for _, t := range s.Tiers {
		groups, experts = max(groups, c.Tiers[t].Groups), max(experts, c.Tiers[t].Experts)
	}
	return len(c.Tiers) + s.KTier*groups + s.KTier*s.KGroup*experts
}
