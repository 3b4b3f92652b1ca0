package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lite-llm/lite"
)

// logitsFlags are the flags of lite logits.
type logitsFlags struct {
	modelFlags
	tokens, out, experts, tierSet string
}

func newLogits() *cobra.Command {
	f := &logitsFlags{}
	cmd := &cobra.Command{
		Use:   "logits MODEL --tokens 1,2,3 --out FILE",
		Short: "Write the logits of tokens, and the experts that they chose",
		Long: `Passes tokens through a model and writes the logits of every token to a file of
little-endian float32 values, [token][vocabulary]. --experts writes a JSON object
of the experts that each layer chose for each token, with their weights:
{"LAYER": [[{"index": 4, "weight": 0.5}, …] for each token]}, experts ascending;
layers without experts are not in it.

Keys and values are kept in f32 unless --kv says otherwise. --json prints what
was written to standard output.`,
		Example: "  lite logits model.gguf --tokens 1,2,3 --out logits.f32 --experts experts.json",
		Args:    arguments(1, "MODEL"),
		RunE:    f.run,
	}
	f.add(cmd)
	f.addTierSet(cmd, &f.tierSet)
	fl := cmd.Flags()
	fl.Lookup("kv").DefValue = "f32"
	f.kv = "f32"
	fl.StringVar(&f.tokens, "tokens", "", "`IDS` of tokens, parted by commas")
	fl.StringVar(&f.out, "out", "", "`FILE` for the logits")
	fl.StringVar(&f.experts, "experts", "", "`FILE` for the chosen experts")
	return cmd
}

// parseTokens reads ids parted by commas.
func parseTokens(s string) ([]int32, error) {
	if strings.TrimSpace(s) == "" {
		return nil, usagef("--tokens is missing: write ids parted by commas, such as --tokens 1,2,3")
	}
	var ids []int32
	for part := range strings.SplitSeq(s, ",") {
		n, err := strconv.ParseInt(strings.TrimSpace(part), 10, 32)
		if err != nil || n < 0 {
			return nil, usagef("--tokens: %q is not a token id; write ids parted by commas, such as 1,2,3", part)
		}
		ids = append(ids, int32(n))
	}
	return ids, nil
}

// chosenExperts is what --experts writes: per layer, per token.
type chosenExperts map[string][][]lite.Expert

// written is what --json prints.
type written struct {
	Model      string `json:"model"`
	TierSet    string `json:"tier_set"`
	Tokens     int    `json:"tokens"`
	Vocabulary int    `json:"vocabulary"`
	KV         string `json:"kv"`
	Out        string `json:"out"`
	Experts    string `json:"experts"`
}

func (f *logitsFlags) run(cmd *cobra.Command, args []string) (err error) {
	ids, err := parseTokens(f.tokens)
	if err != nil {
		return err
	}
	if f.out == "" && f.experts == "" {
		return usagef("say where to write: --out FILE, --experts FILE")
	}
	m, err := f.open(args[0])
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	for _, id := range ids { // before a file is made
		if int(id) >= m.Vocabulary() {
			return &lite.TokenError{Token: id, Vocab: m.Vocabulary()}
		}
	}
	logits, err := createResult(f.out)
	if err != nil {
		return err
	}
	defer func() { err = logits.close(err) }()
	experts, err := createResult(f.experts)
	if err != nil {
		return err
	}
	defer func() { err = experts.close(err) }()
	if err := writeLogits(cmd, m, f.tierSet, ids, logits, experts); err != nil || !f.json {
		return err
	}
	w := written{
		Model: m.Info().Name, TierSet: f.tierSet, Tokens: len(ids), Vocabulary: m.Vocabulary(),
		KV: f.kv, Out: f.out, Experts: f.experts,
	}
	if w.TierSet == "" {
		w.TierSet = m.Info().DefaultSet
	}
	return printJSON(cmd.OutOrStdout(), w)
}

// writeLogits writes to those of the files that are wanted.
func writeLogits(cmd *cobra.Command, m *lite.Model, tierSet string, ids []int32, logits, experts *resultFile) error {
	chosen := chosenExperts{}
	var routing lite.Routing
	if experts != nil {
		routing = func(layer, _ int, c []lite.Expert) {
			key := strconv.Itoa(layer)
			chosen[key] = append(chosen[key], append([]lite.Expert(nil), c...))
		}
	}
	var row []byte
	err := m.Logits(cmd.Context(), tierSet, ids, func(_ int, values []float32) error {
		if logits == nil {
			return nil
		}
		row = row[:0]
		for _, v := range values {
			row = binary.LittleEndian.AppendUint32(row, math.Float32bits(v))
		}
		_, err := logits.Write(row)
		return err
	}, routing)
	if err != nil || experts == nil {
		return err
	}
	var w io.Writer = experts
	if err := printJSON(w, chosen); err != nil {
		return fmt.Errorf("writing the experts: %w", err)
	}
	return nil
}
