package store

import (
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/remediate/campaign"
	"flowkeeper/remediate/incident"
)

// TestI7APagerRingsForFiveMinutes: if the record of a deletion is late, or the deletion is of an unknown flow log, the
// pager incident stays open for five minutes: nobody would notice a page that is resolved at once. It makes no
// difference whether the alert that resolves it is added before or after the first is sent.
func TestI7APagerRingsForFiveMinutes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		deletion alert.Alert
		ago      time.Duration // how long ago the deletion happened
		rings    bool          // the pager incident stays open
	}{
		"late":              {alert.Alert{FlowLogs: knownLogs}, 61 * time.Second, true},
		"in time":           {alert.Alert{FlowLogs: knownLogs}, 59 * time.Second, false},
		"all are unknown":   {alert.Alert{FlowLogs: unknownLogs}, 0, true},
		"one is unknown":    {alert.Alert{FlowLogs: append(unknownLogs, knownLogs...)}, 0, true},
		"known and at once": {alert.Alert{FlowLogs: knownLogs}, time.Second, false},
	} {
		for _, sentFirst := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s, now := withOutbox(t)
				d := c.deletion
				d.ID, d.DedupKey, d.Kind, d.Level = "deletion", "e", alert.Deletion, alert.High
				d.DeletedAt = &alert.Time{Time: now.Add(-c.ago)}
				closed := alert.Alert{ID: "closed", DedupKey: "e", Kind: alert.Closed, Level: alert.Informational, FlowLogs: d.FlowLogs}
				addAll(t, s, *now, d)
				if !sentFirst {
					addAll(t, s, *now, closed)
				}
				for _, sink := range []string{"pager", sink.LogName} {
					s.sent(t, sink, "deletion", *now)
				}
				*now = now.Add(2 * time.Second)
				if sentFirst {
					addAll(t, s, *now, closed)
				}
				if id := nextID(t, s, "pager", *now); (id == "closed") == c.rings {
					t.Errorf("2 s after the page, next is %s; the pager incident should stay open: %v", id, c.rings)
				}
				if id := nextID(t, s, sink.LogName, *now); id != "closed" {
					t.Errorf("next for the log is %s, want closed: the log need not wait", id)
				}
				if id := nextID(t, s, "pager", now.Add(299*time.Second)); id != "closed" {
					t.Errorf("five minutes later, next is %s, want closed", id)
				}
			})
		}
	}
}

// TestI7AnAnswerAddedAfterALateDelivery: a sink got the alert of an outage late. Its end waits until five minutes after
// this delivery, also if the end is added only after it.
func TestI7AnAnswerAddedAfterALateDelivery(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	addAll(t, s, *now, alert.Alert{ID: "trouble", DedupKey: "q", Kind: alert.Pipeline, Level: alert.High})
	*now = now.Add(10 * time.Minute)
	s.Sent(t.Context(), "pager", "trouble", *now)
	*now = now.Add(time.Second)
	addAll(t, s, *now, alert.Alert{ID: "end", DedupKey: "q", Kind: alert.Pipeline, Level: alert.Informational, RouteLevel: alert.High})
	if id := nextID(t, s, "pager", *now); id != "none until 4m59s" {
		t.Errorf("next is %s, want none until 4m59s", id)
	}
}

// TestI7TheEndOfACampaignAddedLast: the alert that ends a campaign waits, at each sink, until five minutes after any
// deletion of the campaign that this sink got late. It does not wait because of a late answer (r1). An alert that
// closes another deletion only (c0) waits for neither.
func TestI7TheEndOfACampaignAddedLast(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	all := twoDeletions(alert.High, alert.High)
	addAll(t, s, *now, all[:3]...)
	for _, name := range []string{sink.LogName, "chat"} {
		drain(t, s, name, *now)
	}
	s.sent(t, "pager", "d2", *now)
	*now = now.Add(2 * time.Minute)
	s.sent(t, "pager", "d1", *now)
	*now = now.Add(299 * time.Second)
	s.sent(t, "pager", "r1", *now)
	addAll(t, s, *now, alert.Alert{ID: "c0", DedupKey: "e0", CampaignID: "c", CampaignOpen: true, Kind: alert.Closed, FlowLogs: knownLogs}, all[4])
	for name, want := range map[string]string{"pager": "c0", "chat": "c0 c2", sink.LogName: "c0 c2"} {
		if got := strings.Join(drain(t, s, name, *now), " "); got != want {
			t.Errorf("%s gets %s at once, want %s", name, got, want)
		}
	}
	if id := nextID(t, s, "pager", *now); id != "none until 1s" {
		t.Errorf("next for the pager is %s, want none until 1s", id)
	}
}

