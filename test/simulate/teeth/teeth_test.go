package main

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestEveryToothFits: each patch finds its text exactly once, and the patched packages compile. A tooth whose patch
// does not fit shows nothing.
func TestEveryToothFits(t *testing.T) {
	t.Chdir(filepath.Join("..", "..", ".."))
	for _, x := range teeth {
		overlay, err := x.overlay(t.TempDir())
		if err != nil {
			t.Errorf("%s: %v", x.name, err)
			continue
		}
		build := []string{"build", "-overlay", overlay}
		for _, p := range x.patches {
			build = append(build, "./"+filepath.Dir(p.file))
		}
		if out, err := exec.Command("go", build...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", x.name, err, out)
		}
	}
}
