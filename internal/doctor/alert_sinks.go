package doctor

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/inventory"
)

// alertSinks judges where alerts of deletions go, and whether the sinks take their alerts.
func (m *machine) alertSinks(ctx context.Context) (out []finding) {
	facts, _ := m.state() // without a state file nothing was sent
	for _, s := range m.Config.Alerts {
		waiting, lost := facts.counts.Pending[s.Name], facts.counts.Parked[s.Name]
		if facts.counts.Refused[s.Name] == 0 { // the sink has refused nothing: the alerts were not sent yet
			waiting = 0
		}
		if waiting+lost > 0 {
			out = append(out, finding{Fail, fmt.Sprintf("%s does not take what it is sent: %s not delivered, %d of them given up", s.Name, alert.Plural(waiting+lost, "alert"), lost),
				"flowkeeper alerts list --failed; once it takes them, for what was given up: flowkeeper alerts retry ID"})
		}
	}
	watched := map[string]bool{}
	for _, s := range m.watched {
		if s.scope.Account != "" { // empty: the account of our own credentials is not known
			watched[s.scope.Account] = true
		}
	}
	ofDeletions := m.Routes.For(alert.Alert{Kind: alert.Deletion, Level: alert.High})
	if f := judgeSinks(m.Config.Alerts, ofDeletions, watched); f.status != OK || len(out) == 0 {
		out = append(out, f)
	}
	return out
}

// judgeSinks returns OK if one of the sinks is outside the watched accounts and this machine:
// an attacker who controls these must not be able to suppress the alerts about them.
func judgeSinks(all []configs.Sink, sinks []string, watched map[string]bool) finding {
	const add = "add a webhook, slack or pagerduty, or an sns topic of another account, under alerts: in the configuration; `flowkeeper alerts test` tries it"
	var outside, inside, unclear []string
	for _, s := range all {
		if !slices.Contains(sinks, s.Name) {
			continue
		}
		switch why := insideWatched(s, watched); {
		case why != "":
			inside = append(inside, s.Name+" ("+why+")")
		case s.Type == "sns" && len(watched) == 0:
			unclear = append(unclear, s.Name)
		default:
			outside = append(outside, s.Name)
		}
	}
	switch {
	case len(outside) > 0:
		return fine("%s", strings.Join(outside, ", "))
	case len(unclear) > 0:
		return finding{Unknown, "can't tell whether " + strings.Join(unclear, ", ") + " is outside: which account is watched is not known, for the credentials do not work", ""}
	case len(inside) > 0:
		return finding{Warn, "only " + strings.Join(inside, ", ") + ": an attacker who controls that can suppress the alerts", add}
	case len(all) > 0:
		return finding{Fail, "no sink takes alerts of deletions (they are high): only this machine's log does", "lower min_level, or put deletion into kinds, of a sink under alerts:"}
	}
	return finding{Fail, "no sink is configured: alerts go to this machine's log only", add}
}

// insideWatched returns why an attacker who controls a watched account or this machine can
// suppress the alerts of a sink. Empty: the attacker can't.
func insideWatched(s configs.Sink, watched map[string]bool) string {
	if s.Type == "sns" {
		if account := inventory.ParseARN(s.TopicARN).AccountID; watched[account] {
			return "a topic of the watched account " + account
		}
		return ""
	}
	u, err := url.Parse(s.URL)
	if err != nil || s.URL == "" {
		return ""
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
		return "on this machine"
	}
	return ""
}
