package main

import (
	"context"
	"io"
	"os"
)

// open opens the file; - is stdin. The caller closes it.
func (a *app) open(ctx context.Context, name string) (io.ReadCloser, error) {
	if name != "-" {
		return os.Open(name)
	}
	return interruptible(ctx, a.stdin), nil
}

// interruptible reads from r until ctx ends, even while a read of r blocks: a
// command that waits for typed input ends at the first Ctrl-C.
func interruptible(ctx context.Context, r io.Reader) io.ReadCloser {
	pr, pw := io.Pipe()
	context.AfterFunc(ctx, func() { pw.CloseWithError(ctx.Err()) })
	go func() {
		_, err := io.Copy(pw, r)
		pw.CloseWithError(err)
	}()
	return pr
}
