// Package tiny holds the model that comes with Lite: a native one, trained on
// the King James Bible by the recipe in train/, so that the hierarchy of
// tiers, groups and experts runs on text without a download.
package tiny

import _ "embed" // the model is a file beside this one

// Name is what the command calls the model.
const Name = "tiny"

// GGUF is the model file (docs/format/native.md).
//
//go:embed tiny.gguf
var GGUF []byte
