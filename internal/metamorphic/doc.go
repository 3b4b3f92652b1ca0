// Package metamorphic holds the proof that nothing but the request decides an
// answer: random walks over everything that may change time (memory, chunks,
// threads, kernels, caches, restarts) give one hash.
package metamorphic
