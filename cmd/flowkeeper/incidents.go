package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flowkeeper/alert"
	"flowkeeper/internal/store"
	"flowkeeper/internal/term"
	"flowkeeper/remediate/incident"
)

func newIncidentsCommand(a *app) *cobra.Command {
	return newGroup(&cobra.Command{
		Use: "incidents", Short: "What happened, who did it, and how long nothing was recorded",
		Long: `An incident is what Flowkeeper does about one flow log that was deleted. Its ID
is that flow log's. Its states:

  open      deleted, or said to be, and not recreated yet
  restored  recreated, or an equivalent one was found; it is not known yet
            whether that delivers
  verified  the replacement is active, and no failure of its delivery is known
  blocked   a person must act: ` + "`incidents show`" + ` says what to do
  closed    ended without a restore; the reason follows the state`,
		Example: `  flowkeeper incidents list --state open,blocked
  flowkeeper incidents show fl-0123456789abcdef0`,
		SuggestFor: []string{"events", "history", "deletions"},
	}, newIncidentsListCommand(a), newIncidentsShowCommand(a))
}

func newIncidentsListCommand(a *app) *cobra.Command {
	c := a.withJSON("one JSON object a line", &cobra.Command{
		Use: "list", Short: "List the incidents, the latest first", Args: noArgs,
		Long: `List the incidents, the latest first: the deleted flow log, who deleted it, when
that was detected, how long nothing was recorded (still: until now), and which
flow log replaced it. On a narrow terminal some columns are left out.`,
		Example: `  # What needs a person, or is not restored yet
  flowkeeper incidents list --state open,blocked

  # Last night, in one account
  flowkeeper incidents list --since 12h --account payments-prod

  # Of one VPC
  flowkeeper incidents list --resource vpc-0123456789abcdef0

  # Who deleted, for a script
  flowkeeper incidents list --json --since 7d | jq -r '.actor.arn // "unknown"'`,
	})
	states := []string{string(incident.Open), string(incident.Restored), string(incident.Verified), string(incident.Blocked), string(incident.Closed)}
	f := newFilters(a, c, states, "only detected", terminalLimit)
	c.RunE = f.list(listIncidents)
	return c
}

func listIncidents(ctx context.Context, s state, f *filters) error {
	t := s.Table(term.Whole("FLOW LOG"), term.CutTo(resourceWidth, "RESOURCE").OrDrop(4), term.CutTo(12, "STATE"), term.CutTo(14, "WHO").KeepEnd(), term.Whole("DETECTED").OrDrop(5),
		term.Whole("GAP"), term.Whole("REPLACED BY").OrDrop(3), term.CutTo(accountWidth, "ACCOUNT").KeepEnd().OrDrop(2), term.Whole("REGION").OrDrop(1))
	lookup, err := s.names(ctx)
	if err != nil {
		return err
	}
	err = s.FindIncidents(ctx, f.Filter, func(i incident.Incident) error {
		if !f.next() {
			return nil
		}
		x, err := lookup.incident(ctx, i, nil)
		t.Add(x, i.FlowLogID, alert.WithResource(i.ResourceID, x.ResourceName), incidentState(i), who(i), s.ago(i.DetectedAt),
			gapCell(i), i.NewID, alert.WithAccount(i.Scope.Account, x.AccountName), i.Scope.Region)
		return err
	})
	t.Flush()
	if err == nil {
		f.summary("incidents", "no incidents")
	}
	return err
}

// incidentState is the state with its reason, coloured by urgency.
func incidentState(i incident.Incident) term.Cell {
	text := string(i.State)
	if i.Reason != "" {
		text += ": " + string(i.Reason)
	}
	colors := map[incident.State]term.Color{incident.Open: term.Yellow, incident.Restored: term.Green, incident.Verified: term.Green, incident.Blocked: term.Red, incident.Closed: term.Dim}
	c := colors[i.State]
	if i.Reason == incident.NotDelivering {
		c = term.Red
	}
	return term.Colored(text, c)
}

