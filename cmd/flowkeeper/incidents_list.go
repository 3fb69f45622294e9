package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"flowkeeper/internal/term"
	"flowkeeper/remediate/incident"
)

var incidentStates = []string{string(incident.Open), string(incident.Restored), string(incident.Verified), string(incident.Blocked), string(incident.Closed)}

func newIncidentsListCommand(a *app) *cobra.Command {
	c := a.withJSON("one JSON object a line", &cobra.Command{
		Use: "list", Short: "List the incidents, the latest first", Args: noArgs,
		Long: `List the incidents, the latest first: the deleted flow log, who deleted it, when
that was detected, how long nothing was recorded (still: until now), and which
flow log replaced it. On a narrow terminal some columns are left out.`,
		Example: `  # What needs a person, or is not restored yet
  flowkeeper incidents list --state open,blocked

  # Last night, in one account
  flowkeeper incidents list --since 12h --account 111122223333

  # Who deleted, for a script
  flowkeeper incidents list --json --since 7d | jq -r '.actor.arn // "unknown"'`,
	})
	f := newFilters(a, c, incidentStates, "only detected", terminalLimit)
	c.RunE = f.list(listIncidents)
	return c
}

func listIncidents(ctx context.Context, s state, f *filters) error {
	t := s.Table(term.Whole("FLOW LOG"), term.Whole("RESOURCE").OrDrop(4), term.CutTo(12, "STATE"), term.CutTo(14, "WHO").KeepEnd(), term.Whole("DETECTED").OrDrop(5),
		term.Whole("BLIND"), term.Whole("REPLACED BY").OrDrop(3), term.Whole("ACCOUNT").OrDrop(2), term.Whole("REGION").OrDrop(1))
	err := s.FindIncidents(ctx, f.Filter, func(i incident.Incident) error {
		if f.next() {
			t.Add(toIncidentJSON(i, nil), i.FlowLogID, i.ResourceID, incidentState(i), who(i), s.ago(i.DetectedAt),
				blindCell(i), i.NewID, i.Scope.Account, i.Scope.Region)
		}
		return nil
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
		text += ": " + i.Reason
	}
	colors := map[incident.State]term.Color{incident.Open: term.Yellow, incident.Restored: term.Green, incident.Verified: term.Green, incident.Blocked: term.Red, incident.Closed: term.Dim}
	c := colors[i.State]
	if i.Reason == incident.NotDelivering {
		c = term.Red
	}
	return term.Colored(text, c)
}

// who is a short name of who did it.
func who(i incident.Incident) string {
	if i.Actor == nil {
		if i.Source == incident.ByDrift {
			return "not known (found by a refresh)"
		}
		return ""
	}
	return i.Actor.Short()
}

// blindCell is how long nothing was recorded, or "still".
func blindCell(i incident.Incident) term.Cell {
	if _, still := blindSince(i); still {
		return term.Colored("still", term.Red)
	}
	return term.Cell{Text: blind(i)}
}

// blindSince returns since when nothing has been recorded, and whether that is still
// so.
func blindSince(i incident.Incident) (time.Time, bool) {
	since := i.DeletedAt
	if since.IsZero() {
		since = i.LastSeenAt
	}
	gone := i.State == incident.Blocked || i.State == incident.Open && !i.AbsentAt.IsZero()
	return since, gone && !since.IsZero()
}

func blind(i incident.Incident) string {
	s, ok := i.BlindSeconds()
	switch {
	case !ok:
		return ""
	case s < 60:
		return fmt.Sprintf("%.1f s", s)
	}
	return term.Span(time.Duration(s * float64(time.Second)))
}
