package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/lite-llm/lite"
)

func newTrace() *cobra.Command {
	f := &modelFlags{}
	var r lite.TraceRequest
	var out string
	cmd := &cobra.Command{
		Use:   "trace MODEL TEXT --out FILE",
		Short: "Record which experts a text is routed to",
		Long: `Passes a text through a model and writes how often each expert of each layer was
chosen, and the sum of its weights: what 'lite tier-plan' divides a model by. The
file is JSON Lines (docs/format/tierplan.md), written as it goes and made as a whole
or not at all; the same text gives the same file, whatever the memory or the threads.

A trace reveals what the text was about, and with --choices, which records every
token's experts, much of the text itself: keep it as you would keep the text.`,
		Example: "  lite trace model.gguf calibration.txt --out trace.jsonl\n  lite trace model.gguf calibration.txt --out trace.jsonl --choices --window 512",
		Args:    arguments(2, "MODEL", "TEXT"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if out == "" {
				return usagef("--out is missing: say where to write, such as --out trace.jsonl")
			}
			text, err := os.ReadFile(args[1])
			if err != nil {
				return fmt.Errorf("reading the text: %w", err)
			}
			m, err := f.open(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = m.Close() }()
			file, err := createResult(out)
			if err != nil {
				return err
			}
			r.Text, r.Progress = string(text), (&bar{cmd: cmd, label: "windows"}).set
			t, err := m.Trace(cmd.Context(), r, file)
			if err = file.close(err); err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd.OutOrStdout(), newTraced(out, t))
			}
			return newTraced(out, t).print(cmd.OutOrStdout())
		},
	}
	f.add(cmd)
	f.addTierSet(cmd, &r.TierSet)
	fl := cmd.Flags()
	fl.StringVar(&out, "out", "", "write the trace to this `FILE`")
	fl.IntVar(&r.Window, "window", 0, "`N` tokens of a window, each of which begins an empty context (default: 256, or the context)")
	fl.BoolVar(&r.Choices, "choices", false, "record the experts of every token too")
	return cmd
}

// traced is what lite trace prints.
type traced struct {
	Out        string `json:"out"`
	TierSet    string `json:"tier_set"`
	Tokens     uint64 `json:"tokens"`
	Layers     int    `json:"layers"`  // with experts
	Experts    int    `json:"experts"` // of all layers
	Unused     int    `json:"unused_experts"`
	TextSHA256 string `json:"text_sha256"`
}

func newTraced(out string, t *lite.Trace) *traced {
	s := &traced{Out: out, TierSet: t.TierSet, Tokens: t.Tokens, TextSHA256: t.TextSHA256}
	for _, layer := range t.Usage.Chosen {
		if len(layer) > 0 {
			s.Layers++
		}
		s.Experts += len(layer)
		for _, n := range layer {
			if n == 0 {
				s.Unused++
			}
		}
	}
	return s
}

func (s *traced) print(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s: %d tokens under the tier set %s; %d of %d experts in %d layers were chosen\n",
		oneLine(s.Out), s.Tokens, oneLine(s.TierSet), s.Experts-s.Unused, s.Experts, s.Layers)
	return err
}
