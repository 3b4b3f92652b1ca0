package main

import (
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/lite-llm/lite"
	"github.com/lite-llm/lite/internal/chart"
)

// namedChart is a curve of a plan's report, under the name of its file.
type namedChart struct {
	name  string
	chart *chart.Chart
}

// planCharts are the curves of a report: what a resident budget holds and, where
// it was measured, perplexity against the budget and against active parameters.
func planCharts(r *lite.PlanReport) []namedChart {
	mass, hits := chart.Line{Name: "weight mass"}, chart.Line{Name: "hit rate"}
	for _, p := range r.Curve {
		mass.Points = append(mass.Points, chart.Point{X: float64(p.Parameters), Y: p.Mass})
		hits.Points = append(hits.Points, chart.Point{X: float64(p.Parameters), Y: p.Hits})
	}
	sets := chart.Line{Name: "tier sets", Marks: true}
	byBudget, byActive := chart.Line{Marks: true}, chart.Line{Marks: true}
	for _, s := range r.Sets {
		sets.Points = append(sets.Points, chart.Point{X: float64(s.Parameters), Y: s.Mass, Name: s.Name})
		if e := s.Evaluation; e != nil {
			y := chart.Point{Y: e.Perplexity, Err: e.StdErr, Name: s.Name}
			y.X = float64(s.Parameters)
			byBudget.Points = append(byBudget.Points, y)
			y.X = float64(e.ActiveParams)
			byActive.Points = append(byActive.Points, y)
		}
	}
	charts := []namedChart{{"hits", &chart.Chart{
		Title: "What resident experts hold of the routing",
		X:     chart.Axis{Label: "parameters of resident experts", Unit: true, FromZero: true}, Y: chart.Axis{Label: "part of all", FromZero: true},
		Lines: []chart.Line{mass, hits, sets},
	}}}
	if len(byBudget.Points) == 0 {
		return charts
	}
	perplexity := chart.Axis{Label: "perplexity"}
	return append(charts,
		namedChart{"perplexity-budget", &chart.Chart{
			Title: "Perplexity against resident parameters", Y: perplexity, Lines: []chart.Line{byBudget},
			X: chart.Axis{Label: "parameters of the set's experts", Unit: true, FromZero: true},
		}},
		namedChart{"perplexity-active", &chart.Chart{
			Title: "Perplexity against active parameters", Y: perplexity, Lines: []chart.Line{byActive},
			X: chart.Axis{Label: "parameters that a token executed at most", Unit: true},
		}})
}

// page is a report that stands for itself: it loads nothing.
var page = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Tier plan of {{.Model}}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; margin: 1em 0; } th, td { border-bottom: 1px solid #ccc; padding: .2em .8em .2em 0; text-align: left; }
svg { max-width: 100%; height: auto; background: white; }
</style></head><body>
<h1>Tier plan of {{.Model}}</h1>
{{range .Tables}}<table>{{range $i, $row := .}}<tr>{{range $row}}{{if $i}}<td>{{.}}</td>{{else}}<th>{{.}}</th>{{end}}{{end}}</tr>
{{end}}</table>
{{end}}{{range .Charts}}{{.}}
{{end}}</body></html>
`))

// writePage writes a report as a page.
func writePage(w io.Writer, r *lite.PlanReport, charts []namedChart) error {
	tiers, sets := planTables(r)
	data := struct {
		Model  string
		Tables []table
		Charts []template.HTML
	}{r.Model.Name, []table{tiers, sets}, nil}
	for _, c := range charts {
		var b strings.Builder
		if err := c.chart.WriteSVG(&b); err != nil {
			return err
		}
		svg := b.String()
		svg = svg[max(0, strings.Index(svg, "<svg")):]        // without the declaration of a file of its own
		data.Charts = append(data.Charts, template.HTML(svg)) //nolint:gosec // made here; texts in it are escaped
	}
	if err := page.Execute(w, data); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return nil
}
