package rehearse_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/remediate/rehearse"
)

// trail collects the findings of CreateFlowLogs records.
func (s *scene) trail() *[]detection.Finding {
	var got []detection.Finding
	s.world.TrailWith(func(body string) error {
		var envelope struct{ Detail json.RawMessage }
		if err := json.Unmarshal([]byte(body), &envelope); err != nil {
			return err
		}
		r, err := cloudtrail.Decode(envelope.Detail)
		if err != nil {
			return err
		}
		if f, ok := detection.Judge(r); ok {
			got = append(got, f)
		}
		return nil
	})
	return &got
}

// recorded returns a scene with a protected flow log, and the findings of its CreateFlowLogs records.
func recorded(t *testing.T) (*scene, *[]detection.Finding) {
	s := newScene(t)
	s.protect(1)
	return s, s.trail()
}

func TestRehearsalTriesEachDestinationOnceAndCreatesNothing(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.world.AddDestination("arn:aws:s3:::elsewhere")
	s.plant("vpc-9", func(f *fakeaws.FlowLog) { f.LogDestination = "arn:aws:s3:::elsewhere" })
	s.protect(3)
	trail := s.trail()
	if c := s.rehearse(); c != (rehearse.Result{Tried: 2}) {
		t.Errorf("%+v", c)
	}
	if c := s.refresh(); c.Listed != 4 || c.New != 0 {
		t.Errorf("a rehearsal created a flow log: %+v", c)
	}
	if len(*trail) != 2 || (*trail)[0].Kind != detection.Rehearsed || len((*trail)[0].Record.ClientToken) > 64 {
		t.Fatalf("%+v", *trail)
	}
	s.wantAlerts(0)
}

func TestRehearsalAlertsBeforeTheAttack(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(3)
	s.rehearse()
	s.wantAlerts(0)
	s.world.Deny("flowkeeper", "CreateFlowLogs")
	for range 2 {
		if c := s.rehearse(); c != (rehearse.Result{Tried: 1, Refused: 1}) {
			t.Errorf("%+v", c)
		}
		s.crash()
	}
	s.wantAlerts(1)
	a := s.alerts()[0]
	if a.Level != alert.High || len(a.FlowLogs) != 3 || !strings.HasPrefix(a.Title, "A restore would be refused: 3 flow logs (permission)") || !strings.Contains(a.Advice, "ec2:CreateFlowLogs") {
		t.Errorf("%+v", a)
	}
	s.world.Allow("flowkeeper", "CreateFlowLogs")
	s.rehearse()
	s.rehearse()
	s.wantAlerts(2)
	if a := s.alerts()[1]; a.Level != alert.Informational || a.RouteLevel != alert.High && a.RouteLevel != "" || !strings.HasPrefix(a.Title, "A restore would be allowed again: 3 flow logs") || !a.Resolves() || a.DedupKey != s.alerts()[0].DedupKey {
		t.Errorf("%+v", a)
	}
}

func TestRehearsalWithoutAVerdictChangesNothing(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(1)
	s.world.Deny("flowkeeper", "CreateFlowLogs")
	s.rehearse()
	s.world.Allow("flowkeeper", "CreateFlowLogs")
	s.world.Throttle("CreateFlowLogs", 1)
	if _, err := s.Rehearse(t.Context(), scope, func() {}); err == nil {
		t.Error("a throttled rehearsal returns no error")
	}
	s.wantAlerts(1)
}

func TestRehearsalInModeAlertMakesNoCall(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(1)
	s.AlertOnly = true
	trail := s.trail()
	if c := s.rehearse(); c.Tried != 0 || len(*trail) != 0 {
		t.Errorf("%+v", c)
	}
}

