package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/organization"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/rehearse"
)

// stateFacts is what is read from the state file.
type stateFacts struct {
	counts    store.Counts
	accounts  []string                // those with protected flow logs
	members   []organization.Member   // of the organisation, by the last list
	known     []inventory.Scope       // every scope that was ever refreshed
	protected map[inventory.Scope]int // flow logs
	telemetry map[inventory.Scope]int // flow logs with the tag of CloudWatch's telemetry rules
	rows      map[inventory.Scope]candidates
	pipelines map[inventory.Scope]rehearse.PipelineHealth
	keys      map[string]bucketKeys // by bucket of log files

	// Of the last day: losses that no event has reported, and events for whose restore AWS said that
	// the ClientToken had been used for another call.
	unreported, tokens int
}

// readState reads the state file. It returns store.ErrMissing if there is none, and creates
// nothing.
func (d *Doctor) readState(ctx context.Context) (m stateFacts, err error) {
	if f, err := os.OpenFile(d.Config.State.Path, os.O_RDWR, 0); err == nil {
		f.Close()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return m, err // SQLite would report another error
	}
	s, err := store.Open(ctx, d.Config.State.Path, store.Options{})
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if m.counts, err = s.Counts(ctx); err != nil {
		return m, err
	}
	if m.unreported, err = s.Unreported(ctx); err != nil {
		return m, err
	}
	if m.tokens, err = s.TokensUsed(ctx); err != nil {
		return m, err
	}
	if m.known, err = s.Scopes(ctx); err != nil {
		return m, err
	}
	if m.accounts, err = s.AccountsWithProtected(ctx); err != nil {
		return m, err
	}
	if m.members, _, err = s.Accounts(ctx); err != nil {
		return m, err
	}
	m.protected, m.telemetry, m.rows = map[inventory.Scope]int{}, map[inventory.Scope]int{}, map[inventory.Scope]candidates{}
	if err := s.FlowLogs(ctx, func(r inventory.Row) error {
		if _, tagged := r.Tags[incident.TelemetryTag]; tagged && r.State == inventory.Live {
			m.telemetry[r.Scope]++
		}
		if !r.Rehearsable() {
			return nil
		}
		if m.protected[r.Scope]++; m.rows[r.Scope] == nil {
			m.rows[r.Scope] = candidates{}
		}
		m.rows[r.Scope].add(r)
		return nil
	}); err != nil {
		return m, err
	}
	m.keys = map[string]bucketKeys{}
	for _, b := range d.Config.LogFiles.Buckets {
		if m.keys[b.Name], err = readKeys(ctx, s, b.Name); err != nil {
			return m, err
		}
	}
	m.pipelines = map[inventory.Scope]rehearse.PipelineHealth{}
	return m, s.Pipelines().View(ctx, func(tx rehearse.PipelineTx) (err error) {
		for scope := range m.counts.RefreshedAt {
			if m.pipelines[scope], err = tx.PipelineHealth(scope); err != nil {
				return err
			}
		}
		return nil
	})
}

// bucketKeys are keys that the daemon has noted of a bucket of log files; empty: none.
type bucketKeys struct {
	read    string // of a file that was read
	outside string // of a log file, but the key does not begin with the prefix
	foreign string // of an object that is no log file
}

func readKeys(ctx context.Context, s *store.Store, bucket string) (k bucketKeys, err error) {
	for fact, key := range map[string]*string{store.LogFileFact(bucket): &k.read, store.StrangeKeyFact(bucket, true): &k.outside, store.StrangeKeyFact(bucket, false): &k.foreign} {
		if *key, err = s.Fact(ctx, fact); err != nil {
			return k, err
		}
	}
	return k, nil
}

// candidates are the protected flow logs of a scope that dry runs try, by target: restores with the
// same target need the same permissions.
type candidates map[delivery.Target][]inventory.Row

const (
	maxTargets = 20 // of a scope
	maxTries   = 3  // flow logs of each target, because resources may be gone
)

func (t candidates) add(r inventory.Row) {
	key := delivery.TargetOf(r.FlowLog)
	if have := t[key]; len(have) < maxTries && (len(have) > 0 || len(t) < maxTargets) {
		t[key] = append(have, r)
	}
}

// refresh judges the age of a scope's snapshot.
func (s *subject) refresh(context.Context) finding {
	facts, err := s.machine.state()
	if err != nil {
		return skipped(noStateFile) // state-file reports the error
	}
	return judgeRefresh(s.machine.Config.Inventory.Schedule, facts.counts.RefreshedAt[s.scope], s.machine.Now())
}

