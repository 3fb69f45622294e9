// Package prometheus checks the alerting rules of deploy/prometheus with Prometheus's
// own promtool.
package prometheus

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const rules = "../../deploy/prometheus"

func TestRulesFireWhenTheyShould(t *testing.T) {
	t.Parallel()
	if os.Getenv("SHORT") == "1" {
		t.Skip("SHORT=1: left out, as it needs Prometheus's promtool")
	}
	tool, err := promtool(t)
	if err != nil {
		t.Fatalf("no promtool: %v; install Prometheus, or leave this test out: SHORT=1", err)
	}
	for _, args := range [][]string{
		{"check", "rules", filepath.Join(rules, "alerts.yml")},
		{"test", "rules", filepath.Join(rules, "alerts_test.yml")},
	} {
		if out, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}

// promtool is the one in PATH, or else that of Debian's package, unpacked into the user's cache.
func promtool(t *testing.T) (string, error) {
	if path, err := exec.LookPath("promtool"); err == nil {
		return path, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "flowkeeper", "promtool")
	path := filepath.Join(dir, "usr", "bin", "promtool")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return path, unpack(t, dir)
}

// unpack downloads the package with apt and unpacks it. To install it would start a server.
func unpack(t *testing.T, dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), "promtool-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	for _, args := range [][]string{
		{"apt-get", "download", "-q", "prometheus"},
		{"sh", "-c", "dpkg-deb --extract prometheus_*.deb content"},
	} {
		c := exec.CommandContext(t.Context(), args[0], args[1:]...)
		c.Dir = work
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w\n%s", args, err, out)
		}
	}
	if err := os.Rename(filepath.Join(work, "content"), dir); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}
