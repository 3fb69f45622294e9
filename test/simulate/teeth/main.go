package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "teeth:", err)
		os.Exit(1)
	}
}

// run tries the teeth whose names are given, or all.
func run(ctx context.Context, names []string) error {
	var blunt []string
	for _, t := range teeth {
		if len(names) > 0 && !strings.Contains(strings.Join(names, " "), t.name) {
			continue
		}
		begun := time.Now()
		how, err := t.bite(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		if how == "" {
			blunt, how = append(blunt, t.name), "NOT NOTICED"
		}
		fmt.Printf("%-28s %5.1fs  %s\n", t.name, time.Since(begun).Seconds(), how)
	}
	if len(blunt) > 0 {
		return fmt.Errorf("the simulation does not notice: %s", strings.Join(blunt, ", "))
	}
	return nil
}

// bite runs the simulation with the patched sources, first the random plays, then every death. how is the failure
// that it reported; empty: it noticed nothing.
func (t tooth) bite(ctx context.Context) (how string, err error) {
	dir, err := os.MkdirTemp("", "teeth")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	overlay, err := t.overlay(dir)
	if err != nil {
		return "", err
	}
	for _, tests := range []string{"Simulated", "EveryDeath"} {
		if how, err = t.noticed(ctx, overlay, tests); how != "" || err != nil {
			break
		}
	}
	return how, err
}

// noticed runs the named tests of the simulation with the patched sources.
func (t tooth) noticed(ctx context.Context, overlay, tests string) (how string, err error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-overlay", overlay, "-count=1", "-timeout=2h", "-run", tests, "./test/simulate")
	cmd.Env = append(os.Environ(), "SIM_SEED=1001", "SIM_STEPS=150000")
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return "", err
	}
	if err == nil {
		return "", ctx.Err()
	}
	for line := range strings.Lines(string(out)) {
		for _, begins := range []string{": play ", ": dead at "} {
			if _, why, ok := strings.Cut(line, begins); ok {
				return strings.TrimSpace(why), nil
			}
		}
	}
	return "", fmt.Errorf("the simulation did not run: %s", out)
}

// overlay writes the patched files, and the file that tells the compiler about them. It returns the path of the
// latter.
func (t tooth) overlay(dir string) (string, error) {
	list := struct{ Replace map[string]string }{map[string]string{}}
	for n, p := range t.patches {
		path, err := filepath.Abs(p.file)
		if err != nil {
			return "", err
		}
		from := path
		if old, again := list.Replace[path]; again {
			from = old
		}
		source, err := os.ReadFile(from)
		if err != nil {
			return "", err
		}
		if strings.Count(string(source), p.old) != 1 {
			return "", fmt.Errorf("%s has changed: it has the text that the patch replaces %d times, want once", p.file, strings.Count(string(source), p.old))
		}
		to := filepath.Join(dir, fmt.Sprintf("%d.go", n))
		if err := os.WriteFile(to, []byte(strings.Replace(string(source), p.old, p.new, 1)), 0o600); err != nil {
			return "", err
		}
		list.Replace[path] = to
	}
	b, err := json.Marshal(list)
	if err != nil {
		return "", err
	}
	to := filepath.Join(dir, "overlay.json")
	return to, os.WriteFile(to, b, 0o600)
}