// judgeRefresh warns if the schedule was due twice since the last refresh.
func judgeRefresh(schedule string, at, now time.Time) finding {
	const look = "see that the daemon runs, and what it logs: journalctl -u flowkeeper"
	if at.IsZero() {
		return finding{Warn, "there was no refresh yet", look}
	}
	if overdue(schedule, at, now, 2*time.Minute) {
		return finding{Warn, fmt.Sprintf("the last refresh was %s ago, at %s, by the schedule %s", now.Sub(at).Round(time.Second), at.UTC().Format(time.RFC3339), schedule), look}
	}
	return fine("%s ago", now.Sub(at).Round(time.Second))
}

// restorable reports what the last rehearsals said, and incidents that are not over.
func (m *machine) restorable(context.Context) (out []finding) {
	facts, err := m.state()
	if err != nil {
		return findings(skipped(noStateFile))
	}
	c := facts.counts
	yes, no, unknown, blocked, open := c.Restorable["yes"], c.Restorable["no"], c.Restorable["unknown"], c.Incidents["blocked"], c.Incidents["open"]
	for _, bad := range []struct {
		number int
		finding
	}{
		{no, finding{Warn, fmt.Sprintf("the last rehearsal says that %s could not be restored", alert.Plural(no, "flow log")), "flowkeeper inventory list"}},
		{c.Released.FlowLogs, finding{Warn, fmt.Sprintf("%s released until %s: a deletion would not be undone", plural(c.Released.FlowLogs, "flow log is", "flow logs are"), c.Released.Until.UTC().Format("2006-01-02 15:04 UTC")),
			"flowkeeper inventory list names them; to end that: flowkeeper inventory release ID... --undo"}},
		{c.Held, finding{Warn, fmt.Sprintf("%s held: what delivers to a place that nobody has approved is not protected", plural(c.Held, "flow log is", "flow logs are")),
			"flowkeeper inventory list --held names them; if the place is yours: flowkeeper inventory approve DESTINATION"}},
		{c.Decoys, finding{Warn, fmt.Sprintf("%s not protected and would not be restored: each stands in the place of a lost flow log and differs from it (%s)", plural(c.Decoys, "flow log is", "flow logs are"), firstOf(c.FirstDecoys, c.Decoys)),
			"flowkeeper inventory show ID; delete it if nobody you trust made it. If it is wanted instead of the lost one: flowkeeper inventory release ID, with the ID of the lost one"}},
		{blocked, finding{Fail, fmt.Sprintf("%s blocked (%s): what was deleted stays gone until a person helps", plural(blocked, "incident is", "incidents are"), reasonsOf(c.Blocked)),
			"flowkeeper incidents list --state blocked" + helpFor(c.Blocked)}},
		{facts.tokens, finding{Warn, fmt.Sprintf("within the last day, AWS refused a restore after %s because its ClientToken was used for another call before", plural(facts.tokens, "deletion", "deletions")), tokenHelp}},
		{facts.unreported, finding{Warn, fmt.Sprintf("a refresh found %s of the last day that no event has reported: events may not arrive", plural(facts.unreported, "loss", "losses")),
			"see the checks trail, event-rule, queue and round-trip; flowkeeper incidents list --since 24h. If somebody deleted the flow logs, CloudTrail has a record of DeleteFlowLogs"}},
		{open, finding{Warn, fmt.Sprintf("%s open: what was deleted is not back yet", plural(open, "incident is", "incidents are")), "flowkeeper incidents list --state open"}},
	} {
		if bad.number > 0 {
			out = append(out, bad.finding)
		}
	}
	switch {
	case len(out) > 0:
		return out
	case yes+no+unknown == 0:
		return findings(finding{Warn, "nothing is protected", "see inventory.regions, inventory.destinations and accounts: is this where your flow logs are?"})
	}
	return findings(fine("%d by the last rehearsal, %d not rehearsed yet", yes, unknown))
}

// tokenHelp is what to do about used ClientTokens.
const tokenHelp = "find out in CloudTrail who called CreateFlowLogs, and who can read the state file and its copies; then write another remediate.token_key"

// helpFor is what to do about incidents that are blocked for some reasons, where more than a look
// at each of them helps.
func helpFor(blocked map[string]int) (help string) {
	if blocked[string(incident.TokenUsed)] > 0 {
		help += "; token_used: " + tokenHelp
	}
	if blocked[string(incident.Managed)] > 0 {
		help += "; managed: change the telemetry rule so that it makes the same, or close the incident: flowkeeper inventory release ID"
	}
	return help
}

