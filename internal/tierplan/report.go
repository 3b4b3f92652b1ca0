package tierplan

// Report is what a plan's tiers and sets hold of a measured usage.
type Report struct {
	Model Model        `json:"model"`
	Tiers []TierReport `json:"tiers"`
	Sets  []SetReport  `json:"tier_sets"`
	// Curve is what the best experts hold, from none to all: the hit curve of a
	// resident budget.
	Curve []Point `json:"curve"`
}

// TierReport is a tier with what it holds.
type TierReport struct {
	Name       string `json:"name"`
	Budget     int64  `json:"budget_parameters"` // 0 is none
	Parameters int64  `json:"parameters"`
	Experts    int    `json:"experts"`
	// Least and Most are the experts of the layers with the fewest and the most.
	Least int `json:"least_experts_of_a_layer"`
	Most  int `json:"most_experts_of_a_layer"`
	Coverage
}

// SetReport is a tier set with what its tiers hold.
type SetReport struct {
	Name       string   `json:"name"`
	Tiers      []string `json:"tiers"`
	KExpert    int      `json:"k_expert"`
	Parameters int64    `json:"parameters"`
	Coverage
}

// Point is a point of a curve.
type Point struct {
	Parameters int64 `json:"parameters"`
	Experts    int   `json:"experts"`
	Coverage
}

// maxPoints of a curve are enough to draw it.
const maxPoints = 200

// Report says what a valid plan holds of a usage of its model.
func (p *Plan) Report(s *Shape, u Usage) (*Report, error) {
	if err := u.fits(s); err != nil {
		return nil, err
	}
	r := &Report{Model: p.Model}
	ranked := u.ranked()
	worth := make([][]place, len(s.Experts))
	for i, n := range s.Experts {
		worth[i] = make([]place, n)
	}
	for _, x := range ranked {
		worth[x.layer][x.index] = x
	}
	covered := func(tiers ...int) Coverage {
		c := u.newCoverage()
		for _, t := range tiers {
			for layer, experts := range p.Tiers[t].Experts {
				for _, e := range experts {
					c.add(worth[layer][e])
				}
			}
		}
		return c.of()
	}
	for i := range p.Tiers {
		r.Tiers = append(r.Tiers, p.Tiers[i].report(s, covered(i)))
	}
	for i := range p.Sets {
		set := &p.Sets[i]
		tiers, err := p.SetTiers(set)
		if err != nil {
			return nil, err
		}
		out := SetReport{Name: set.Name, Tiers: set.Tiers, KExpert: set.KExpert, Coverage: covered(tiers...)}
		for _, t := range tiers {
			out.Parameters += p.Tiers[t].Parameters(s.Params)
		}
		r.Sets = append(r.Sets, out)
	}
	r.Curve = u.curve(s, u.order(s, p.Sets[0].KExpert))
	return r, nil
}

func (t *Tier) report(s *Shape, c Coverage) TierReport {
	r := TierReport{Name: t.Name, Budget: t.Budget.Parameters, Parameters: t.Parameters(s.Params), Coverage: c, Least: MaxExperts}
	for i, experts := range t.Experts {
		if s.Experts[i] == 0 {
			continue
		}
		n := len(experts)
		r.Experts, r.Least, r.Most = r.Experts+n, min(r.Least, n), max(r.Most, n)
	}
	return r
}

// curve is what experts hold that are taken in that order.
func (u *Usage) curve(s *Shape, order []place) []Point {
	c := u.newCoverage()
	points := []Point{{}}
	each := max(1, (len(order)+maxPoints-1)/maxPoints)
	params := int64(0)
	for i, p := range order {
		c.add(p)
		params += s.Params[p.layer]
		if n := i + 1; n%each == 0 || n == len(order) {
			points = append(points, Point{Parameters: params, Experts: n, Coverage: c.of()})
		}
	}
	return points
}
