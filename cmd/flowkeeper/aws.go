package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/daemon"
	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

// connect gets credentials for every account and Region to protect. The accounts of an
// organisation are those of the state file's list.
func (s state) connect(ctx context.Context) (*scopes.Fleet, error) {
	progress := s.Progress("checking the credentials with AWS", 0)
	defer progress.End()
	log := s.warnings()
	base, err := s.awsConfig(ctx, s.conf, log)
	if err != nil {
		return nil, err
	}
	accounts, listed, err := daemon.StoredAccounts(ctx, s.conf, base, s.Store)
	if err != nil {
		return nil, err
	}
	if !listed {
		return nil, errors.New("the accounts of the organisation have not been listed yet: the daemon does that when it starts (flowkeeper run)")
	}
	fleet := scopes.NewFleet(base, s.conf.Inventory.Regions, log)
	if err := fleet.Connect(ctx, accounts); err != nil {
		return nil, fmt.Errorf("%w: %s", err, hintFor(err))
	}
	return fleet, nil
}

// configAndAWS reads the configuration, and returns it with the SDK's configuration that follows from it.
func (a *app) configAndAWS(ctx context.Context, n needs, log *slog.Logger) (c configs.Config, base aws.Config, err error) {
	if c, _, err = a.config(n); err == nil {
		base, err = a.awsConfig(ctx, c, log)
	}
	return c, base, err
}

// awsConfig returns the SDK's configuration. It checks the proxy settings, because a command that may run
// without AWS has not checked them yet.
func (a *app) awsConfig(ctx context.Context, c configs.Config, log *slog.Logger) (aws.Config, error) {
	if err := configs.Proxies(a.environ); err != nil {
		return aws.Config{}, &configError{err}
	}
	return daemon.Base(ctx, c, log)
}

// hintFor says what to check, or to do, about an error of AWS.
func hintFor(err error) string {
	var send *smithyhttp.RequestSendError
	none := scopes.NoCredentials(err)
	switch {
	case !none && (errors.As(err, &send) || errors.Is(err, context.DeadlineExceeded)):
		return "check that this machine reaches AWS: DNS, proxy, firewall, aws.endpoint_url"
	case !none && scopes.Passes(err):
		return "this may be temporary: try again later"
	}
	return "check that the credentials are set (AWS_ACCESS_KEY_ID, a profile, an instance role) and aws.region or inventory.regions too"
}

// plainText is an error of AWS without what the SDK adds.
func plainText(err error) string {
	text := err.Error()
	if _, said, ok := strings.Cut(text, "api error "); ok {
		text = said
	}
	if errors.Is(err, context.DeadlineExceeded) {
		text = "no answer in time"
	}
	return alert.Clean(text, alert.MaxField)
}

// remediator returns a remediator for a command, which does one thing and ends, whether or not a
// daemon runs. Only the daemon sends alerts and reads the queue.
func (s state) remediator(ctx context.Context, fleet remediate.Fleet) (*remediate.Remediator, error) {
	key, err := s.TokenKey(ctx)
	if err != nil {
		return nil, err
	}
	return &remediate.Remediator{
		Store: s.Remediation(), News: s.News(), Snapshot: s, Fleet: fleet, Policy: daemon.Policy(s.conf, key), Now: s.now,
		Log: s.warnings(), Senders: noSenders{},
	}, nil
}

// noSenders are the senders of a command, which has none. Nobody needs to be woken: the daemon notices changes of the
// state file. Bypass is for the records of messages, which no command has.
type noSenders struct{ remediate.Senders }

// Wake does nothing.
func (noSenders) Wake() {}

// withoutAWS is the fleet of a command that does not call AWS. It reports every scope as
// configured: otherwise alerts that the command adds would say that nothing is tried there.
type withoutAWS struct{}

func (withoutAWS) EC2(inventory.Scope) (remediate.EC2, bool) { return nil, true }

// warnings is the log of a command: warnings and errors only.
func (a *app) warnings() *slog.Logger {
	return slog.New(slog.NewTextHandler(a.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: cleanText}))
}