// reasonsOf lists reasons with their numbers, the most frequent first.
func reasonsOf(count map[string]int) string {
	reasons := slices.SortedFunc(maps.Keys(count), func(a, b string) int { return cmp.Or(count[b]-count[a], strings.Compare(a, b)) })
	for n, r := range reasons {
		reasons[n] = fmt.Sprintf("%d %s", count[r], cmp.Or(r, "without a reason"))
	}
	return strings.Join(reasons, ", ")
}

// firstOf are the first IDs, and how many more there are.
func firstOf(ids []string, all int) string {
	s := strings.Join(ids, ", ")
	if more := all - len(ids); more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	return s
}

// telemetryRules reports how many flow logs of a scope CloudWatch's telemetry rules made, as
// far as tags show, and which of our rules holds for the role of the telemetry rules.
func (s *subject) telemetryRules(context.Context) finding {
	facts, err := s.machine.state()
	if err != nil {
		return skipped(noStateFile) // state-file reports the error
	}
	n := facts.telemetry[s.scope]
	if n == 0 {
		return fine("no flow log has the tag %s", incident.TelemetryTag)
	}
	return fine("%s the tag %s: for the role of CloudWatch's telemetry rules, %s. aws observabilityadmin list-telemetry-rules shows these rules; docs/telemetry-rules.md says how they work beside Flowkeeper",
		plural(n, "flow log has", "flow logs have"), incident.TelemetryTag, telemetryRule(s.scope, s.machine.Config.Remediate))
}

// telemetryRule says which of our rules holds for the role of CloudWatch's telemetry rules.
func telemetryRule(s inventory.Scope, c configs.Remediate) string {
	for n, r := range c.Rules {
		if (incident.Rule{Principal: r.Principal}).Matches(s.Account, incident.TelemetryRole(s)) {
			action := r.Action
			if r.Action == "wait" {
				action += " " + configs.Tidy(r.Wait)
			}
			return fmt.Sprintf("remediate.rules[%d] holds: %s", n, action)
		}
	}
	return "the built-in rule holds: wait " + configs.Tidy(incident.TelemetryWait)
}

// roundTrip judges whether the records of rehearsals come back through the queue, which proves
// that deletions arrive.
func (s *subject) roundTrip(context.Context) finding {
	facts, err := s.machine.state()
	switch {
	case err != nil:
		return skipped(noStateFile)
	case len(facts.rows[s.scope]) == 0:
		return skipped(nothingHere)
	}
	return s.machine.pipeline(facts, s.scope)
}

// proven reports whether the scope's last rehearsal came back through the queue.
func (m *machine) proven(s inventory.Scope) bool {
	facts, err := m.state()
	return err == nil && m.pipeline(facts, s).status == OK
}

func (m *machine) pipeline(facts stateFacts, s inventory.Scope) finding {
	return judgePipeline(facts.pipelines[s], m.Config.Rehearsal.Schedule, m.Now())
}

// patience is how long a record may take: CloudTrail delivers most within fifteen minutes.
const patience = 30 * time.Minute

// judgePipeline judges by the last rehearsals, made by a schedule, whether records arrive.
func judgePipeline(w rehearse.PipelineHealth, schedule string, now time.Time) finding {
	const look = "see the checks above: trail, rule, queue"
	late := w.Unanswered > 0 && now.Sub(w.UnansweredSince) > patience
	switch {
	case late && w.BackAt.IsZero():
		return finding{Fail, fmt.Sprintf("no rehearsal ever came back, the first was %s ago: deletions do not arrive", now.Sub(w.UnansweredSince).Round(time.Second)), look}
	case late:
		return finding{Fail, alert.Plural(w.Unanswered, "rehearsal") + " did not come back, since " + w.UnansweredSince.UTC().Format(time.RFC3339) + ": deletions may not arrive", look}
	case w.BackAt.IsZero() && w.Unanswered > 0:
		return finding{Unknown, "can't tell yet: the first rehearsal is on its way since " + w.UnansweredSince.UTC().Format(time.RFC3339), ""}
	case w.BackAt.IsZero():
		return finding{Unknown, "can't tell: nothing was rehearsed yet (rehearsal.schedule; it needs a protected flow log)", ""}
	case overdue(schedule, w.BackAt, now, patience):
		return finding{Unknown, "can't tell: no rehearsal was made since " + w.BackAt.UTC().Format(time.RFC3339) + ", when the last one came back", "see that the daemon runs, and that rehearsal.schedule is not empty"}
	}
	return fine("the last one %s ago", now.Sub(w.BackAt).Round(time.Second))
}

// overdue reports whether a schedule was due twice after at, and the duration more has passed since
// then. Without a valid schedule it is true.
func overdue(schedule string, at, now time.Time, more time.Duration) bool {
	s, err := cron.ParseStandard(schedule)
	return err != nil || now.After(s.Next(s.Next(at)).Add(more))
}