// twoDeletions returns the alerts of one campaign: of its two deletions (d1, d2), of the first one's restore (r1), and
// of their ends (c1, c2). The last one ends the campaign.
func twoDeletions(first, second alert.Level) []alert.Alert {
	return []alert.Alert{
		{ID: "d1", DedupKey: "e1", CampaignID: "c", Kind: alert.Deletion, Level: first, FlowLogs: knownLogs},
		{ID: "d2", DedupKey: "e2", CampaignID: "c", Kind: alert.Deletion, Level: second, FlowLogs: knownLogs},
		{ID: "r1", DedupKey: "e1", CampaignID: "c", Kind: alert.Restored, Level: alert.Low, RouteLevel: first, FlowLogs: knownLogs},
		{ID: "c1", DedupKey: "e1", CampaignID: "c", CampaignOpen: true, Kind: alert.Closed, Level: alert.Informational, RouteLevel: first, FlowLogs: knownLogs},
		{ID: "c2", DedupKey: "e2", CampaignID: "c", Kind: alert.Closed, Level: alert.Informational, RouteLevel: second, FlowLogs: knownLogs},
	}
}

// TestI7ACampaignIsResolvedAfterAllOfIt: a sink refuses the first deletion of a campaign. The alert that ends the
// campaign must wait for it, or the pager incident stays open. And a later alert of the campaign must wait for the
// pending end, or the end resolves what the later alert opens.
func TestI7ACampaignIsResolvedAfterAllOfIt(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	addAll(t, s, *now, twoDeletions(alert.High, alert.High)...)
	s.Failed(t.Context(), "pager", "d1", sink.Failure{Attempts: 30, NextAt: now.Add(10 * time.Minute), Cause: "403"})
	if got := strings.Join(drain(t, s, "pager", *now), " "); got != "d2" {
		t.Errorf("sent %s, while d1 is refused", got)
	}
	addAll(t, s, *now, alert.Alert{ID: "b2", DedupKey: "e2", CampaignID: "c", Kind: alert.Blocked, Level: alert.Critical, FlowLogs: knownLogs})
	if got := drain(t, s, "pager", *now); len(got) > 0 {
		t.Errorf("sent %s before the end of the campaign, which would resolve it", got)
	}
	*now = now.Add(10 * time.Minute)
	s.Sent(t.Context(), "pager", "d1", *now)
	if got := strings.Join(drain(t, s, "pager", *now), " "); got != "r1" {
		t.Errorf("sent %s at once after the late d1, want r1", got)
	}
	if got := strings.Join(drain(t, s, "pager", now.Add(alert.MinRing)), " "); got != "c1 c2 b2" {
		t.Errorf("sent %s, want c1 c2 b2", got)
	}
}

// TestI7WhatACampaignOpenedItResolves: the alert that ends a campaign goes to the sinks that got its most urgent alert,
// even if its last deletion was less urgent and did not go there. Otherwise their pager incident stays open.
func TestI7WhatACampaignOpenedItResolves(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	s.routes = sink.Routes{{Name: "pager", MinLevel: alert.Critical}}
	s.put(t, func(tx *Tx) error {
		id, err := campaign.Deletion{Account: "1", Principal: "p", EventID: "e1", At: *now}.Join(tx)
		if err != nil {
			return err
		}
		for _, a := range twoDeletions(alert.Critical, alert.High) {
			a.Time, a.CampaignID = alert.Time{Time: *now}, id
			if err := tx.AddAlert(a); err != nil {
				return err
			}
		}
		return nil
	})
	if got := strings.Join(drain(t, s, "pager", *now), " "); got != "d1 r1 c1 c2" {
		t.Errorf("the pager gets %s, want d1 r1 c1 c2", got)
	}
}

