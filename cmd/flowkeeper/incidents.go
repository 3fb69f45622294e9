package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/store"
	"flowkeeper/remediate"
)

func newIncidentsCommand(a *app) *cobra.Command {
	return newGroup("incidents", "What happened, who did it, and how long it was blind",
		newIncidentsListCommand(a),
		newIncidentsShowCommand(a),
	)
}

var incidentStates = []string{string(remediate.Open), string(remediate.Restored), string(remediate.Verified), string(remediate.Blocked), string(remediate.Closed)}

func newIncidentsListCommand(a *app) *cobra.Command {
	var asJSON bool
	var states []string
	c := &cobra.Command{
		Use: "list", Short: "List the incidents, the latest first", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			for _, s := range states {
				if !slices.Contains(incidentStates, s) {
					return usagef("--only %s: one of %s", s, strings.Join(incidentStates, ", "))
				}
			}
			return a.withState(c.Context(), func(_ configs.Config, s *store.Store) error {
				return a.listIncidents(c.Context(), s, states, asJSON)
			})
		},
	}
	c.Flags().StringSliceVar(&states, "only", nil, "only those in this `state`: "+strings.Join(incidentStates, ", "))
	_ = c.RegisterFlagCompletionFunc("only", cobra.FixedCompletions(incidentStates, cobra.ShellCompDirectiveNoFileComp))
	jsonFlag(c, &asJSON, "one JSON object a line")
	return c
}

// listIncidents holds them all to sort them: their number is that of the
// deletions within the retention.
func (a *app) listIncidents(ctx context.Context, s *store.Store, states []string, asJSON bool) error {
	var all []remediate.Incident
	err := s.Incidents(ctx, func(i remediate.Incident) error {
		if len(states) == 0 || slices.Contains(states, string(i.State)) {
			all = append(all, i)
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(x, y remediate.Incident) int { return y.DetectedAt.Compare(x.DetectedAt) })
	if len(all) == 0 && !asJSON {
		fmt.Fprintln(a.stderr, "no incidents")
	}
	return a.print(func(w io.Writer) error {
		t := a.table(w, "FLOW LOG", "RESOURCE", "STATE", "WHO", "DETECTED", "BLIND", "REPLACED BY")
		for _, i := range all {
			var err error
			if asJSON {
				err = writeJSON(w, toIncidentJSON(i, nil))
			} else {
				err = t.add(plain(i.FlowLogID), plain(i.ResourceID), incidentState(i), plain(who(i)), plain(a.ago(i.DetectedAt)), plain(blind(i)), plain(i.NewID))
			}
			if err != nil {
				return err
			}
		}
		return t.flush()
	})
}

// incidentState with its reason, coloured by how urgent it is.
func incidentState(i remediate.Incident) cell {
	text := string(i.State)
	if i.Reason != "" {
		text += ": " + i.Reason
	}
	colors := map[remediate.State]color{remediate.Open: yellow, remediate.Restored: green, remediate.Verified: green, remediate.Blocked: red, remediate.Closed: dim}
	c := colors[i.State]
	if i.Reason == remediate.NotDelivering {
		c = red
	}
	return cell{text, c}
}

// who did it, shortly.
func who(i remediate.Incident) string {
	if i.Actor == nil {
		if i.Source == remediate.ByDrift {
			return "not known (found by a refresh)"
		}
		return ""
	}
	return shortActor(*i.Actor)
}

// shortActor is an actor's name without its account.
func shortActor(a alert.Actor) string {
	for _, s := range []string{a.ARN, a.SessionIssuer, a.Type} {
		if s == "" {
			continue
		}
		if parts := strings.SplitN(s, ":", 6); len(parts) == 6 && parts[0] == "arn" {
			return parts[5]
		}
		return s
	}
	return "unknown"
}

func blind(i remediate.Incident) string {
	s, ok := i.BlindSeconds()
	switch {
	case !ok:
		return ""
	case s < 60:
		return fmt.Sprintf("%.1f s", s)
	}
	return span(time.Duration(s * float64(time.Second)))
}

func newIncidentsShowCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "show ID", Short: "Show one incident and its history; ID is the lost flow log's", Args: cobra.ExactArgs(1),
		ValidArgsFunction: a.completeIncidents,
		RunE: func(c *cobra.Command, args []string) error {
			return a.withState(c.Context(), func(_ configs.Config, s *store.Store) error {
				return a.showIncident(c.Context(), s, args[0], asJSON)
			})
		},
	}
	jsonFlag(c, &asJSON, "one JSON object")
	return c
}

func (a *app) showIncident(ctx context.Context, s *store.Store, id string, asJSON bool) error {
	i, history, ok, err := s.FindIncident(ctx, id)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("there is no incident of a flow log %q: see `flowkeeper incidents list`", id)
	}
	return a.print(func(w io.Writer) error {
		if asJSON {
			return writeJSON(w, toIncidentJSON(i, history))
		}
		if err := a.incidentSheet(i).write(w); err != nil {
			return err
		}
		return a.printHistory(w, history)
	})
}

func (a *app) incidentSheet(i remediate.Incident) *sheet {
	s := &sheet{}
	s.put("flow log", i.FlowLogID)
	if i.RootID != i.FlowLogID {
		s.put("descends from", i.RootID)
	}
	s.put("account", i.Scope.Account)
	s.put("region", i.Scope.Region)
	s.put("resource", i.ResourceID)
	s.put("state", incidentState(i).text)
	s.put("what to do", i.Advice)
	s.put("source", i.Source)
	s.put("event", i.EventID)
	putActor(s, i.Actor)
	s.put("deleted", a.when(i.DeletedAt))
	s.put("detected", a.when(i.DetectedAt))
	s.put("last seen", a.when(i.LastSeenAt))
	s.put("replaced by", i.NewID)
	s.put("restored", a.when(i.RestoredAt))
	s.put("verified", a.when(i.VerifiedAt))
	s.put("blind for", blind(i))
	if i.Attempts > 0 {
		s.put("attempts", fmt.Sprint(i.Attempts))
	}
	s.put("next attempt", a.when(i.NextAttemptAt))
	if i.Known {
		putSettings(s, i.Frozen)
	}
	return s
}

func putActor(s *sheet, a *alert.Actor) {
	if a == nil {
		return
	}
	s.put("who", strings.TrimSpace(a.Type+" "+a.ARN))
	s.put("role", a.SessionIssuer)
	s.put("access key", a.AccessKeyID)
	s.put("from", a.SourceIP)
	s.put("with", a.UserAgent)
	s.put("MFA", a.MFAWords())
}

func (a *app) printHistory(w io.Writer, history []remediate.Entry) error {
	if len(history) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	t := a.table(w, "TIME", "STATE", "WHAT", "EVENT")
	for _, e := range history {
		state := incidentState(remediate.Incident{State: e.State, Reason: e.Reason})
		if err := t.add(plain(e.At.UTC().Format("2006-01-02 15:04:05.000")), state, plain(e.Text), plain(e.EventID)); err != nil {
			return err
		}
	}
	return t.flush()
}
