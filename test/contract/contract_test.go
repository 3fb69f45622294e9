// Package contract_test runs one suite against the fake AWS in this repository and
// against LocalStack, with the real SDK clients: the fake must behave like an AWS that
// others wrote. skips_test.go names the cases in which a backend differs from AWS, and
// the reason.
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

// contractCase is one behaviour of AWS that every backend must have.
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

// TestSkipsNameCases: each skip names a case. A skip without one would hide that the case was removed or
// renamed.
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
				t.Errorf("skip %q (%s): there is no such case, or the reason is empty", name, reason)
			}
		}
	}
}
