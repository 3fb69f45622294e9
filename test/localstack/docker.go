package localstack

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const image = "localstack/localstack:" + Version

// startDocker runs the image, published on loopback only. The client stays in the foreground and passes SIGTERM
// on to the container, so the container ends with the test process.
func startDocker(ctx context.Context, log func(string, ...any)) (*Instance, error) {
	if err := haveEngine(ctx); err != nil {
		return nil, err
	}
	if err := haveImage(ctx, log); err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	name := "flowkeeper-test-" + strings.TrimPrefix(address, "127.0.0.1:")
	cmd := exec.Command("docker", "run", "--rm", "--name", name, "-p", address+":4566",
		"-e", "LOCALSTACK_HOST="+address, "-e", "SQS_ENDPOINT_STRATEGY=path", "-e", "DISABLE_EVENTS=1",
		"-e", "EAGER_SERVICE_LOADING=1", "-e", "SERVICES="+strings.Join(services, ","), image)
	cmd.Env = cleanEnv()
	p, err := launch(cmd, syscall.SIGTERM)
	if err != nil {
		return nil, err
	}
	stop := func() error {
		err := p.stop(termWithin)
		if err != nil { // a killed client can't remove the container
			_ = exec.Command("docker", "rm", "--force", name).Run()
		}
		return err
	}
	endpoint := "http://" + address
	if err := p.ready(ctx, readyWithin, func(ctx context.Context) error { return health(ctx, endpoint) }); err != nil {
		return nil, errors.Join(err, stop())
	}
	return &Instance{Endpoint: endpoint, How: "Docker, " + image, stop: stop}, nil
}

// haveEngine asks for the engine, because the docker command may be there without one.
func haveEngine(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "docker", "info", "--format", "{{.ServerVersion}}").CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return errors.New("no docker command")
	}
	if err != nil {
		return fmt.Errorf("the docker command finds no engine: %s", lastLine(out))
	}
	return nil
}

func haveImage(ctx context.Context, log func(string, ...any)) error {
	if exec.CommandContext(ctx, "docker", "image", "inspect", image).Run() == nil {
		return nil
	}
	log("LocalStack: docker pull %s (once)", image)
	if out, err := exec.CommandContext(ctx, "docker", "pull", "--quiet", image).CombinedOutput(); err != nil {
		return fmt.Errorf("pull %s: %w: %s", image, err, lastLine(out))
	}
	return nil
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
