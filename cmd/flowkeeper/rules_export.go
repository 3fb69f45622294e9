package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"flowkeeper/internal/detection"
)

// rulesToWrite are the files that dir lacks or has with other content. Without force
// the latter are an error, which names them all.
func rulesToWrite(dir string, force bool) (map[string][]byte, error) {
	todo := map[string][]byte{}
	var differ []string
	for _, r := range detection.Rules() {
		want, err := detection.Sigma(r.File)
		if err != nil {
			return nil, err
		}
		got, err := os.ReadFile(filepath.Join(dir, r.File))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, fmt.Errorf("compare with what is there: %w", err)
		case bytes.Equal(got, want):
			continue
		default:
			differ = append(differ, r.File)
		}
		todo[r.File] = want
	}
	if len(differ) > 0 && !force {
		return nil, fmt.Errorf("%s: other content is in %s, so nothing was written; --force overwrites", strings.Join(differ, ", "), dir)
	}
	return todo, nil
}

func writeRules(dir string, todo map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("create the directory: %w", err)
	}
	for name, text := range todo {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return fmt.Errorf("write a rule: %w", err)
		}
	}
	return nil
}
