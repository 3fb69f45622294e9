package daemon

import (
	"context"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"flowkeeper/alert/alerttest"
	"flowkeeper/configs"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

func TestBadCredentials(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.daemon.AWS.Credentials = credentials.NewStaticCredentialsProvider("AKIAUNKNOWN", "secret", "")
	err := h.daemon.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID") || strings.Contains(err.Error(), "secret\"") {
		t.Errorf("%v", err)
	}
}

// TestAWSIsAwayAtStart: the daemon waits until AWS answers; alerts and the health endpoints
// work meanwhile.
func TestAWSIsAwayAtStart(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.plant(region, "vpc-1")
	h.world.Fail("GetCallerIdentity", 1, "InternalFailure", http.StatusInternalServerError)
	h.refreshed()
	if !strings.Contains(h.log.String(), "can't reach AWS yet") {
		t.Errorf("nothing was said of it: %s", h.log)
	}
	h.strike(id)
	h.awaitBack(region, "vpc-1")
}

// TestI13StartedInAnotherAccount: with credentials of an account that the state file does not
// know, the daemon does not acknowledge messages because they are about another account, and
// does not report itself as healthy.
func TestI13StartedInAnotherAccount(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.plant(region, "vpc-1")
	h.refreshed()
	h.await("the queue to answer", func() bool { return h.daemon.health().ready() == nil })
	h.halt()
	h.strike(id)
	right, stranger := h.daemon.AWS.Credentials, h.world.User("222233334444", "flowkeeper", false)
	h.daemon.AWS.Credentials = credentials.NewStaticCredentialsProvider(stranger.AccessKeyID, stranger.SecretAccessKey, "")
	h.anew()
	h.run()
	const why = "these credentials act in account 222233334444, and the state file has protected flow logs of 111122223333"
	h.await("the account to be noticed", func() bool { return strings.Count(h.log.String(), why) > 0 })
	if h.daemon.health().ready() == nil || h.daemon.health().unwell() == nil {
		t.Error("all is said to be well")
	}
	h.halt()
	if n := h.world.Deleted(h.queue); n != 0 {
		t.Errorf("%d messages were acknowledged", n)
	}
	h.daemon.AWS.Credentials = right
	h.again()
	h.awaitBack(region, "vpc-1")

	// If the configuration names accounts, the state file may have flow logs of others, too.
	h.halt()
	h.daemon.AWS.Credentials = credentials.NewStaticCredentialsProvider(stranger.AccessKeyID, stranger.SecretAccessKey, "")
	h.daemon.Config.Accounts = []configs.Account{{ID: "222233334444"}}
	h.again()
}

// TestI9AllIsLostAndAnotherAccountIsNot: an account whose flow logs are all gone is still the
// right one, though the state file has older flow logs of another account.
func TestI9AllIsLostAndAnotherAccountIsNot(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.plant(region, "vpc-1")
	h.refreshed()
	h.world.Deny("flowkeeper", "CreateFlowLogs")
	h.strike(id)
	h.await("it to be blocked", func() bool {
		c, err := h.daemon.store.Counts(t.Context())
		return err == nil && c.Incidents["blocked"] == 1
	})
	h.halt()
	h.inFile(false, func(ctx context.Context, s *store.Store) error {
		err := s.Update(ctx, func(tx *store.Tx) error {
			return tx.PutFlowLog(inventory.Row{FlowLog: inventory.FlowLog{ID: "fl-0000000000000beef", Scope: inventory.Scope{Account: "222233334444", Region: region},
				Settings: inventory.Settings{ResourceID: "vpc-9", LogDestinationType: "s3", LogDestination: bucket}}, State: inventory.Live, Protected: true})
		})
		if accounts, gerr := s.AccountsWithProtected(ctx); !slices.Equal(accounts, []string{"222233334444"}) {
			t.Errorf("the file has protected flow logs of %v, %v", accounts, gerr)
		}
		return err
	})
	h.world.Allow("flowkeeper", "CreateFlowLogs")
	h.again()
	h.awaitBack(region, "vpc-1")
}

// TestAccessTakenAwayBeforeARestart: after a daemon has worked with the state file, the next
// one does not end because AWS refuses its calls.
func TestAccessTakenAwayBeforeARestart(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.inFile(true, func(ctx context.Context, s *store.Store) error {
		return s.SetFact(ctx, factReceived, "2026-01-01T00:00:00Z")
	})
	h.world.Fail("GetCallerIdentity", 1, "InvalidClientTokenId", http.StatusForbidden)
	h.refreshed()
}

// TestTokenKey: the key of the configuration counts, and goes into the state file for commands.
// Without one, the state file's own key counts.
func TestTokenKey(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"), store.Options{Daemon: true, Routes: alerttest.To{}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d := &Daemon{store: s}
	own, err := d.tokenKey(t.Context())
	if err != nil || own == "" {
		t.Fatal(own == "", err)
	}
	const secret = "a secret of several daemons, shared"
	d.Config.Remediate.TokenKey = secret
	for range 2 {
		key, err := d.tokenKey(t.Context())
		if err != nil || key != incident.SharedTokenKey(secret) || key == own {
			t.Errorf("not the shared one; %v", err)
		}
		if stored, err := s.TokenKey(t.Context()); err != nil || stored != key {
			t.Errorf("commands have another one; %v", err)
		}
	}
}
