package python

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestLockFileExcludes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lockFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lockFile(ctx, path); !errors.Is(err, context.Canceled) {
		t.Errorf("a held lock: got %v, want that the wait was cancelled", err)
	}
	unlock()
	again, err := lockFile(t.Context(), path)
	if err != nil {
		t.Fatalf("a freed lock: %v", err)
	}
	again()
}

// TestHalfInstalledIsNotComplete: an environment is complete only if it has its marker and a Python that runs.
func TestHalfInstalledIsNotComplete(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	python := filepath.Join(dir, "bin", "python")
	if err := os.WriteFile(python, []byte("#!/bin/sh\necho Python 3.13.9\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if complete(t.Context(), dir) {
		t.Error("complete without a marker")
	}
	if err := os.WriteFile(marker(dir), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if !complete(t.Context(), dir) {
		t.Error("not complete with marker and Python")
	}
	if err := os.Remove(python); err != nil {
		t.Fatal(err)
	}
	if complete(t.Context(), dir) {
		t.Error("complete although its Python is gone")
	}
}
