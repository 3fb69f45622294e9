package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	smithyhttp "github.com/aws/smithy-go/transport/http"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/daemon"
	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

// connect reaches every configured account and Region.
func (a *app) connect(ctx context.Context, c configs.Config) (*scopes.Fleet, error) {
	if _, err := configs.Proxies(a.environ); err != nil {
		return nil, &configError{err}
	}
	progress := a.progress("asking AWS whose credentials these are", 0)
	defer progress.end()
	log := a.warnings()
	base, err := daemon.Base(ctx, c, log)
	if err != nil {
		return nil, err
	}
	fleet, err := scopes.Connect(ctx, base, daemon.Accounts(c), c.Inventory.Regions, log)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, unreached(err))
	}
	return fleet, nil
}

// unreached is what to try where AWS was not reached.
func unreached(err error) string {
	var send *smithyhttp.RequestSendError
	none := strings.Contains(err.Error(), "no EC2 IMDS role found") // no credentials anywhere else: the SDK has no type for it
	switch {
	case !none && (errors.As(err, &send) || errors.Is(err, context.DeadlineExceeded)):
		return "see that this machine reaches AWS: DNS, proxy, firewall, aws.endpoint_url"
	case !none && scopes.Passes(err):
		return "this may pass by itself: try again in a while"
	}
	return "see that the credentials are set (AWS_ACCESS_KEY_ID, a profile, an instance role) and aws.region or inventory.regions too"
}

// newRemediator is one for a command, which takes single steps beside a
// daemon or without one: senders, refreshes and the queue are the daemon's.
func (a *app) newRemediator(s state, fleet *scopes.Fleet) *remediate.Remediator {
	return &remediate.Remediator{
		Store: s, Snapshot: s, Fleet: fleet, Policy: daemon.Policy(s.conf), Now: a.now,
		Log:         a.warnings(),
		Wake:        func() {}, // the daemon notices changes of the state file by itself
		RefreshSoon: func(inventory.Scope, bool) {},
		Direct:      func(context.Context, alert.Alert) {},
	}
}

// warnings is a command's log: what went wrong on the way.
func (a *app) warnings() *slog.Logger {
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: cleanText}))
}
