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

// TestAWSIsAwayAtStart: if AWS does not answer at the start, the daemon tries again, and works once AWS answers.
func TestAWSIsAwayAtStart(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.plant(region, "vpc-1")
	h.world.Fail("GetCallerIdentity", 1, "InternalFailure", http.StatusInternalServerError)
	h.refreshed()
	if !strings.Contains(h.log.String(), "can't reach AWS yet") {
		t.Errorf("the log does not say that AWS is not reached: %s", h.log)
	}
	h.strike(id)
	h.awaitBack(region, "vpc-1")
}

// TestI13StartedInAnotherAccount: the credentials are of another account than the state file's. To this daemon, all
// messages in the queue are about a foreign account. It must not acknowledge them because of that, and must not
// report itself as healthy.
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
	h.newDaemon()
	h.run()
	const why = "these credentials act in account 222233334444, and the state file has protected flow logs of 111122223333"
	h.await("the wrong account in the log", func() bool { return strings.Count(h.log.String(), why) > 0 })
	if h.daemon.health().ready() == nil || h.daemon.health().unwell() == nil {
		t.Error("the daemon is ready, or sends heartbeats")
	}
	h.halt()
	if n := h.world.Deleted(h.queue); n != 0 {
		t.Errorf("%d messages were acknowledged", n)
	}
	h.daemon.AWS.Credentials = right
	h.restart()
	h.awaitBack(region, "vpc-1")

	// If the configuration names accounts, the state file may have flow logs of other accounts too: the daemon starts.
	h.halt()
	h.daemon.AWS.Credentials = credentials.NewStaticCredentialsProvider(stranger.AccessKeyID, stranger.SecretAccessKey, "")
	h.daemon.Config.Accounts = []configs.Account{{ID: "222233334444"}}
	h.restart()
}

// TestI9AllIsLostAndAnotherAccountIsNot: all flow logs of the daemon's account are deleted, so the only protected ones
// in the state file are older ones of another account. The daemon must not take its credentials for those of a wrong
// account, and must restore what was deleted.
func TestI9AllIsLostAndAnotherAccountIsNot(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.plant(region, "vpc-1")
	h.refreshed()
	h.world.Deny("flowkeeper", "CreateFlowLogs")
	h.strike(id)
	h.await("the incident to be blocked", func() bool {
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
	h.restart()
	h.awaitBack(region, "vpc-1")
}

// TestAccessTakenAwayBeforeARestart: an earlier daemon has worked with the state file, so the credentials were right
// once. If AWS refuses them at the next start, the daemon does not end, but tries again: an attacker may have taken
// the access away for a while.
func TestAccessTakenAwayBeforeARestart(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.inFile(true, func(ctx context.Context, s *store.Store) error {
		return s.SetFact(ctx, factReceived, "2026-01-01T00:00:00Z")
	})
	h.world.Fail("GetCallerIdentity", 1, "InvalidClientTokenId", http.StatusForbidden)
	h.refreshed()
}

// TestTokenKey: without a key in the configuration, the daemon uses the key that the state file has. A key in the
// configuration replaces it, also in the state file, where commands read it.
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
			t.Errorf("the key is not the configured one; %v", err)
		}
		if stored, err := s.TokenKey(t.Context()); err != nil || stored != key {
			t.Errorf("the state file has another key; %v", err)
		}
	}
}
