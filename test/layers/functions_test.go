package layers_test

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// TestTheCoreAsksThroughInterfaces: what a package of the core, the store, the alerts of the pipeline, doctor or replay
// needs of those above it is an interface where it is called, so that its methods are found by name. A field that is a
// function hides who is called. Only what the machine gives may be one: time, randomness, waiting,
// goroutines, the free space of the disk, and the sign of life of a loop.
func TestTheCoreAsksThroughInterfaces(t *testing.T) {
	t.Parallel()
	fromTheMachine := []string{"Now", "Rand", "Random", "Pause", "Parallel", "Background", "KeepAlive", "Free"}
	seen := map[string]bool{}
	for path, file := range sources(t) {
		room, _, _ := strings.Cut(strings.TrimPrefix(path, "internal/"), "/")
		if !slices.Contains([]string{"alert", "doctor", "inventory", "pipeline", "remediate", "replay", "store", "watcher"}, room) {
			continue
		}
		ast.Inspect(file, func(n ast.Node) bool {
			s, ok := n.(*ast.StructType)
			if !ok {
				return true
			}
			for _, f := range s.Fields.List {
				if _, is := f.Type.(*ast.FuncType); !is {
					continue
				}
				for _, name := range f.Names {
					seen[name.Name] = true
					if name.IsExported() && !slices.Contains(fromTheMachine, name.Name) {
						t.Errorf("%s: the field %s is a function: declare an interface where it is called", path, name.Name)
					}
				}
			}
			return true
		})
	}
	for _, name := range fromTheMachine {
		if !seen[name] {
			t.Errorf("no field is called %s: the list of this test is too long, or no code is read", name)
		}
	}
}
