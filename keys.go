package lite

import (
	"crypto/ed25519"

	"github.com/lite-llm/lite/internal/pack"
)

// KeyError says why a text is not a key that packs are signed with.
type KeyError = pack.KeyError

// GenerateKey returns a new pair of Ed25519 keys as PEM: PKCS #8 and
// SubjectPublicKeyInfo, which openssl reads too.
func GenerateKey() (private, public []byte, err error) { return pack.GenerateKey() }

// ParsePrivateKey reads a private key from PEM. The error is a *KeyError.
func ParsePrivateKey(text []byte) (ed25519.PrivateKey, error) { return pack.ParsePrivate(text) }

// ParsePublicKey reads a public key from PEM, or that of a private one. The error
// is a *KeyError.
func ParsePublicKey(text []byte) (ed25519.PublicKey, error) { return pack.ParsePublic(text) }

// PublicKeyPEM is a public key as PEM.
func PublicKeyPEM(key ed25519.PublicKey) []byte { return pack.PublicPEM(key) }

// KeyID names a public key in a few characters: 32 hexadecimal digits of the
// SHA-256 of its SubjectPublicKeyInfo.
func KeyID(key ed25519.PublicKey) string { return pack.KeyID(key) }
