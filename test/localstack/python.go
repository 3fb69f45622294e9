package localstack

import (
	"context"
	_ "embed"
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"flowkeeper/test/python"
)

//go:embed requirements.txt
var requirements string

// startPython runs LocalStack in a virtual environment of this user's cache.
func startPython(ctx context.Context, log func(string, ...any)) (*Instance, error) {
	venv, err := python.Environment(ctx, "localstack", requirements, log)
	if err != nil {
		return nil, err
	}
	root, err := newRoot()
	if err != nil {
		return nil, err
	}
	inst, err := runPython(ctx, venv, root)
	for tries := 1; errors.Is(err, errPortTaken) && tries < 3; tries++ {
		inst, err = runPython(ctx, venv, root)
	}
	if err != nil {
		return nil, errors.Join(err, root.remove())
	}
	return inst, nil
}

// program is `python -m localstack.runtime.main`, with another directory for S3: LocalStack's
// own is a constant below /tmp, which all users share and nobody removes.
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
	cmd := exec.Command(python.Interpreter(venv), "-c", program)
	cmd.Env = cleanEnv("GATEWAY_LISTEN="+address, "LOCALSTACK_HOST="+address, "SQS_ENDPOINT_STRATEGY=path",
		"DNS_ADDRESS=0", "DISABLE_EVENTS=1", "SKIP_SSL_CERT_DOWNLOAD=1", "EAGER_SERVICE_LOADING=1",
		"SERVICES="+strings.Join(services, ","),
		// In a container, LocalStack would believe that it is the image, and write to
		// /var/lib.
		"OVERRIDE_IN_DOCKER=0", "FILESYSTEM_ROOT="+root.dir, "TMPDIR="+root.dir)
	p, err := launch(cmd, syscall.SIGKILL)
	if err != nil {
		return nil, err
	}
	stop := func() error { return errors.Join(p.stop(termWithin), root.remove()) }
	endpoint := "http://" + address
	if err := p.ready(ctx, readyWithin, func(ctx context.Context) error { return health(ctx, endpoint) }); err != nil {
		return nil, errors.Join(err, p.stop(time.Second)) // no need to wait longer: it has nothing to save
	}
	return &Instance{Endpoint: endpoint, How: "localstack-core " + Version + " with Python in " + venv, stop: stop}, nil
}
