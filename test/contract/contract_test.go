// Package contract_test holds the one suite that our in-process AWS and
// LocalStack both answer to, through the real SDK clients: it shows that the
// fake behaves as something that we did not write. What a backend can't do is
// in the table of skips_test.go, with the reason.
package contract_test

import (
	"os"
	"slices"
	"testing"

	"flowkeeper/test/localstack"
)

// shared is the LocalStack of this test process.
var shared localstack.Shared

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

// contractCase is one thing that AWS does and every backend must do alike.
type contractCase struct {
	name string
	run  func(t *testing.T, e *env)
}

func contractCases() []contractCase {
	return slices.Concat(createCases(), severalCases(), validationCases(), tokenCases(), tagCases(), describeCases(), deleteCases(),
		accountCases(), queueCases(), deadLetterCases(), topicCases(), objectCases())
}

func TestLocalStack(t *testing.T) {
	t.Parallel()
	runContract(t, newLocalStackBackend(shared.Get(t)), localStackSkips())
}

// runContract runs every case in an account of its own.
func runContract(t *testing.T, b backend, skips map[string]string) {
	t.Helper()
	for _, c := range contractCases() {
		t.Run(c.name, func(t *testing.T) {
			if reason, ok := skips[c.name]; ok {
				t.Skip(reason)
			}
			t.Parallel()
			c.run(t, newEnv(t, b))
		})
	}
}

// A skip that names no case would hide that the case is gone or renamed.
func TestSkipsNameCases(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, c := range contractCases() {
		if known[c.name] {
			t.Errorf("two cases are named %q", c.name)
		}
		known[c.name] = true
	}
	for _, skips := range []map[string]string{localStackSkips(), fakeSkips()} {
		for name, reason := range skips {
			if !known[name] || reason == "" {
				t.Errorf("skip %q (%s): no such case, or no reason", name, reason)
			}
		}
	}
}
