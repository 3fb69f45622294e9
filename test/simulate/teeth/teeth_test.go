package main

import (
	"path/filepath"
	"testing"
)

// TestEveryToothFits: what a patch replaces is there, exactly once. A tooth that
// fits nowhere shows nothing.
func TestEveryToothFits(t *testing.T) {
	t.Chdir(filepath.Join("..", "..", ".."))
	for _, x := range teeth {
		if _, err := x.overlay(t.TempDir()); err != nil {
			t.Errorf("%s: %v", x.name, err)
		}
	}
}
