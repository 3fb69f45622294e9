package python

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// find is the first Python 3.13 that runs. LocalStack can be installed on other versions, but its services fail
// to load there; and people should need only one version for all tests. A Python on the PATH may be a shim of
// pyenv that answers "command not found".
func find(ctx context.Context) (string, error) {
	candidates := []string{"python3.13", "python3"}
	candidates = append(candidates, pyenvPythons(ctx)...)
	for _, c := range candidates {
		if is313(ctx, c) {
			return c, nil
		}
	}
	if python, err := uvPython(ctx); err != nil {
		return "", fmt.Errorf("none of %s is a Python 3.13, and %w", strings.Join(candidates, ", "), err)
	} else if is313(ctx, python) {
		return python, nil
	}
	return "", errors.New("the Python that uv found does not run")
}

func is313(ctx context.Context, python string) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, python, "--version").Output()
	return err == nil && strings.HasPrefix(string(out), "Python 3.13.")
}

func pyenvPythons(ctx context.Context) []string {
	root := os.Getenv("PYENV_ROOT")
	if out, err := exec.CommandContext(ctx, "pyenv", "root").Output(); err == nil {
		root = strings.TrimSpace(string(out))
	}
	if root == "" {
		return nil
	}
	found, _ := filepath.Glob(filepath.Join(root, "versions", "3.13.*", "bin", "python3.13")) // the pattern is valid
	return found
}

// uvPython asks uv for a Python 3.13, which it installs if it has none.
func uvPython(ctx context.Context) (string, error) {
	if _, err := exec.LookPath("uv"); err != nil {
		return "", errors.New("there is no uv command")
	}
	if out, err := exec.CommandContext(ctx, "uv", "python", "find", "3.13").Output(); err == nil {
		return strings.TrimSpace(string(out)), nil
	}
	if out, err := exec.CommandContext(ctx, "uv", "python", "install", "3.13").CombinedOutput(); err != nil {
		return "", fmt.Errorf("uv python install 3.13: %s", lastLines(out, 1))
	}
	out, err := exec.CommandContext(ctx, "uv", "python", "find", "3.13").Output()
	if err != nil {
		return "", fmt.Errorf("uv python find 3.13: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
