package pack

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
)

// The types of PEM blocks. Keys are in the forms that openssl reads: PKCS #8 and
// SubjectPublicKeyInfo.
const (
	pemPrivate   = "PRIVATE KEY"
	pemPublic    = "PUBLIC KEY"
	pemSignature = "LITE PACK SIGNATURE"
	headerKey    = "Key"
)

// maxPEM is the bytes of a file with a key or a signature.
const maxPEM = 1 << 16

// KeyID names a public key: the first 16 bytes of the SHA-256 of its
// SubjectPublicKeyInfo, in hexadecimal.
func KeyID(key ed25519.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic(err) // of an Ed25519 key, never
	}
	h := sha256.Sum256(der)
	return hex.EncodeToString(h[:16])
}

// GenerateKey returns a new key pair as PEM.
func GenerateKey() (private, public []byte, err error) {
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPrivate, Bytes: der}), PublicPEM(pub), nil
}

// PublicPEM is a public key as PEM.
func PublicPEM(key ed25519.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic(err) // of an Ed25519 key, never
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPublic, Bytes: der})
}

// KeyError says why a file is not a key that packs are signed with.
type KeyError struct{ What string }

// Error implements error.
func (e *KeyError) Error() string { return e.What }

var (
	errNotPEM  = &KeyError{"is not a key in PEM; 'lite keys generate' makes one"}
	errNotOurs = &KeyError{"is not an Ed25519 key; 'lite keys generate' makes one"}
)

// ParsePrivate reads a private key from PEM. The error is a *KeyError.
func ParsePrivate(text []byte) (ed25519.PrivateKey, error) {
	b, _ := pem.Decode(text)
	switch {
	case b == nil || len(text) > maxPEM:
		return nil, errNotPEM
	case b.Type == pemPublic:
		return nil, &KeyError{"is a public key; signing needs the private one"}
	case b.Type != pemPrivate:
		return nil, errNotOurs
	}
	key, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	if err != nil {
		return nil, &KeyError{"is not a private key in PKCS #8: " + err.Error()}
	}
	k, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, errNotOurs
	}
	return k, nil
}

// ParsePublic reads a public key from PEM, or that of a private one. The error
// is a *KeyError.
func ParsePublic(text []byte) (ed25519.PublicKey, error) {
	b, _ := pem.Decode(text)
	if b == nil || len(text) > maxPEM {
		return nil, errNotPEM
	}
	if b.Type == pemPrivate {
		k, err := ParsePrivate(text)
		if err != nil {
			return nil, err
		}
		return k.Public().(ed25519.PublicKey), nil //nolint:forcetypeassert // of an Ed25519 key, always
	}
	if b.Type != pemPublic {
		return nil, errNotOurs
	}
	key, err := x509.ParsePKIXPublicKey(b.Bytes)
	if err != nil {
		return nil, &KeyError{"is not a public key: " + err.Error()}
	}
	k, ok := key.(ed25519.PublicKey)
	if !ok {
		return nil, errNotOurs
	}
	return k, nil
}

// signedPrefix comes before the manifest in what is signed, so that a signature
// of a pack is a signature of nothing else.
const signedPrefix = "lite.pack.manifest\x00"

// sign is the file manifest.sig for a manifest.
func sign(key ed25519.PrivateKey, manifest []byte) []byte {
	pub := key.Public().(ed25519.PublicKey) //nolint:forcetypeassert // of an Ed25519 key, always
	return pem.EncodeToMemory(&pem.Block{
		Type: pemSignature, Headers: map[string]string{headerKey: KeyID(pub)},
		Bytes: ed25519.Sign(key, append([]byte(signedPrefix), manifest...)),
	})
}

// signature is a manifest.sig.
type signature struct {
	key   string // the KeyID
	bytes []byte
}

var errSignature = errors.New("is not a signature of a pack")

// parseSignature reads a manifest.sig.
func parseSignature(text []byte) (*signature, error) {
	b, rest := pem.Decode(text)
	if b == nil || b.Type != pemSignature || len(b.Bytes) != ed25519.SignatureSize || len(rest) > 0 || len(b.Headers) != 1 {
		return nil, errSignature
	}
	id := b.Headers[headerKey]
	if raw, err := hex.DecodeString(id); err != nil || len(raw) != 16 {
		return nil, errSignature
	}
	return &signature{key: id, bytes: b.Bytes}, nil
}

// check says whether the signature is that of the key over the manifest.
func (s *signature) check(key ed25519.PublicKey, manifest []byte) error {
	if id := KeyID(key); id != s.key {
		return fmt.Errorf("is signed by the key %s and not by %s", s.key, id)
	}
	if !ed25519.Verify(key, append([]byte(signedPrefix), manifest...), s.bytes) {
		return errors.New("has a signature that does not fit its manifest: one of the two was changed")
	}
	return nil
}
