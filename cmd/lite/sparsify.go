package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/lite-llm/lite"
)

func newSparsify() *cobra.Command {
	var o lite.SparsifyOptions
	var out, text string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "sparsify MODEL --out FILE --text FILE",
		Short: "Cut a dense model's networks into experts, under tiers",
		Long: `Makes a model of experts from a dense one: the neurons of each layer's network are
divided into experts by what they do on a text, and a router learns which experts a
token needs. No weight is changed: the tier set "full" runs all experts with weight
one, and is the dense model. The other sets run a part of them:

  core      the experts that are strongest whatever the token; no choice
  fast      a quarter of all experts, chosen for each token
  balanced  half of them
  high      three quarters of them

The table says what the chosen experts keep of all that experts contribute, and what
the best choice of so many would. That is no measure of quality: 'lite eval' is.
How much a model loses depends on how sparse its activations are; models with SiLU
that were not trained for it lose much below three quarters.`,
		Example: "  lite sparsify dense.gguf --out sparse.gguf --text books.txt\n  lite eval sparse.gguf other.txt",
		Args:    arguments(1, "MODEL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, need := range []struct{ flag, value string }{{"out", out}, {"text", text}} {
				if need.value == "" {
					return usagef("--%s is missing: name a file", need.flag)
				}
			}
			if o.Experts < 0 || o.Core < 0 {
				return usagef("--experts %d, --core %d: want numbers from 0", o.Experts, o.Core)
			}
			b, err := os.ReadFile(text)
			if err != nil {
				return fmt.Errorf("reading the text: %w", err)
			}
			o.Text = string(b)
			bar := &bar{cmd: cmd, label: "layers"}
			o.Progress = bar.set
			s, err := lite.Sparsify(cmd.Context(), args[0], out, o)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), s)
			}
			return printSparse(cmd.OutOrStdout(), s)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&out, "out", "", "write the model to this `FILE` (GGUF)")
	fl.StringVar(&text, "text", "", "learn from this `FILE`: text such as the model will see")
	fl.IntVar(&o.Experts, "experts", 0, "divide each network into `N` equal experts (default: of 32 neurons each)")
	fl.IntVar(&o.Core, "core", 0, "`N` of them are the core (default: an eighth)")
	fl.StringVar(&o.Type, "type", "F32", "store experts as `TYPE`: F32, F16, BF16 or Q8_0")
	fl.IntVar(&o.Tokens, "tokens", 0, "learn from `N` tokens at most (default: 4096)")
	fl.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printSparse(out io.Writer, s *lite.SparseModel) error {
	t := table{{"tier set", "experts of a layer", "kept", "of the best choice"}}
	for _, set := range s.Sets {
		t = append(t, []string{
			set.Name, fmt.Sprintf("%d of %d", set.Experts, s.Experts), fmt.Sprintf("%.1f %%", 100*set.Kept), fmt.Sprintf("%.1f %%", 100*set.Ideal),
		})
	}
	if err := t.print(out); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\n%s: %d experts of %d neurons in each layer, as %s; learned from %d tokens\n", oneLine(s.Path), s.Experts, s.Neurons, s.Type, s.Tokens)
	return err
}
