package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/lite-llm/lite"
)

func newKeys() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make and show the keys that packs are signed with",
		Long: `Makes and shows Ed25519 keys. 'lite pack --sign' signs with the private key, and
'lite verify', 'lite run' and others take the public one with --key. Both files are
PEM, as openssl reads and writes them.`,
		Example: "  lite keys generate release\n  lite pack model.gguf --out model.pack --sign release.pem\n  lite verify model.pack --key release.pub.pem",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("there is no command 'keys %s'; there are generate and show", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newKeysGenerate(), newKeysShow())
	return cmd
}

// keyInfo is a key as the commands show it.
type keyInfo struct {
	ID      string `json:"id"`
	Public  string `json:"public_pem"`
	Private bool   `json:"private"` // the file holds the private key too
}

func newKeysGenerate() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "generate NAME",
		Short: "Make a pair of keys: NAME.pem, to be kept secret, and NAME.pub.pem",
		Long: `Makes a pair of Ed25519 keys: NAME.pem signs packs and must be kept secret (only
its owner may read it), NAME.pub.pem verifies them and may be given to anybody.
Files that are there are never overwritten.`,
		Example: "  lite keys generate release",
		Args:    arguments(1, "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			private, public, err := lite.GenerateKey()
			if err != nil {
				return err
			}
			if err := writeNew(args[0]+".pem", private, 0o600); err != nil {
				return err
			}
			if err := writeNew(args[0]+".pub.pem", public, 0o644); err != nil {
				return errors.Join(err, os.Remove(args[0]+".pem"))
			}
			key, err := lite.ParsePublicKey(public)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), keyInfo{ID: lite.KeyID(key), Public: string(public), Private: true})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "key %s: %s.pem signs, keep it secret; %s.pub.pem verifies\n", lite.KeyID(key), oneLine(args[0]), oneLine(args[0]))
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newKeysShow() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:     "show FILE",
		Short:   "Show a key's id and its public part",
		Long:    "Shows the id of a key, which 'lite inspect' and 'lite verify' print of a signed pack, and\nits public part. The private part is never printed.",
		Example: "  lite keys show release.pub.pem",
		Args:    arguments(1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := publicKey(args[0])
			if err != nil {
				return err
			}
			_, notPrivate := privateKey(args[0])
			if asJSON {
				return printJSON(cmd.OutOrStdout(), keyInfo{ID: lite.KeyID(key), Public: string(lite.PublicKeyPEM(key)), Private: notPrivate == nil})
			}
			what := map[bool]string{true: " (the file holds the private key: keep it secret)"}[notPrivate == nil]
			fmt.Fprintf(cmd.OutOrStdout(), "key %s%s\n%s", lite.KeyID(key), what, lite.PublicKeyPEM(key))
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// writeNew writes a file that must not exist.
func writeNew(name string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already, and keys are never overwritten", name)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// maxKeyFile is more bytes than a key has.
const maxKeyFile = 1 << 16

// readKey reads a small file.
func readKey(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxKeyFile {
		return nil, fmt.Errorf("%s is not a file with a key", name)
	}
	return os.ReadFile(name)
}

// publicKey reads the public key of a file.
func publicKey(name string) (ed25519.PublicKey, error) {
	text, err := readKey(name)
	if err != nil {
		return nil, err
	}
	key, err := lite.ParsePublicKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s %w", name, err)
	}
	return key, nil
}

// privateKey reads the private key of a file.
func privateKey(name string) (ed25519.PrivateKey, error) {
	text, err := readKey(name)
	if err != nil {
		return nil, err
	}
	key, err := lite.ParsePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s %w", name, err)
	}
	return key, nil
}
