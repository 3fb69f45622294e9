package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/store"
)

// inEnvironment makes a daemon whose credentials come from the environment, and which systemd started an hour ago. It
// returns the credentials. It is not for parallel tests.
func inEnvironment(t *testing.T) (h *house, key fakeaws.Credentials) {
	t.Helper()
	h = newHouse(t)
	key = h.world.User(account, "flowkeeper", false)
	for k, v := range map[string]string{
		"AWS_ACCESS_KEY_ID": key.AccessKeyID, "AWS_SECRET_ACCESS_KEY": key.SecretAccessKey, "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_CA_BUNDLE": "",
		"AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_CONFIG_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1",
		"INVOCATION_ID": "0123456789abcdef0123456789abcdef", "SYSTEMD_EXEC_PID": strconv.Itoa(os.Getpid()),
	} {
		t.Setenv(k, v)
	}
	h.daemon.Log = slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	h.loadEnvironment(time.Hour)
	return h, key
}

// loadEnvironment gives the daemon the credentials that are in the environment now, as if it had been started age ago.
func (h *house) loadEnvironment(age time.Duration) {
	h.t.Helper()
	base, err := scopes.Base(h.t.Context(), scopes.Options{Region: region, Log: h.daemon.Log})
	if err != nil {
		h.t.Fatal(err)
	}
	base.HTTPClient = h.world.HTTPClient()
	h.daemon.AWS, h.daemon.environment.began = base, time.Now().Add(-age)
}

// receives starts the daemon, and waits until the queue has answered with its state file.
func (h *house) receives() {
	h.t.Helper()
	h.refreshed()
	h.await("the queue's answer to be noted", func() bool { v, err := h.daemon.store.Fact(h.t.Context(), factReceived); return err == nil && v != "" })
}

const notYet = "not ending for that yet"

// TestARefusedEnvironmentEndsTheDaemon: if AWS refuses the credentials of the environment, the daemon ends, so that
// systemd starts it with those that EnvironmentFile= has now. It does not end if a daemon has ended for that within
// environmentPause, or if it was started within environmentFresh.
func TestARefusedEnvironmentEndsTheDaemon(t *testing.T) {
	h, key := inEnvironment(t)
	h.receives()
	h.world.RefuseKey(key.AccessKeyID, "InvalidClientTokenId", "")
	if err := h.end(); !errors.Is(err, errStaleEnvironment) {
		t.Fatalf("ended with %v", err)
	}

	h.newDaemon() // with the same credentials: nobody has changed the file
	h.loadEnvironment(time.Hour)
	h.run()
	h.await("the second daemon to go on", func() bool { return strings.Contains(h.log.String(), notYet) })
	h.halt()

	h.setLastEnd(environmentPause)
	h.newDaemon()
	h.loadEnvironment(0)
	n := strings.Count(h.log.String(), notYet)
	h.run()
	h.await("the third daemon, which was just started, to go on", func() bool { return strings.Count(h.log.String(), notYet) > n })
	h.halt()

	h.newDaemon()
	h.loadEnvironment(environmentFresh)
	h.run()
	if err := h.end(); !errors.Is(err, errStaleEnvironment) {
		t.Errorf("ten minutes later: ended with %v", err)
	}
}

// setLastEnd stores that the last daemon that ended because of its environment did so d ago.
func (h *house) setLastEnd(d time.Duration) {
	h.t.Helper()
	h.inFile(true, func(ctx context.Context, s *store.Store) error {
		v, err := s.Fact(ctx, factEnvironment)
		if v == "" {
			h.t.Error("the time of the end is not stored")
		}
		return errors.Join(err, s.SetFact(ctx, factEnvironment, time.Now().Add(-d).UTC().Format(time.RFC3339)))
	})
}

// TestARegionThatRefusesEndsNothing: one Region refuses the credentials, and STS does not. The daemon does not end.
func TestARegionThatRefusesEndsNothing(t *testing.T) {
	h, _ := inEnvironment(t)
	h.receives()
	h.world.Fail("DescribeFlowLogs", 1, "AuthFailure", http.StatusUnauthorized)
	h.await("STS to be asked", func() bool { return strings.Contains(h.log.String(), "STS does not say so") })
	h.await("the refresh to work again", func() bool { return h.daemon.health().ready() == nil })
	h.halt()
}

// TestWithoutSystemdARefusedEnvironmentEndsNothing: the daemon does not end, because nothing would start it again.
func TestWithoutSystemdARefusedEnvironmentEndsNothing(t *testing.T) {
	h, key := inEnvironment(t)
	t.Setenv("INVOCATION_ID", "")
	h.receives()
	h.world.RefuseKey(key.AccessKeyID, "InvalidClientTokenId", "")
	h.await("the refusal in the log", func() bool { return strings.Contains(h.log.String(), "still has the same") })
	h.halt()
}
