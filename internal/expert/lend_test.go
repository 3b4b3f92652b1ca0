//go:build !invariants

package expert

const invariants = false
