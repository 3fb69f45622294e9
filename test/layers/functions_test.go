package layers_test

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// TestTheCoreAsksThroughInterfaces: a package of the core, the store, the alerts of the pipeline, doctor or
// replay calls packages above it through an interface that it declares itself, so that readers find the methods
// by name. A field of function type would hide what is called. It is allowed only for what the machine gives:
// time, randomness, waiting, goroutines, the free space of the disk, and keep-alives of loops.
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
						t.Errorf("%s: the field %s is a function: declare an interface in this package instead", path, name.Name)
					}
				}
			}
			return true
		})
	}
	for _, name := range fromTheMachine {
		if !seen[name] {
			t.Errorf("no field is called %s: remove it from this test's list, unless the test reads no code", name)
		}
	}
}