// TestThePipelineOfEvents: once the record of a rehearsal has come through the queue, people are alerted if
// later ones do not, and again when they do.
func TestThePipelineOfEvents(t *testing.T) {
	t.Parallel()
	s, trail := recorded(t)
	hour := func(comesBack bool) {
		*trail = nil
		s.rehearse()
		if s.now = s.now.Add(10 * time.Minute); comesBack {
			s.deliver(*trail...)
		}
		s.now = s.now.Add(50 * time.Minute)
		s.refresh()
	}
	for range 3 {
		hour(false) // none has ever come back, so that none is missed
	}
	hour(true)
	s.wantAlerts(0)
	hour(false)
	hour(false)
	s.wantAlerts(1)
	if a := s.alerts()[0]; a.Level != alert.High || !strings.Contains(a.Title, "no rehearsal has come back") || a.Advice == "" {
		t.Errorf("%+v", a)
	}
	hour(true)
	hour(true)
	s.wantAlerts(2)
	if a := s.alerts()[1]; a.Level != alert.Informational || !strings.HasPrefix(a.Title, "Works again: events come through the queue again") {
		t.Errorf("%+v", a)
	}
	// Another daemon with the same queue gets some of the records: only six missing ones in a row are alerted.
	other := (*trail)[0]
	other.Record.ClientToken = detection.RehearsalToken + "other-1-1"
	s.deliver(other)
	for range 5 {
		hour(false)
	}
	s.wantAlerts(2)
	hour(false)
	s.wantAlerts(3)
}

// TestAClockThatWentBackHidesNoSilence: the clock goes back by ten days after a rehearsal came back. People must
// not wait ten days for the alert that later ones do not come back.
func TestAClockThatWentBackHidesNoSilence(t *testing.T) {
	t.Parallel()
	s, trail := recorded(t)
	s.rehearse()
	s.deliver(*trail...)
	s.now = s.now.Add(-10 * 24 * time.Hour)
	s.rehearseHourly(3)
	s.wantAlerts(1)
}

// TestAStrangersDryRunIsNoRehearsal: any principal that may call EC2 can make dry runs with a rehearsal's token.
// They must not count as rehearsals that came back, or as those of another daemon: the alert that the pipeline
// is cut must not come later because of them.
func TestAStrangersDryRunIsNoRehearsal(t *testing.T) {
	t.Parallel()
	untilAlerted := func(strangers bool) time.Duration {
		s, trail := recorded(t)
		s.rehearse()
		s.deliver(*trail...)
		own := (*trail)[0]
		forge := func(token string) {
			if strangers {
				s.events++
				f := own
				f.Record.EventID, f.Record.EventTime, f.Record.ClientToken = fmt.Sprintf("r-%d", s.events), s.now, token
				f.Record.ErrorCode, f.Record.Identity = "Client.UnauthorizedOperation", cloudtrail.Identity{Type: "IAMUser", ARN: mallory}
				s.deliver(f)
			}
		}
		cut := s.now
		for s.now.Sub(cut) < 24*time.Hour {
			s.rehearse() // its record does not come
			for range 12 {
				s.now = s.now.Add(5 * time.Minute)
				forge(detection.RehearsalToken + "another-1-1")
				forge(own.Record.ClientToken)
				s.refresh()
				if len(s.alerts()) > 0 {
					return s.now.Sub(cut)
				}
			}
		}
		return s.now.Sub(cut)
	}
	alone, among := untilAlerted(false), untilAlerted(true)
	if alone > 90*time.Minute || among != alone {
		t.Errorf("people are alerted after %s; with a stranger's dry runs after %s", alone, among)
	}
}

// TestAStrangerBeforeTheFirstRehearsal: a stranger's dry run must not count as a rehearsal that came back: later
// ones would be missed.
func TestAStrangerBeforeTheFirstRehearsal(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(1)
	s.deliver(detection.Finding{Kind: detection.Rehearsed, Record: cloudtrail.Record{EventName: cloudtrail.CreateFlowLogs, EventSource: cloudtrail.EC2,
		Account: account, Region: region, DryRun: true, ClientToken: detection.RehearsalToken + "x-1-1"}}) // its principal is empty
	s.rehearseHourly(3)
	s.wantAlerts(0)
}

