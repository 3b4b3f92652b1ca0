package pack

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// rfcKey is the first test vector of RFC 8032, section 7.1, as PEM.
const rfcKey = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
`

// TestKnownKey reads a key that others have published.
func TestKnownKey(t *testing.T) {
	key, err := ParsePrivate([]byte(rfcKey))
	require.NoError(t, err)
	public, err := ParsePublic([]byte(rfcKey))
	require.NoError(t, err)
	require.Equal(t, key.Public(), public)
	again, err := ParsePublic(PublicPEM(public))
	require.NoError(t, err)
	require.Equal(t, public, again)
	require.Equal(t, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", fmtHex(public))
	require.Equal(t, KeyID(public), KeyID(again))
	require.Len(t, KeyID(public), 32)
	s, err := parseSignature(sign(key, []byte("{}")))
	require.NoError(t, err)
	require.NoError(t, s.check(public, []byte("{}")))
	require.ErrorContains(t, s.check(public, []byte("{ }")), "does not fit its manifest")
}

func fmtHex(key ed25519.PublicKey) string { return Hash(key).String() }

// TestOtherKeys refuses what is no key of ours, and says why.
func TestOtherKeys(t *testing.T) {
	private, public, err := GenerateKey()
	require.NoError(t, err)
	foreign, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(foreign)
	require.NoError(t, err)
	pub, err := x509.MarshalPKIXPublicKey(&foreign.PublicKey)
	require.NoError(t, err)
	block := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	for _, c := range []struct{ what, text, private, public string }{
		{"nothing", "", "is not a key in PEM", "is not a key in PEM"},
		{"text", "hello", "is not a key in PEM", "is not a key in PEM"},
		{"a file that is too long", string(private) + strings.Repeat("x", maxPEM), "is not a key in PEM", "is not a key in PEM"},
		{"the public key", string(public), "is a public key; signing needs the private one", ""},
		{"RSA", block(pemPrivate, der), "is not an Ed25519 key", "is not an Ed25519 key"},
		{"RSA, public", block(pemPublic, pub), "is a public key", "is not an Ed25519 key"},
		{"a certificate", block("CERTIFICATE", der), "is not an Ed25519 key", "is not an Ed25519 key"},
		{"noise", block(pemPrivate, []byte{1, 2}), "is not a private key in PKCS #8", "is not a private key in PKCS #8"},
		{"public noise", block(pemPublic, []byte{1, 2}), "is a public key", "is not a public key"},
	} {
		_, err := ParsePrivate([]byte(c.text))
		var bad *KeyError
		require.ErrorAs(t, err, &bad, c.what)
		require.ErrorContains(t, err, c.private, c.what)
		_, err = ParsePublic([]byte(c.text))
		if c.public == "" {
			require.NoError(t, err, c.what)
			continue
		}
		require.ErrorAs(t, err, &bad, c.what)
		require.ErrorContains(t, err, c.public, c.what)
	}
}

// TestOtherSignatures refuses what is no signature of a pack.
func TestOtherSignatures(t *testing.T) {
	key, err := ParsePrivate([]byte(rfcKey))
	require.NoError(t, err)
	good := string(sign(key, nil))
	_, err = parseSignature([]byte(good))
	require.NoError(t, err)
	for what, text := range map[string]string{
		"nothing":       "",
		"a key":         rfcKey,
		"a tail":        good + "x",
		"no key id":     strings.Replace(good, "Key: ", "Yek: ", 1),
		"a long key id": strings.Replace(good, "Key: ", "Key: 00", 1),
		"two headers":   strings.Replace(good, "Key: ", "A: b\nKey: ", 1),
		"short":         string(pem.EncodeToMemory(&pem.Block{Type: pemSignature, Headers: map[string]string{headerKey: strings.Repeat("0", 32)}, Bytes: make([]byte, 63)})),
	} {
		_, err := parseSignature([]byte(text))
		require.ErrorIs(t, err, errSignature, what)
	}
}
