package pack

import (
	"context"
	"io"
)

// Sink is where a pack is written to: a directory, or a bucket. A pack is there
// as a whole after Finish and not at all before it.
type Sink interface {
	// Begin makes the place ready for the pack of that identity, which is the
	// same when the same pack is written again. What an interrupted writer of the
	// same pack finished is kept, and what one of another pack left is removed.
	// left is the bytes that are still to be written when nothing was kept: a sink
	// that knows its room refuses with a *SpaceError what cannot fit.
	Begin(ctx context.Context, identity Hash, left int64) error
	// Done says whether the object was finished by a writer that was interrupted,
	// and returns the note that it was committed with.
	Done(name string) (note []byte, ok bool)
	// Create begins an object of size bytes, whose name is relative to the pack.
	// One object is open at a time. The manifest comes last.
	Create(ctx context.Context, name string, size int64) (SinkFile, error)
	// Finish makes the pack appear, once all objects are committed.
	Finish(ctx context.Context) error
	// Close gives back what Begin took. Without Finish, what was committed is kept
	// for a writer of the same pack.
	Close() error
}

// SinkFile is an object that is being written.
type SinkFile interface {
	io.Writer
	// Commit makes the object durable, with a note that Done returns later.
	Commit(note []byte) error
	// Abort gives up an object that is not committed; after Commit it does nothing.
	Abort()
}
