package main

import (
	"bytes"
	"context"
	"io"
	"testing"

	"flowkeeper/internal/store"
)

// silent is a terminal without input. A read interrupts the command, as Ctrl-C does, and then blocks.
type silent struct {
	interrupt func()
	end       context.Context
}

func (s silent) Read([]byte) (int, error) {
	s.interrupt()
	<-s.end.Done()
	return 0, io.EOF
}

// TestInterruptedWhileWaitingForInput: Ctrl-C ends a command that waits for input.
func TestInterruptedWhileWaitingForInput(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"replay", "-"}, {"inventory", "import", "-"}} {
		ctx, cancel := context.WithCancel(t.Context())
		var b bytes.Buffer
		a := testApp(&b)
		a.stdin = silent{cancel, t.Context()}
		state := stateFile(t, func(*store.Tx) error { return nil })
		if code := a.execute(ctx, append(args, "--state", state)); code != exitFailed || b.String() != "flowkeeper: interrupted\n" {
			t.Errorf("%v: exit code %d, %q", args, code, b.String())
		}
	}
}
