package localstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// startPython runs LocalStack in a virtual environment of this user's cache.
func startPython(ctx context.Context, log func(string, ...any)) (*Instance, error) {
	python, err := findPython(ctx)
	if err != nil {
		return nil, err
	}
	venv, err := environment(ctx, python, log)
	if err != nil {
		return nil, err
	}
	root, err := newRoot()
	if err != nil {
		return nil, err
	}
	inst, err := runPython(ctx, venv, root)
	if err != nil {
		return nil, errors.Join(err, root.remove())
	}
	return inst, nil
}

// program is `python -m localstack.runtime.main`, but for S3's directory, which
// is a constant under /tmp: shared by everyone, and never removed.
const program = `
import os, runpy
from localstack.services.s3 import provider
provider.DEFAULT_S3_TMP_DIR = os.path.join(os.environ["FILESYSTEM_ROOT"], "s3")
runpy.run_module("localstack.runtime.main", run_name="__main__", alter_sys=True)
`

func runPython(ctx context.Context, venv string, root *root) (*Instance, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(filepath.Join(venv, "bin", "python"), "-c", program)
	cmd.Env = cleanEnv("GATEWAY_LISTEN="+address, "LOCALSTACK_HOST="+address, "SQS_ENDPOINT_STRATEGY=path",
		"DNS_ADDRESS=0", "DISABLE_EVENTS=1", "SKIP_SSL_CERT_DOWNLOAD=1", "EAGER_SERVICE_LOADING=1",
		"SERVICES="+strings.Join(services, ","),
		// Inside a container it would take itself for the image and write to
		// /var/lib.
		"OVERRIDE_IN_DOCKER=0", "FILESYSTEM_ROOT="+root.dir, "TMPDIR="+root.dir)
	p, err := launch(cmd, syscall.SIGKILL)
	if err != nil {
		return nil, err
	}
	stop := func() error { return errors.Join(p.stop(termWithin), root.remove()) }
	endpoint := "http://" + address
	if err := p.ready(ctx, readyWithin, func(ctx context.Context) error { return health(ctx, endpoint) }); err != nil {
		return nil, errors.Join(err, p.stop(termWithin))
	}
	return &Instance{Endpoint: endpoint, How: "localstack-core " + Version + " with Python in " + venv, stop: stop}, nil
}

// findPython is the first Python 3.13 that really answers: LocalStack installs
// on others, but its services then fail to load. A pyenv shim may be on the
// PATH and still answer "command not found".
func findPython(ctx context.Context) (string, error) {
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
		return "", fmt.Errorf("uv python install 3.13: %s", lastLine(out))
	}
	out, err := exec.CommandContext(ctx, "uv", "python", "find", "3.13").Output()
	if err != nil {
		return "", fmt.Errorf("uv python find 3.13: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
