package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/lite-llm/lite"
)

func newPack() *cobra.Command {
	var out, shard, sign, tiers, places string
	store := &storageFlags{}
	asJSON, progress := false, false
	cmd := &cobra.Command{
		Use:   "pack MODEL --out DIR|s3://BUCKET/PREFIX",
		Short: "Lay out a model for tiers: shards, hashes, a manifest, a signature",
		Long: `Writes a model as a pack: a directory in which each expert is one aligned read,
with hashes that say whether its bytes are the right ones. A pack runs like the
model that it was made of, with the same tokens.

The pack appears as a whole or not at all: it is written to DIR.partial first, and in
an object store the manifest comes last. When that is interrupted, the same command
goes on from there. The same model gives the same bytes.`,
		Example: "  lite pack tiny --out tiny.pack\n  lite pack model.gguf --out model.pack --sign release.pem\n  lite run model.pack \"Why is the sky blue?\"",
		Args:    arguments(1, "MODEL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return usagef("--out is missing: say which directory to write, such as --out model.pack")
			}
			storage, err := store.storage()
			if err != nil {
				return err
			}
			o := lite.PackOptions{Storage: storage}
			if shard != "" {
				n, err := lite.ParseSize(shard)
				if err == nil && n == 0 {
					err = errors.New("0 is no size of a shard")
				}
				if err != nil {
					return usagef("--shard-size: %w", err)
				}
				o.ShardBytes = n
			}
			if sign != "" {
				key, err := privateKey(sign)
				if err != nil {
					return usagef("--sign: %w", err)
				}
				o.Key = key
			}
			if tiers != "" {
				plan, err := lite.ReadTierPlan(tiers)
				if err != nil {
					return err
				}
				o.Tiers = plan
			}
			if places != "" {
				p, err := lite.ReadPlacement(places)
				if err != nil {
					return err
				}
				o.Placement = p
			}
			bar := newByteBar(cmd.ErrOrStderr(), "packing", progress)
			o.Progress = bar.set
			info, err := lite.Pack(cmd.Context(), args[0], out, o)
			bar.end()
			if err != nil {
				return missingFile(err)
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), info)
			}
			printPack(cmd.OutOrStdout(), info)
			return nil
		},
	}
	fl := cmd.Flags()
	store.addStore(cmd)
	fl.StringVar(&out, "out", "", "write the pack to this `DIR`, which must not exist, or to s3://bucket/prefix")
	fl.StringVar(&tiers, "tiers", "", "divide a flat model's experts by the tier plan in `FILE` (lite tier-plan)")
	fl.StringVar(&places, "placement", "", "keep the placement of tiers in this `FILE` in the pack (docs/tiers.md)")
	fl.StringVar(&shard, "shard-size", "", "at most this `SIZE` of a file of experts, such as 256MiB (default: 1GiB)")
	fl.StringVar(&sign, "sign", "", "sign with the private key in this `FILE` ('lite keys generate' makes one)")
	fl.BoolVar(&progress, "progress", false, "show progress although standard error is no terminal")
	fl.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printPack(w io.Writer, i *lite.PackInfo) {
	signed := "not signed"
	if i.SignedBy != "" {
		signed = "signed by " + i.SignedBy
	}
	fmt.Fprintf(w, "%s: %s in %d shards, %s\nmanifest sha256 %s\n", oneLine(i.Path), size(i.Bytes), i.Shards, signed, i.Digest)
}

func newVerify() *cobra.Command {
	var key string
	store := &storageFlags{}
	asJSON, progress := false, false
	cmd := &cobra.Command{
		Use:   "verify PACK",
		Short: "Check every byte of a pack against its hashes, and its signature",
		Long: `Reads every byte of a pack and holds it against the hashes that the manifest vouches
for. With --key the manifest must be signed by that key; without it, the check finds
damage but no forgery.

What is damaged is printed, a line for each part, and the exit code is 1.`,
		Example: "  lite verify model.pack\n  lite verify model.pack --key release.pub.pem",
		Args:    arguments(1, "PACK"),
		RunE: func(cmd *cobra.Command, args []string) error {
			storage, err := store.storage()
			if err != nil {
				return err
			}
			o := lite.VerifyOptions{Storage: storage}
			if key != "" {
				k, err := publicKey(key)
				if err != nil {
					return usagef("--key: %w", err)
				}
				o.Key = k
			}
			bar := newByteBar(cmd.ErrOrStderr(), "verifying", progress)
			o.Progress = bar.set
			v, err := lite.VerifyPack(cmd.Context(), args[0], o)
			bar.end()
			if err != nil {
				return missingFile(err)
			}
			return reportVerified(cmd.OutOrStdout(), v, asJSON)
		},
	}
	fl := cmd.Flags()
	store.addStore(cmd)
	fl.StringVar(&key, "key", "", "the public key in this `FILE` must have signed the pack")
	fl.BoolVar(&progress, "progress", false, "show progress although standard error is no terminal")
	fl.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// reportVerified prints what was found, and returns an error for a damaged pack.
func reportVerified(w io.Writer, v *lite.Verification, asJSON bool) error {
	if asJSON {
		if err := printJSON(w, v); err != nil {
			return err
		}
	} else {
		for _, d := range v.Damaged {
			fmt.Fprintf(w, "damaged: %s: %s\n", oneLine(d.File), oneLine(d.What))
		}
	}
	if len(v.Damaged) > 0 {
		return fmt.Errorf("%s is damaged in %d places: fetch these files again, or pack the model again", v.Path, len(v.Damaged))
	}
	if !asJSON {
		printPack(w, &v.PackInfo)
		if v.Trusted {
			fmt.Fprintln(w, "every byte is as it was signed")
		} else {
			fmt.Fprintln(w, "every byte is as it was packed; --key says who must have signed it")
		}
	}
	return nil
}

// byteBar shows how many bytes of all are done.
type byteBar struct {
	w       io.Writer
	label   string
	visible bool
	bar     *progressbar.ProgressBar
}

func newByteBar(w io.Writer, label string, always bool) *byteBar {
	f, _ := w.(*os.File)
	return &byteBar{w: w, label: label, visible: always || f != nil && isTerminal(f)}
}

func (b *byteBar) set(done, all int64) {
	if !b.visible {
		return
	}
	if b.bar == nil {
		b.bar = progressbar.NewOptions64(all, progressbar.OptionSetDescription(b.label), progressbar.OptionShowBytes(true),
			progressbar.OptionClearOnFinish(), progressbar.OptionSetWriter(b.w))
	}
	_ = b.bar.Set64(done) // a bar that cannot be drawn hides nothing
}

// end leaves the line free.
func (b *byteBar) end() {
	if b.bar != nil {
		_ = b.bar.Clear()
	}
}
