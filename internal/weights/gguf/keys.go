package gguf

import (
	"fmt"
	"io"

	"github.com/lite-llm/lite/internal/weights"
)

// SplitKey says whether a key is one of those that say how a model is split into
// files, which a file that holds the whole model does not have.
func SplitKey(key string) bool {
	return key == keySplitNo || key == keySplitCount || key == keySplitTensors
}

// WriteKeys writes keys with their values as a file has them, without the file
// around them: what tells two descriptions apart.
func WriteKeys(out io.Writer, kvs []weights.KV) error {
	var b []byte
	var err error
	for _, kv := range kvs {
		b = appendString(b, kv.Key)
		if b, err = appendValue(b, kv.Value); err != nil {
			return fmt.Errorf("key %s: %w", kv.Key, err)
		}
	}
	_, err = out.Write(b)
	return err
}
