package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
)

// sheetOf returns an incident as `incidents show` prints it.
func sheetOf(t *testing.T, i incident.Incident) string {
	t.Helper()
	out := printed(t, func(a *app) { a.Sheet(incidentSheet(a, i, i.Scope.Account, i.ResourceID)) })
	return strings.Join(strings.Fields(out), " ")
}

// TestLastTry: an error that Flowkeeper itself has found must not be shown as an answer of AWS.
func TestLastTry(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		"RequestLimitExceeded: Request limit exceeded.":                                                                               "AWS answered: ",
		"Client.UnauthorizedOperation: You are not authorized":                                                                        "AWS answered: ",
		"operation error EC2: CreateFlowLogs, https response error, api error Unavailable: later":                                     "AWS answered: ",
		"look at 1 resources in 111122223333 eu-west-1: get identity: get credentials: these credentials act in account 444455556666": "the last attempt: ",
		"fl-000000de is in the way":     "the last attempt: ",
		"AWS did not answer in time":    "the last attempt: ",
		"fl-1 is in the way, made by x": "the last attempt: ",
	} {
		t.Run(message, func(t *testing.T) {
			t.Parallel()
			if got := lastAttempt(message); got != want+message {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestHistoryDoesNotRepeatTheReason(t *testing.T) {
	t.Parallel()
	all := []incident.Entry{{Text: "named by a record"}, {Text: "it fails"}}
	if got := withoutText(all, "it fails"); got[0].Text != "named by a record" || got[1].Text != "see above" || all[1].Text != "it fails" {
		t.Errorf("%+v of %+v", got, all)
	}
	if got := withoutText([]incident.Entry{{}}, ""); got[0].Text != "" {
		t.Errorf("%+v", got)
	}
}

// TestBlindTimeOfADriftIsAtMost: if only a refresh found the loss, the time of the deletion is unknown. The gap in the
// logs then began, at the earliest, when AWS last listed the flow log.
func TestBlindTimeOfADriftIsAtMost(t *testing.T) {
	t.Parallel()
	i := incidents()[0]
	if got := sheetOf(t, i); !strings.Contains(got, "gap 1.3 s") {
		t.Error(got)
	}
	i.Source, i.DeletedAt, i.LastSeenAt = incident.ByDrift, time.Time{}, i.RestoredAt.Add(-72*time.Second)
	if got := sheetOf(t, i); !strings.Contains(got, "gap at most 72 s") {
		t.Error(got)
	}
}

// TestAnIncidentSaysWho: if the record of a deletion has no ARN, the incident and the list still name the caller, by
// the other fields of its identity.
func TestAnIncidentSaysWho(t *testing.T) {
	t.Parallel()
	i := incidents()[0]
	i.Actor = &alert.Actor{Type: "IdentityCenterUser", Account: "111122223333", OnBehalfOf: "544894e8-80c1-707f-60e3-3ba6510dfac1", SourceIdentity: "alice"}
	if got := sheetOf(t, i); !strings.Contains(got, "who IdentityCenterUser 544894e8-80c1-707f-60e3-3ba6510dfac1, account 111122223333, source identity alice ") {
		t.Error(got)
	}
	if got := who(i); got != "IdentityCenterUser 544894e8-80c1-707f-60e3-3ba6510dfac1" {
		t.Error(got)
	}
}

// TestWhyNotRestored: an incident shows each cause why its flow log is not restored yet, and only causes that still
// apply.
func TestWhyNotRestored(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*incident.Incident)
		want   []string
	}{
		"restored":            {func(i *incident.Incident) { i.State = incident.Restored }, nil},
		"not in the snapshot": {func(i *incident.Incident) { i.Known = false }, []string{"it is not in the snapshot: the next complete refresh decides"}},
		"still shown": {func(i *incident.Incident) { i.AliveSince, i.TimesAlive = noon.Add(-time.Hour), 3 },
			[]string{"AWS still shows the flow log, in 3 answers since 60 min ago"}},
		"never shown": {func(i *incident.Incident) { i.MissingSince = noon.Add(-time.Hour) }, []string{"AWS answered each create, and never showed what it made"}},
		"a rule's wait": {func(i *incident.Incident) { i.WaitUntil = noon.Add(time.Minute) },
			[]string{"a rule gives the caller time to replace it until 2026-03-01 12:01:00 UTC (in 60 s)"}},
		"flapping":               {func(i *incident.Incident) { i.Flapping = true }, []string{"delayed: it was restored too often within the hour, and deleted again each time"}},
		"flapping, and due":      {func(i *incident.Incident) { i.Flapping, i.NextAttemptAt = true, noon }, nil},
		"flapping, then blocked": {func(i *incident.Incident) { i.State, i.Flapping, i.LastError = incident.Blocked, true, "Denied: no" }, []string{"AWS answered: Denied: no"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := incident.Incident{State: incident.Open, Known: true, NextAttemptAt: noon.Add(time.Minute)}
			c.change(&i)
			if got := whyNotRestored(testApp(nil), i); !slices.Equal(got, c.want) {
				t.Errorf("%q instead of %q", got, c.want)
			}
		})
	}
}
