// Command lite runs sparse-expert language models that are larger than the
// memory they are given.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is the whole command, without the process around it. Ctrl-C cancels its
// context once; a second one ends the process, should that take long.
func run(args []string, in io.Reader, out, errs io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop)
	stdout := newOutput(out)
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(stdout)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if err == nil && stdout.err != nil {
		err = fmt.Errorf("writing the output: %w", stdout.err)
	}
	if err != nil {
		fmt.Fprintf(errs, "lite: %s\n", explain(err))
	}
	return exitCode(err)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "lite",
		Short: "Run sparse-expert language models larger than memory",
		Long: `Lite runs sparse-expert (mixture-of-experts) language models that are larger
than the memory they are given. The same request gives the same bits, whatever
the memory, threads, kernels or chunks.

MODEL is a GGUF file (the first one of a split), the directory of a pack, "tiny",
the model that comes with Lite, or a synthetic one such as "synth:1e15": random
weights of so many parameters, made as they are read, which show what capacity costs.`,
		Example: `  lite run tiny "In the beginning"
  lite run model.gguf --memory 3GiB "Why is the sky blue?"
  lite run model.gguf
  lite inspect model.gguf --plan`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("there is no command %q; 'lite --help' lists the commands", args[0])
			}
			return nil
		},
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version().String(),
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.SetUsageTemplate(root.UsageTemplate() + exitCodes)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newRun(), newInspect(), newEval(), newBench(), newSparsify(), newLogits(), newVersion())
	root.AddCommand(newTrace(), newTierPlan())
	root.AddCommand(newPack(), newVerify(), newKeys())
	return root
}
