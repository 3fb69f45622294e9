package python

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Environment returns the directory of a virtual environment in the user's cache that has exactly the packages
// of requirements. The first process that needs it installs it; others wait for the lock. Another list of
// packages has another directory. name is the beginning of the directory's name, and log, like Printf, is
// called before an installation. The error says what to install.
func Environment(ctx context.Context, name, requirements string, log func(string, ...any)) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory: %w; set XDG_CACHE_HOME or HOME", err)
	}
	dir := filepath.Join(cache, "flowkeeper", fmt.Sprintf("%s-%.12x", name, sha256.Sum256([]byte(requirements))))
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("make the cache directory: %w", err)
	}
	unlock, err := lockFile(ctx, dir+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if complete(ctx, dir) {
		return dir, nil
	}
	python, err := find(ctx)
	if err != nil {
		return "", err
	}
	log("%s: installing its Python packages into %s (once, up to a minute)", name, dir)
	if err := install(ctx, python, dir, requirements); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, nil
}

// Interpreter is the Python of an environment.
func Interpreter(dir string) string { return Program(dir, "python") }

// Program is the path of a command that a package installed in an environment.
func Program(dir, name string) string { return filepath.Join(dir, "bin", name) }

func marker(dir string) string { return filepath.Join(dir, "flowkeeper-complete") }

// complete reports whether an environment is installed completely, and its Python still runs.
func complete(ctx context.Context, dir string) bool {
	_, err := os.Stat(marker(dir))
	return err == nil && is313(ctx, Interpreter(dir))
}

// install makes dir anew. The marker is written last, so that an interrupted installation is not complete.
func install(ctx context.Context, python, dir, requirements string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("clear %s: %w", dir, err)
	}
	if err := command(ctx, python, "-m", "venv", dir); err != nil {
		return err
	}
	list := filepath.Join(dir, "requirements.txt")
	if err := os.WriteFile(list, []byte(requirements), 0o644); err != nil {
		return fmt.Errorf("write the list of packages: %w", err)
	}
	if err := command(ctx, Interpreter(dir), "-m", "pip", "install", "--quiet", "--no-input", "-r", list); err != nil {
		return err
	}
	return os.WriteFile(marker(dir), nil, 0o644)
}

func command(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w:\n%s", name, strings.Join(args, " "), err, lastLines(out, 25))
	}
	return nil
}

func lastLines(out []byte, n int) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// lockFile holds path for this process until unlock, waiting for others as
// long as ctx allows. The kernel frees it if the process dies.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	every := time.NewTicker(100 * time.Millisecond)
	defer every.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("wait for %s, which another test process holds: %w", path, ctx.Err())
		case <-every.C:
		}
	}
}
