package daemon

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
)

// names returns the names of resources that the state file has for scope home.
func (h *house) names() map[string]string {
	h.t.Helper()
	names, err := h.daemon.store.ResourceNames(h.t.Context(), home)
	if err != nil {
		h.t.Fatal(err)
	}
	return names
}

// TestAlertsHaveNames: an alert has the account's name from the configuration, and the VPC's tag Name from AWS,
// cleaned of characters that change how text is shown.
func TestAlertsHaveNames(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.daemon.Config.Accounts = []configs.Account{{ID: account, Name: "payments-prod"}}
	id := h.plant(region, "vpc-1")
	h.world.TagResource(account, region, "vpc-1", "Name", "main\u202e")
	h.run()
	h.await("the name of the VPC", func() bool { return h.daemon.connected.Load() && len(h.names()) > 0 })
	h.strike(id)
	h.awaitBack(region, "vpc-1")
	h.await("the alert", func() bool { return len(h.pager.of(alert.Deletion)) > 0 })
	a := h.pager.of(alert.Deletion)[0]
	if a.AccountName != "payments-prod" || a.FlowLogs[0].ResourceName != `main\u202e` {
		t.Errorf("account %q, resource %q", a.AccountName, a.FlowLogs[0].ResourceName)
	}
	if want := "Deleted: the flow log of vpc-1 (main\\u202e) by user/"; len(a.Title) < len(want) || a.Title[:len(want)] != want {
		t.Errorf("title %q", a.Title)
	}
}

// TestWithoutPermissionThereAreNoNames: if the role may not call DescribeTags, refreshes and restores go on. One line
// of log says so, and there is no alert.
func TestWithoutPermissionThereAreNoNames(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.world.Deny("flowkeeper", "ec2:DescribeTags")
	id := h.plant(region, "vpc-1")
	h.plant(farRegion, "vpc-9")
	h.world.TagResource(account, region, "vpc-1", "Name", "main")
	h.run()
	h.await("a line of the log", func() bool { return strings.Count(h.log.String(), "names of VPCs") > 0 })
	h.strike(id)
	h.awaitBack(region, "vpc-1")
	if n := len(h.pager.of(alert.Pipeline)); n > 0 {
		t.Errorf("%d alerts", n)
	}
	if n := strings.Count(h.log.String(), "names of VPCs"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	if len(h.names()) > 0 {
		t.Error("names are stored that AWS refused to tell")
	}
}

// counted is a TagDescriber that counts the calls.
type counted struct {
	inventory.TagDescriber
	calls *int
}

func (c counted) DescribeTags(ctx context.Context, in *ec2.DescribeTagsInput, o ...func(*ec2.Options)) (*ec2.DescribeTagsOutput, error) {
	*c.calls++
	return c.TagDescriber.DescribeTags(ctx, in, o...)
}

// TestNamesAreAskedForOnce: DescribeTags is called for new resources, and for all resources once a day, not at each
// refresh.
func TestNamesAreAskedForOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.plant(region, "vpc-1")
	h.world.TagResource(account, region, "vpc-1", "Name", "one")
	h.refreshed()
	h.halt()
	h.inFile(true, func(ctx context.Context, s *store.Store) error {
		calls := 0
		api, _ := h.daemon.fleet.Tags(home)
		ask := func(at time.Time, want int, names map[string]string) {
			t.Helper()
			calls = 0
			if _, err := askNameTags(ctx, s, counted{api, &calls}, home, at); err != nil {
				t.Fatal(err)
			}
			got, err := s.ResourceNames(ctx, home)
			if err != nil || calls != want || !maps.Equal(got, names) {
				t.Errorf("%d calls, %v, %v; want %d, %v", calls, got, err, want, names)
			}
		}
		all, _, err := s.NamesKnown(ctx, home)
		if err != nil {
			return err
		}
		now := time.Now()
		if all.IsZero() {
			ask(now, 1, map[string]string{"vpc-1": "one"})
		}
		ask(now, 0, map[string]string{"vpc-1": "one"})
		h.world.TagResource(account, region, "vpc-1", "Name", "renamed")
		ask(now.Add(time.Hour), 0, map[string]string{"vpc-1": "one"})
		ask(now.Add(25*time.Hour), 1, map[string]string{"vpc-1": "renamed"})
		h.world.TagResource(account, region, "vpc-1", "Name", "")
		ask(now.Add(50*time.Hour), 1, map[string]string{})
		h.world.Fail("DescribeTags", 1, "InternalError", http.StatusInternalServerError)
		if _, err := askNameTags(ctx, s, api, home, now.Add(75*time.Hour)); err == nil {
			t.Error("a failed call returns no error")
		}
		ask(now.Add(75*time.Hour), 1, map[string]string{}) // a call that failed is repeated
		return nil
	})
}

// TestNamesAreDue: names are asked for after the first refresh, after a refresh that found new flow logs, and a day
// after the last time. After a failure there is a pause.
func TestNamesAreDue(t *testing.T) {
	t.Parallel()
	n := newNameTags(&Daemon{Log: slog.New(slog.DiscardHandler)})
	refreshed := func(found, want bool) {
		t.Helper()
		if got := n.take(home, found); got != want {
			t.Errorf("asked for: %v, want %v", got, want)
		}
	}
	asked := func(age time.Duration, err error, want bool) {
		t.Helper()
		if again := n.asked(t.Context(), home, time.Now().Add(-age), err); again != want {
			t.Errorf("asked for again: %v, want %v", again, want)
		}
	}
	refreshed(false, true)
	refreshed(true, false) // names are being asked for
	asked(0, nil, true)    // asks again, for the resources that were found meanwhile
	refreshed(false, false)
	asked(0, nil, false)
	refreshed(false, false)
	refreshed(true, true)
	asked(0, errors.New("refused"), false)
	refreshed(true, false)
	n.scopes[home].notBefore = time.Time{} // the pause is over
	refreshed(false, true)
	asked(namesAge+time.Second, nil, false)
	refreshed(false, true)
	gone, leave := context.WithCancel(t.Context())
	leave()
	if n.asked(gone, home, time.Now(), nil); len(n.scopes) > 0 {
		t.Error("a scope that has left is remembered")
	}
}
