package localstack

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"
)

// Shared is one LocalStack for all tests of a test process. The first test that asks starts it, and TestMain
// stops it. The zero value is ready.
type Shared struct {
	once sync.Once
	inst *Instance
	err  error
}

// Get returns the instance. If none can be started the test fails and says what is missing; it is skipped only
// with SHORT=1.
func (s *Shared) Get(t testing.TB) *Instance {
	t.Helper()
	if os.Getenv("SHORT") == "1" {
		t.Skip("SHORT=1: left out, as it needs a LocalStack")
	}
	s.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 9*time.Minute)
		defer cancel()
		s.inst, s.err = Start(ctx, func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) })
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.inst
}

// Main runs the tests, and stops the instance if one was started. Its result is for os.Exit.
func (s *Shared) Main(m *testing.M) int {
	code := m.Run()
	if err := s.inst.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop LocalStack:", err)
		if code == 0 {
			code = 1
		}
	}
	return code
}
