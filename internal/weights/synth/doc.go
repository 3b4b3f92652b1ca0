// Package synth describes and writes models with random weights, of any
// supported family, shape and block format: what tools/genmodel writes and what
// tests run. Blocks are random bits under sensible scales, written directly in
// their format, so that a file is made as fast as a disk takes it. It stands
// beside the parameter's road: it makes what the readers read.
package synth