// TestCampaignsEnd: deletions share a campaign if they are by one principal in one account, at most ten minutes apart,
// and within an hour. No deletion joins a campaign that has ended.
func TestCampaignsEnd(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	n := 0
	join := func(account, who string, after time.Duration) (id string) {
		n++
		s.put(t, func(tx *Tx) (err error) {
			id, err = campaign.Deletion{Account: account, Principal: who, EventID: string(rune('a' + n)), At: now.Add(after)}.Join(tx)
			return err
		})
		return id
	}
	first := join("1", "mallory", 0)
	if id := join("1", "mallory", 10*time.Minute); id != first {
		t.Error("a deletion ten minutes later begins another campaign")
	}
	if id := join("1", "mallory", 5*time.Minute); id != first {
		t.Error("a deletion in between, whose record came later, begins another campaign")
	}
	if id := join("1", "mallory", -10*time.Minute); id != first {
		t.Error("a deletion ten minutes before begins another campaign")
	}
	for what, id := range map[string]string{
		"another account": join("2", "mallory", 0), "another principal": join("1", "alice", 0),
		"eleven minutes after the last": join("1", "mallory", 21*time.Minute), "eleven minutes before the first": join("1", "mallory", -21*time.Minute),
	} {
		if id == first {
			t.Error(what + ": the deletion joins the first campaign")
		}
	}
	long, last := join("3", "mallory", 0), ""
	for m := 10; m <= 60; m += 10 {
		last = join("3", "mallory", time.Duration(m)*time.Minute)
	}
	if last != long {
		t.Error("a deletion after an hour begins another campaign")
	}
	if id := join("3", "mallory", 61*time.Minute); id == long {
		t.Error("the campaign is longer than an hour")
	}
	e := incident.Event{Scope: scope, ID: "e", CampaignID: first, ClosedAlertedAt: *now}
	s.put(t, func(tx *Tx) error {
		if err := tx.PutEvent(e); err != nil {
			return err
		}
		if open, err := campaign.GoesOn(tx, e); err != nil || open {
			t.Errorf("its only event is over, and the campaign goes on: %v, %v", open, err)
		}
		return nil
	})
	if id := join("1", "mallory", 0); id == first {
		t.Error("a deletion joins a campaign that has ended")
	}
}

// TestCampaignsAreForgotten: Prune deletes a campaign with the last of its events, and not before.
func TestCampaignsAreForgotten(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	s.put(t, func(tx *Tx) error {
		for _, who := range []string{"a", "b"} {
			id, err := campaign.Deletion{Account: "1", Principal: who, EventID: who, At: *now}.Join(tx)
			if err != nil {
				return err
			}
			e := incident.Event{Scope: scope, ID: who, CampaignID: id, DetectedAt: *now}
			if who == "a" {
				e.DetectedAt = now.Add(-2 * time.Hour)
			}
			if err := tx.PutEvent(e); err != nil {
				return err
			}
		}
		return nil
	})
	if err := s.Prune(t.Context(), now.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	var left string
	if err := s.r.QueryRow(`SELECT group_concat(principal) FROM campaigns`).Scan(&left); err != nil || left != "b" {
		t.Errorf("the campaigns of %q are left, want those of b, %v", left, err)
	}
}

// TestRetryOfACampaign: a sink has given up a deletion of a campaign, and has got the end of the campaign. If an
// operator retries the deletion, it opens a pager incident, so the end is sent again.
func TestRetryOfACampaign(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	addAll(t, s, *now, twoDeletions(alert.High, alert.High)...)
	s.giveUp(t, "d1", "pager")
	if got := strings.Join(drain(t, s, "pager", *now), " "); !strings.HasSuffix(got, "c2") {
		t.Fatalf("sent %s", got)
	}
	*now = now.Add(time.Hour)
	if _, err := s.Retry(t.Context(), "d1"); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(drain(t, s, "pager", now.Add(time.Second)), " "); !strings.HasPrefix(got, "d1") || strings.Contains(got, "c2") {
		t.Errorf("sent %s at once, want d1 first, and not c2", got)
	}
	if got := strings.Join(drain(t, s, "pager", now.Add(time.Second+alert.MinRing)), " "); !strings.HasSuffix(got, "c2") {
		t.Errorf("five minutes later, sent %s, want c2 last: the pager incident stays open", got)
	}
}

// TestTwoDaemonsHaveTwoCampaigns: two daemons give the same campaign different IDs, so that neither resolves the pager
// incident of the other.
func TestTwoDaemonsHaveTwoCampaigns(t *testing.T) {
	t.Parallel()
	var ids [2]string
	for n := range ids {
		s, now := withOutbox(t)
		s.put(t, func(tx *Tx) (err error) {
			ids[n], err = campaign.Deletion{Account: "1", Principal: "p", EventID: "e", At: *now}.Join(tx)
			return err
		})
	}
	if ids[0] == "" || ids[0] == ids[1] {
		t.Errorf("%q", ids)
	}
}

// TestARepeatedEventIDMovesNoCampaign: an attacker forges a record with the event ID that began a campaign, hours
// later. The record opens the same campaign again, but does not move it in time. Otherwise later deletions would join a
// campaign whose pager incident people may have acknowledged, and page nobody.
func TestARepeatedEventIDMovesNoCampaign(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	join := func(event string, after time.Duration) (id string) {
		s.put(t, func(tx *Tx) (err error) {
			id, err = campaign.Deletion{Account: "1", Principal: "p", EventID: event, At: now.Add(after)}.Join(tx)
			return err
		})
		return id
	}
	first := join("e", 0)
	if again := join("e", 2*time.Hour); again != first {
		t.Errorf("the same event ID joins %s, want %s", again, first)
	}
	if id := join("later", 2*time.Hour+time.Minute); id == first {
		t.Error("a deletion two hours later belongs to the first campaign")
	}
}