func who(i incident.Incident) string {
	if i.Actor == nil {
		if i.Source == incident.ByDrift {
			return "not known (found by a refresh)"
		}
		return ""
	}
	return i.Actor.Short()
}

// gapCell is how long nothing was recorded, or "still".
func gapCell(i incident.Incident) term.Cell {
	if !i.BlindSince().IsZero() {
		return term.Colored("still", term.Red)
	}
	return term.Cell{Text: gapOf(i)}
}

// gapOf is how long nothing was recorded; empty: the length is not known, or the gap goes on.
func gapOf(i incident.Incident) string {
	s, ok := i.BlindSeconds()
	switch {
	case !ok:
		return ""
	case s < 60:
		return fmt.Sprintf("%.1f s", s)
	}
	return term.Span(time.Duration(s * float64(time.Second)))
}

func newIncidentsShowCommand(a *app) *cobra.Command {
	return a.withJSON("one JSON object", &cobra.Command{
		Use: "show ID|RESOURCE", Short: "Show one incident: who, what, why it is in this state, and its history",
		Args: oneArg("the ID of the deleted flow log, or of its resource (see `flowkeeper incidents list`)"),
		Long: `Show one incident: who deleted the flow log, from where and with what tool; its
state; why it is not restored yet, with AWS's own error, and what to do; what
will be created; and each change of its state. ID is the deleted flow log's, or
that of its replacement. With the ID or the tag Name of a resource, such as
vpc-0123456789abcdef0, it shows the only incident of that resource, or lists
them if there are several.`,
		Example: `  flowkeeper incidents show fl-0123456789abcdef0
  flowkeeper incidents show vpc-0123456789abcdef0
  flowkeeper incidents show fl-0123456789abcdef0 --json | jq .history`,
		ValidArgsFunction: firstArg(a.completeFromState(orResources(offerIncidents, store.IncidentResources))),
		RunE:              a.onState(showIncident),
	})
}

func showIncident(ctx context.Context, s state, args []string) error {
	i, history, err := s.meantIncident(ctx, args[0])
	if err != nil {
		return orList(ctx, s, err, listIncidents)
	}
	lookup, err := s.names(ctx)
	if err != nil {
		return err
	}
	x, err := lookup.incident(ctx, i, history)
	if err != nil {
		return err
	}
	if s.JSON {
		s.Object(x)
		return nil
	}
	s.Sheet(incidentSheet(s.app, i, alert.WithAccount(x.Account, x.AccountName), alert.WithResource(x.ResourceID, x.ResourceName)))
	if len(whyNotRestored(s.app, i)) > 0 {
		history = withoutText(history, i.LastError)
	}
	printHistory(s.app, history)
	return nil
}

// incidentSheet takes the labels of the account and the resource, with their names.
func incidentSheet(a *app, i incident.Incident, account, resource string) *term.Sheet {
	s := flowLogSheet(i.FlowLogID, i.RootID, account, i.Scope.Region, resource)
	s.Put("state", incidentState(i).Text)
	for _, reason := range whyNotRestored(a, i) {
		s.Put("because", reason)
	}
	s.Put("what to do", i.Advice)
	s.Put("source", i.Source)
	s.Put("event", i.EventID)
	putActor(s, i.Actor)
	s.Put("deleted", a.when(i.DeletedAt))
	s.Put("detected", a.when(i.DetectedAt))
	s.Put("last seen", a.when(i.LastSeenAt))
	s.Put("replaced by", i.NewID)
	s.Put("restored", a.when(i.RestoredAt))
	s.Put("verified", a.when(i.VerifiedAt))
	if b := gapOf(i); b != "" && i.DeletedAt.IsZero() {
		s.Put("gap", "at most "+b) // when it was deleted is not known
	} else {
		s.Put("gap", b)
	}
	if since := i.BlindSince(); !since.IsZero() {
		s.Put("gap", "since "+a.when(since))
	}
	if n := max(i.Attempts, i.Tried); n > 0 {
		s.Put("attempts", fmt.Sprint(n))
	}
	s.Put(nextStep(a, i))
	if i.Known {
		putSettings(s, i.Frozen)
	}
	return s
}

