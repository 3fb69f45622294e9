package localstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Version is the last release of LocalStack that needs no token. requirements.txt pins the same
// version for Python.
const Version = "4.14.0"

// services are those that the tests use; LocalStack starts no others.
var services = []string{"ec2", "sqs", "sns", "s3", "sts", "iam", "logs", "events", "cloudformation", "cloudwatch", "kms"}

// Instance is one LocalStack that answers.
type Instance struct {
	Endpoint string // http://127.0.0.1:PORT, without a slash at the end
	How      string // for the log: in which way it was started

	stop func() error
}

// Stop ends a LocalStack that Start began, and does nothing to an endpoint that was running before.
func (i *Instance) Stop() error {
	if i == nil || i.stop == nil {
		return nil
	}
	return i.stop()
}

// way is one way to a LocalStack. The error of start says what is missing; advice says what a person can do
// about it.
type way struct {
	name   string
	advice string
	start  func(ctx context.Context, log func(string, ...any)) (*Instance, error)
}

// Start picks the first way that works: the endpoint in FLOWKEEPER_TEST_ENDPOINT or
// LOCALSTACK_ENDPOINT, Docker with an engine, Python 3.13 with the pinned packages (installed
// on first use, about half a gigabyte in the user's cache directory). log, like Printf, is
// called with what it tries. ctx bounds the start only. The error names every way, why it
// failed, and what to install.
func Start(ctx context.Context, log func(string, ...any)) (*Instance, error) {
	return firstOf(ctx, log, []way{
		{"a running endpoint", "set FLOWKEEPER_TEST_ENDPOINT=http://127.0.0.1:4566", startGiven},
		{"Docker", "install Docker and start its engine", startDocker},
		{"Python 3.13", "install Python 3.13 with its venv module, or uv, which brings one (pip install uv)", startPython},
	})
}

func firstOf(ctx context.Context, log func(string, ...any), ways []way) (*Instance, error) {
	var failed []string
	for _, w := range ways {
		inst, err := w.start(ctx, log)
		if err == nil {
			log("LocalStack at %s: %s", inst.Endpoint, inst.How)
			return inst, nil
		}
		log("LocalStack by %s: %v", w.name, err)
		failed = append(failed, fmt.Sprintf("  %s: %v\n    to have it: %s", w.name, err, w.advice))
	}
	return nil, fmt.Errorf("no LocalStack %s to test against; any one of these is enough:\n%s\n  or leave these tests out: SHORT=1",
		Version, strings.Join(failed, "\n"))
}

// startGiven uses an endpoint that the environment names.
func startGiven(ctx context.Context, _ func(string, ...any)) (*Instance, error) {
	for _, key := range []string{"FLOWKEEPER_TEST_ENDPOINT", "LOCALSTACK_ENDPOINT"} {
		endpoint := strings.TrimRight(os.Getenv(key), "/")
		if endpoint == "" {
			continue
		}
		if err := health(ctx, endpoint); err != nil {
			return nil, fmt.Errorf("%s=%s: %w", key, endpoint, err)
		}
		return &Instance{Endpoint: endpoint, How: "already running, from " + key}, nil
	}
	return nil, errors.New("neither FLOWKEEPER_TEST_ENDPOINT nor LOCALSTACK_ENDPOINT is set")
}
