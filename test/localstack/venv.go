package localstack

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

//go:embed requirements.txt
var requirements string

// environment is a virtual environment with the pinned packages, installed by
// whoever comes first; the others wait at the lock.
func environment(ctx context.Context, python string, log func(string, ...any)) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory: %w; set XDG_CACHE_HOME or HOME", err)
	}
	dir := filepath.Join(cache, "flowkeeper", fmt.Sprintf("localstack-%.12x", sha256.Sum256([]byte(requirements))))
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
	log("LocalStack: installing localstack-core %s into %s (once, about a minute)", Version, dir)
	if err := install(ctx, python, dir); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, nil
}

func marker(dir string) string { return filepath.Join(dir, "flowkeeper-complete") }

// complete tells an environment that works from a half installed one, and
// from one whose Python has been uninstalled since.
func complete(ctx context.Context, dir string) bool {
	_, err := os.Stat(marker(dir))
	return err == nil && is313(ctx, filepath.Join(dir, "bin", "python"))
}

// install makes dir anew; the marker comes last.
func install(ctx context.Context, python, dir string) error {
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
	if err := command(ctx, filepath.Join(dir, "bin", "python"), "-m", "pip", "install", "--quiet", "--no-input", "-r", list); err != nil {
		return err
	}
	return os.WriteFile(marker(dir), nil, 0o644)
}

func command(ctx context.Context, name string, args ...string) error {
	t := &tail{}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = t, t
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w:\n%s", name, strings.Join(args, " "), err, t)
	}
	return nil
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