// nextStep is what the daemon does next, and when. After a restore it only checks
// whether the replacement delivers.
func nextStep(a *app, i incident.Incident) (what, when string) {
	what, when = "next attempt", a.when(i.NextAttemptAt)
	if i.State == incident.Restored {
		what = "next check"
	}
	if when != "" && !i.NextAttemptAt.After(a.now()) {
		when = "due"
	}
	return what, when
}

// whyNotRestored says what keeps a flow log from coming back, and what AWS has answered.
func whyNotRestored(a *app, i incident.Incident) (out []string) {
	if !i.Pending() {
		return nil
	}
	for _, cause := range incident.Causes(i, a.now()) {
		switch cause {
		case incident.NeverShown:
			out = append(out, "AWS answered each create, and never showed what it made")
		case incident.NotSeen:
			out = append(out, "it is not in the snapshot: the next complete refresh decides")
		case incident.StillShown:
			out = append(out, fmt.Sprintf("AWS still shows the flow log, in %s since %s", alert.Plural(i.TimesAlive, "answer"), a.ago(i.AliveSince)))
		case incident.AwaitsRecord:
			out = append(out, "remediate.drift_wait: the event that says who did it may still come until "+a.when(i.WaitUntil))
		case incident.AwaitsCaller:
			out = append(out, "a rule gives the caller time to replace it until "+a.when(i.WaitUntil))
		case incident.HeldBack:
			if i.NextAttemptAt.After(a.now()) {
				out = append(out, "delayed: it was restored too often within the hour, and deleted again each time")
			}
		}
	}
	if i.LastError != "" {
		out = append(out, lastAttempt(i.LastError))
	}
	if i.Stuck != nil && i.Stuck.Kind == alert.Decoy {
		for _, d := range i.Stuck.Differences {
			out = append(out, "the decoy differs in "+d)
		}
	}
	return out
}

// lastAttempt says why the last attempt failed, and whether the message is AWS's. AWS's
// message begins with an error code, or the SDK marks it with "api error".
func lastAttempt(message string) string {
	if code, _, ok := strings.Cut(message, ": "); ok && !strings.Contains(code, " ") || strings.Contains(message, "api error ") {
		return "AWS answered: " + message
	}
	return "the last attempt: " + message
}

func putActor(s *term.Sheet, a *alert.Actor) {
	if a == nil {
		return
	}
	s.Put("who", a.Who())
	s.Put("role", a.SessionIssuer)
	s.Put("access key", a.AccessKeyID)
	s.Put("from", a.SourceIP)
	s.Put("with", a.UserAgent)
	if a.Via != a.UserAgent {
		s.Put("by way of", a.Via)
	}
	s.Put("MFA", a.MFAWords())
}

// withoutText is the history without a text that is printed above it.
func withoutText(history []incident.Entry, said string) []incident.Entry {
	history = slices.Clone(history)
	for n := range history {
		if said != "" && history[n].Text == said {
			history[n].Text = "see above"
		}
	}
	return history
}

func printHistory(a *app, history []incident.Entry) {
	if len(history) == 0 {
		return
	}
	a.Printf("\n")
	t := a.Table(term.Whole("TIME"), term.Whole("STATE"), term.Whole("EVENT").OrDrop(1), term.Whole("WHAT"))
	for _, e := range history {
		state := incidentState(incident.Incident{State: e.State, Reason: e.Reason})
		t.Add(nil, e.At.UTC().Format("2006-01-02 15:04:05.000"), state, e.EventID, e.Text)
	}
	t.Flush()
}
