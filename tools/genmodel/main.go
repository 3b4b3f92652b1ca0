// Command genmodel writes GGUF models of any supported family and shape with
// random weights: files to measure and test with that are as large and as
// sparse as wanted, and that llama.cpp loads too. Blocks are random bits under
// sensible scales, written directly in their format, so that a file is made as
// fast as a disk takes it. Equal flags give equal bytes.
//
//	go run ./tools/genmodel --shape olmoe-7b --quant Q4_K_M --seed 1 --out olmoe.gguf
//	go run ./tools/genmodel --family lite --quant Q8_0 --tiers xs:32:2x4,l:256:4x8 --out native.gguf
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/weights/gguf"
	"github.com/lite-llm/lite/internal/weights/synth"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "genmodel:", err)
		}
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	out    string
	split  base.ByteSize
	shape  synth.Shape
	random synth.Options
}

// run writes the model that args describe.
func run(args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	m, err := synth.New(o.shape, o.random)
	if err != nil {
		return err
	}
	total := int64(0)
	for _, t := range m.Infos() {
		n, err := t.Bytes()
		if err != nil {
			return err
		}
		total += n
	}
	if err := write(o, m, m.Data(progress(stderr, total))); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s: %s in %d tensors\n", o.out, base.ByteSize(total), len(m.Infos()))
	return err
}

// parse reads the flags. The shape comes first and flags change it, whatever
// their order.
func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	fs := flag.NewFlagSet("genmodel", flag.ContinueOnError)
	fs.SetOutput(stderr)
	family := fs.String("family", "", "family: "+strings.Join(synth.Families(), ", "))
	shape := fs.String("shape", "tiny", "named shape: tiny, "+strings.Join(synth.Shapes(), ", "))
	mix := fs.String("quant", "Q4_K_M", "block format of matrices, or a mix of them")
	fs.StringVar(&o.out, "out", "", "file to write; the start of the names with --split")
	fs.Uint64Var(&o.random.Seed, "seed", 1, "seed of all that is random")
	fs.Float64Var(&o.random.Skew, "skew", 0, "how unevenly experts are chosen: rows of routing heads are scaled by exp(skew·z)")
	fs.Float64Var(&o.random.Router, "router", 2, "standard deviation of routing scores")
	tied := fs.Bool("tied", false, "use the embedding as the output head")
	tiers := fs.String("tiers", "", "lite: NAME:HIDDEN:GROUPSxEXPERTS,… smallest first")
	split := fs.String("split", "", "write several files of at most this many bytes of weights, such as 1GiB")
	var changes []func(*synth.Shape) error
	for _, f := range synth.Fields {
		fs.Func(f.Flag, f.Usage, func(text string) error {
			changes = append(changes, func(s *synth.Shape) error { return f.Set(s, text) })
			return f.Set(&synth.Shape{}, text)
		})
	}
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if o.out == "" || fs.NArg() > 0 {
		return nil, errors.New("usage: genmodel --family NAME | --shape NAME, --out FILE; --help lists the flags")
	}
	var err error
	if o.shape, err = synth.ShapeOf(*shape, *family); err != nil {
		return nil, err
	}
	for _, change := range changes {
		if err := change(&o.shape); err != nil {
			return nil, err
		}
	}
	o.shape.Tied = o.shape.Tied || *tied
	if *tiers != "" {
		if o.shape.Tiers, err = synth.ParseTiers(*tiers); err != nil {
			return nil, err
		}
	}
	if *split != "" {
		if o.split, err = base.ParseByteSize(*split); err != nil {
			return nil, err
		}
	}
	o.random.Mix, err = synth.ParseMix(*mix)
	return o, err
}

// write writes one file or a split.
func write(o *options, m *synth.Model, data gguf.Data) error {
	if o.split > 0 {
		parts, err := gguf.Divide(m.Infos(), int64(o.split))
		if err != nil {
			return err
		}
		return gguf.WriteSplit(create, strings.TrimSuffix(o.out, ".gguf"), m.Keys(), parts, data)
	}
	f, err := create(o.out)
	if err != nil {
		return err
	}
	return errors.Join(gguf.Write(f, m.Keys(), m.Infos(), data), f.Close())
}

// progress returns a function that shows how much of total has been written, at
// every hundredth, if w is a terminal.
func progress(w io.Writer, total int64) func(n int) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func(int) {}
	}
	done, shown := int64(0), int64(-1)
	return func(n int) {
		done += int64(n)
		if percent := done * 100 / max(total, 1); percent > shown {
			shown = percent
			_, _ = fmt.Fprintf(w, "\r%s of %s (%d %%)", base.ByteSize(done), base.ByteSize(total), percent)
			if done == total {
				_, _ = fmt.Fprintln(w)
			}
		}
	}
}
