package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lite-llm/lite"
)

func newLogits() *cobra.Command {
	f := &modelFlags{}
	var tokens, out, experts, tierSet string
	cmd := &cobra.Command{
		Use:   "logits MODEL --tokens 1,2,3 --out FILE",
		Short: "Write the logits of tokens, and the experts that they chose",
		Long: `Writes the logits of every token to a file of little-endian float32 values,
[token][vocabulary]. --experts writes the experts that each layer chose for each
token, with their weights, as JSON. Keys and values are kept in F32 unless --kv
says otherwise.`,
		Example: "  lite logits model.gguf --tokens 1,2,3 --out logits.f32 --experts experts.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, err := parseTokens(tokens)
			if err != nil {
				return &usageError{err}
			}
			if out == "" && experts == "" {
				return &usageError{errors.New("say where to write: --out FILE, --experts FILE")}
			}
			if !cmd.Flags().Changed("kv") {
				f.kv = "f32"
			}
			m, err := f.open(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = m.Close() }()
			return writeLogits(cmd, m, tierSet, ids, out, experts)
		},
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&tokens, "tokens", "", "token ids, parted by commas")
	fl.StringVar(&out, "out", "", "file for the logits")
	fl.StringVar(&experts, "experts", "", "file for the chosen experts")
	fl.StringVar(&tierSet, "tier-set", "", "tiers to use, by the name of a set")
	return cmd
}

func parseTokens(s string) ([]int32, error) {
	if s == "" {
		return nil, errors.New("--tokens is needed, such as --tokens 1,2,3")
	}
	var ids []int32
	for part := range strings.SplitSeq(s, ",") {
		n, err := strconv.ParseInt(strings.TrimSpace(part), 10, 32)
		if err != nil {
			return nil, fmt.Errorf("--tokens: %q is not a token id", part)
		}
		ids = append(ids, int32(n))
	}
	return ids, nil
}

// chosenExperts is what --experts writes: per layer, per token.
type chosenExperts map[string][][]lite.Expert

func writeLogits(cmd *cobra.Command, m *lite.Model, tierSet string, ids []int32, out, experts string) (err error) {
	w := bufio.NewWriter(cmd.OutOrStdout())
	if out != "" {
		file, err := os.Create(out)
		if err != nil {
			return fmt.Errorf("creating the file of logits: %w", err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		w = bufio.NewWriterSize(file, 1<<20)
	}
	chosen := chosenExperts{}
	var routing lite.Routing
	if experts != "" {
		routing = func(layer, _ int, c []lite.Expert) {
			key := strconv.Itoa(layer)
			chosen[key] = append(chosen[key], append([]lite.Expert(nil), c...))
		}
	}
	err = m.Logits(cmd.Context(), tierSet, ids, func(_ int, logits []float32) error {
		if out == "" {
			return nil
		}
		var b [4]byte
		for _, v := range logits {
			binary.LittleEndian.PutUint32(b[:], math.Float32bits(v))
			if _, err := w.Write(b[:]); err != nil {
				return err
			}
		}
		return nil
	}, routing)
	if err != nil {
		return err
	}
	if experts != "" {
		file, err := os.Create(experts)
		if err != nil {
			return fmt.Errorf("creating the file of experts: %w", err)
		}
		if err := errors.Join(printJSON(file, chosen), file.Close()); err != nil {
			return err
		}
	}
	return w.Flush()
}