// TestARecordThatCantBeNotedIsNotAcknowledged: if the record of a rehearsal can't be stored, RecordFindings
// returns the error, so that the message stays in the queue.
func TestARecordThatCantBeNotedIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	s, trail := recorded(t)
	s.rehearse()
	full := errors.New("no room")
	s.Pipelines = broken{s.Pipelines, full}
	if err := s.remediator.RecordFindings(t.Context(), *trail, func() {}); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
}

// TestAnotherFlowkeepersRehearsalCounts: a rehearsal by another Flowkeeper counts if the configuration names its
// principal.
func TestAnotherFlowkeepersRehearsalCounts(t *testing.T) {
	t.Parallel()
	s, trail := recorded(t)
	s.Others = []string{"arn:aws:iam::111122223333:role/of/teams/flowkeeper-b"}
	s.rehearse()
	f := (*trail)[0]
	f.Record.Identity = cloudtrail.Identity{ARN: "arn:aws:sts::111122223333:assumed-role/flowkeeper-b/i-0a"}
	s.deliver(f)
	if h := s.health(); h.BackAt.IsZero() {
		t.Errorf("%+v", h)
	}
}

// TestAnotherPrincipalMakesTheRehearsals: after an upgrade, or with another role, records of the earlier
// rehearsals do not count any more. They must not be missed.
func TestAnotherPrincipalMakesTheRehearsals(t *testing.T) {
	t.Parallel()
	for _, before := range []string{"", "111122223333:role/another"} {
		s, trail := recorded(t)
		s.must(s.Pipelines.Update(t.Context(), func(tx rehearse.PipelineTx) error {
			return tx.SavePipelineHealth(scope, rehearse.PipelineHealth{Instance: "x", By: before, BackAt: s.now.Add(-time.Hour), Unanswered: 1, UnansweredSince: s.now.Add(-20 * time.Minute)}, nil)
		}))
		if before == "" {
			s.now = s.now.Add(20 * time.Minute)
			s.refresh()
		}
		for range 3 {
			*trail = nil
			s.rehearse()
			s.refresh()
			s.deliver(*trail...)
			s.now = s.now.Add(time.Hour)
			s.refresh()
		}
		s.wantAlerts(0)
	}
}

// TestARehearsalWithoutAnAnswerOfWhoMadeIt: STS does not say which principal makes a rehearsal. It counts as the
// principal of the rehearsal before.
func TestARehearsalWithoutAnAnswerOfWhoMadeIt(t *testing.T) {
	t.Parallel()
	s, trail := recorded(t)
	s.rehearse()
	s.own = ""
	*trail = nil
	s.rehearse()
	s.deliver(*trail...)
	if h := s.health(); h.BackAt.IsZero() || h.Unanswered != 0 {
		t.Errorf("%+v", h)
	}
}

func TestRehearsalStopsWithItsContext(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Rehearse(ctx, scope, func() {}); err == nil {
		t.Error("the rehearsal goes on after its context has ended")
	}
}

// TestProgressWhileARehearsalIsSlow: a rehearsal of many slow dry runs must report progress. Otherwise the
// watchdog takes it for a hang.
func TestProgressWhileARehearsalIsSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.bubble = true
		for n := range 12 {
			to := fmt.Sprintf("arn:aws:s3:::place-%d", n)
			s.world.AddDestination(to)
			s.plant(fmt.Sprintf("vpc-%d", n), func(f *fakeaws.FlowLog) { f.LogDestination = to })
		}
		s.refresh()
		s.api = slow{s.api}
		progress := &heartbeats{last: time.Now()}
		c, err := s.Rehearse(t.Context(), scope, progress.note)
		s.must(err)
		if progress.note(); c.Tried != 12 || progress.silence > time.Minute {
			t.Errorf("%+v, with no progress for %s", c, progress.silence)
		}
	})
}
