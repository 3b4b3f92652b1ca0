package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/lite-llm/lite"
	"github.com/lite-llm/lite/internal/kernel"
)

// build is what lite version prints.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision"` // of the source; empty when the build does not know
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Profile  string `json:"numerics_profile"`
	Kernels  string `json:"kernels"` // the fastest that run here
}

func version() build {
	all := kernel.Available()
	b := build{
		Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Profile: lite.Profile, Kernels: all[len(all)-1].String(),
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.Revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			b.Revision += "+changes"
		}
	}
	return b
}

// String is one line.
func (b build) String() string {
	revision := ""
	if b.Revision != "" {
		revision = " (" + b.Revision + ")"
	}
	return fmt.Sprintf("lite %s%s, %s, %s, numerics profile %s, kernels %s", b.Version, revision, b.Go, b.Platform, b.Profile, b.Kernels)
}

func newVersion() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version, the numerics profile and the kernels",
		Long:    "Prints the version of Lite and of Go, the platform, the numerics profile (results\nof equal profiles are equal to the bit) and the fastest kernels that run here.",
		Example: "  lite version",
		Args:    arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				return printJSON(cmd.OutOrStdout(), version())
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
