package remediate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/answer"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

// Rehearsal is what AWS last said to a dry run of restores with the same needs.
type Rehearsal struct {
	Scope   inventory.Scope
	Needs   delivery.Needs
	At      time.Time
	Reason  string // as of a blocked incident; empty: the restore would be allowed
	Advice  string
	Message string // AWS's own words
}

// Rehearsed counts one Rehearse.
type Rehearsed struct{ Tried, Refused int }

// triesPerNeeds bounds how many flow logs stand in for those with the same
// needs, where a resource is not there any more.
const triesPerNeeds = 3

// Rehearse tries, as a dry run, to restore one protected flow log of each kind
// that there is by needs, and tells people when AWS would refuse what it
// allowed before, or has never been asked. It creates nothing. Restores go
// first: where the scope's pace is used up, the rest is left for the next time.
// beat is called before each try.
func (r *Remediator) Rehearse(ctx context.Context, s inventory.Scope, beat func()) (Rehearsed, error) {
	api, ours := r.Fleet.EC2(s)
	if !ours || r.Policy.AlertOnly {
		return Rehearsed{}, nil // mode alert makes no CreateFlowLogs at all
	}
	way, err := r.setOut(ctx, s)
	if err != nil {
		return Rehearsed{}, err
	}
	verdicts, tries := map[delivery.Needs]Rehearsal{}, map[delivery.Needs]int{}
	calls, sent := 0, false
	var blind *incident.Answer // of the look that a restore begins with, where that is refused
	err = r.eachProtected(ctx, s, func(row inventory.Row) error {
		n := delivery.NeedsOf(row.FlowLog)
		if _, done := verdicts[n]; done || tries[n] >= triesPerNeeds {
			return nil
		}
		if !r.scope(s).pace.spare(r.Now()) {
			return ErrBusy
		}
		tries[n]++
		beat()
		if len(tries) == 1 && tries[n] == 1 {
			if blind, err = r.refusedLook(ctx, s, api, row.ResourceID); err != nil {
				return err
			}
		}
		if blind != nil {
			verdicts[n] = Rehearsal{Scope: s, Needs: n, At: r.Now(), Reason: blind.Reason, Advice: blind.Advice, Message: blind.Message}
			return nil
		}
		calls++
		a, err := r.tryDry(ctx, s, api, row, way.token(calls))
		if err != nil {
			return err
		}
		sent = true
		if a.Class != incident.ResourceAbsent {
			verdicts[n] = Rehearsal{Scope: s, Needs: n, At: r.Now(), Reason: a.Reason, Advice: a.Advice, Message: a.Message}
		}
		return nil
	})
	if sent {
		err = errors.Join(err, r.sent(ctx, s, way.started))
	}
	count, werr := r.conclude(ctx, s, verdicts, err == nil)
	if err = errors.Join(err, werr); err != nil {
		return count, fmt.Errorf("rehearse restores in %s: %w", s, err)
	}
	return count, nil
}

// ErrBusy is wrapped by Rehearse where it left something for the next time.
var ErrBusy = errors.New("restores go first; the next rehearsal tries the rest")

// refusedLook looks at a resource as a restore does first. It returns what AWS
// refuses it with; an error only where AWS gave no verdict.
func (r *Remediator) refusedLook(ctx context.Context, s inventory.Scope, api EC2, resource string) (*incident.Answer, error) {
	_, err := r.look(ctx, s, api, []string{resource})
	if err == nil {
		return nil, nil
	}
	a := answer.OfError(err)
	if a.Class != incident.NeedsPerson {
		return nil, err
	}
	return &a, nil
}

// tryDry makes the call that would restore a flow log, as a dry run with a
// token of its own. The answer is an error only where AWS gave no verdict.
func (r *Remediator) tryDry(ctx context.Context, s inventory.Scope, api EC2, row inventory.Row, token string) (incident.Answer, error) {
	i := Incident{Scope: s, FlowLogID: row.ID, Frozen: row.Settings}
	for {
		in := incident.CreateInput(i)
		in.DryRun, in.ClientToken = aws.Bool(true), aws.String(token)
		call, cancel := context.WithTimeout(ctx, callTimeout)
		out, err := api.CreateFlowLogs(call, in, oneAttempt)
		cancel()
		if err != nil && ctx.Err() != nil {
			return incident.Answer{}, ctx.Err()
		}
		if err != nil {
			r.heed(s, err)
		}
		switch a := answer.OfDryRun(out, err); a.Class {
		case incident.TagRefused:
			if i.Untagged {
				a.Class, a.Reason = incident.NeedsPerson, Invalid
				return a, nil
			}
			i.Untagged = true
		case incident.TryAgain:
			return a, errors.New(a.Hinted())
		default:
			return a, nil
		}
	}
}

// eachProtected calls fn with every flow log that would be restored.
func (r *Remediator) eachProtected(ctx context.Context, s inventory.Scope, fn func(inventory.Row) error) error {
	return r.eachLive(ctx, s, func(page []inventory.Row) error {
		for _, row := range page {
			if !row.Rehearsable() {
				continue
			}
			if err := fn(row); err != nil {
				return err
			}
		}
		return nil
	})
}

// conclude writes the verdicts and tells what they changed, in one commit.
// Where the run was complete, needs that no flow log has any more are dropped.
func (r *Remediator) conclude(ctx context.Context, s inventory.Scope, verdicts map[delivery.Needs]Rehearsal, complete bool) (c Rehearsed, err error) {
	refused, healed, err := r.changes(ctx, s, verdicts)
	if err != nil {
		return c, err
	}
	affected := map[delivery.Needs][]inventory.Row{}
	if len(refused)+len(healed) > 0 {
		most := max(1, mostNews/(len(refused)+len(healed))) // of each: none goes untold
		err := r.eachProtected(ctx, s, func(row inventory.Row) error {
			needs := delivery.NeedsOf(row.FlowLog)
			if _, bad := refused[needs]; (bad || healed[needs].Reason != "") && len(affected[needs]) < most {
				affected[needs] = append(affected[needs], row)
			}
			return nil
		})
		if err != nil {
			return c, err
		}
	}
	if len(healed) > 0 { // before that is on disk: what a crash leaves out, the next rehearsal does
		if err := r.retryBlocked(ctx, s); err != nil {
			return c, err
		}
	}
	err = r.Store.Update(ctx, func(tx Tx) error {
		old, err := tx.Rehearsals(s)
		if err != nil {
			return err
		}
		for _, o := range old {
			if _, still := verdicts[o.Needs]; complete && !still {
				if err := tx.DropRehearsal(o); err != nil {
					return err
				}
			}
		}
		for _, v := range verdicts {
			if err := tx.PutRehearsal(v); err != nil {
				return err
			}
		}
		now := r.Now()
		told := append(refusals(s, refused, affected, alert.High, now), refusals(s, healed, affected, alert.Informational, now)...)
		for n, a := range told {
			// The last of what is allowed again closes what the first refusal opened.
			ends := a.Level != alert.High && n == len(told)-1 && complete && !anyRefused(verdicts)
			if a.Level == alert.High || ends {
				a.DedupKey = notify.OutageKey(s, notify.Rehearsing)
				if err := tx.SetTrouble(s, notify.Rehearsing, !ends); err != nil {
					return err
				}
			}
			if err := add(tx, a); err != nil {
				return err
			}
		}
		if complete && !anyRefused(verdicts) {
			return tellEnd(tx, s, notify.Rehearsing, "AWS would allow every restore that was rehearsed", now)
		}
		return nil
	})
	if err != nil {
		return c, err
	}
	r.Wake()
	for _, v := range verdicts {
		c.Tried++
		if v.Reason != "" {
			c.Refused++
		}
	}
	return c, nil
}

func anyRefused(verdicts map[delivery.Needs]Rehearsal) bool {
	for _, v := range verdicts {
		if v.Reason != "" {
			return true
		}
	}
	return false
}

// retryBlocked makes what is blocked due: something was mended.
func (r *Remediator) retryBlocked(ctx context.Context, s inventory.Scope) error {
	err := r.Store.Update(ctx, func(tx Tx) error {
		blocked, err := tx.Blocked(s, mostNews)
		if err != nil || len(blocked) == 0 {
			return err
		}
		c, err := tx.Case(s, incident.Part{IDs: blocked}, r.Now())
		if err != nil {
			return err
		}
		for _, id := range blocked {
			c.Wake(id)
		}
		return tx.SaveCase(c)
	})
	r.scope(s).poke()
	return err
}

// changes are the verdicts that are refusals for the first time, or for
// another reason; and the last refusals of what is allowed now.
func (r *Remediator) changes(ctx context.Context, s inventory.Scope, verdicts map[delivery.Needs]Rehearsal) (refused, healed map[delivery.Needs]Rehearsal, err error) {
	refused, healed = map[delivery.Needs]Rehearsal{}, map[delivery.Needs]Rehearsal{}
	var old []Rehearsal
	if err := r.Store.View(ctx, func(tx Tx) (err error) { old, err = tx.Rehearsals(s); return err }); err != nil {
		return nil, nil, err
	}
	for n, v := range verdicts {
		if v.Reason != "" {
			refused[n] = v
		}
	}
	for _, o := range old {
		v, tried := verdicts[o.Needs]
		switch {
		case tried && v.Reason == o.Reason:
			delete(refused, o.Needs)
		case tried && v.Reason == "":
			healed[o.Needs] = o
		}
	}
	return refused, healed, nil
}

// refusals are the alerts about restores that AWS would refuse, or (level
// informational) that it allows again: one for each reason and advice.
func refusals(s inventory.Scope, about map[delivery.Needs]Rehearsal, affected map[delivery.Needs][]inventory.Row, level alert.Level, now time.Time) (out []alert.Alert) {
	type why struct{ reason, advice string }
	rows, words := map[why][]inventory.Row{}, map[why]string{}
	for _, n := range slices.SortedFunc(maps.Keys(about), delivery.Needs.Compare) {
		w := why{about[n].Reason, about[n].Advice}
		rows[w] = append(rows[w], affected[n]...)
		words[w] = cmp.Or(words[w], about[n].Message)
	}
	for _, w := range slices.SortedFunc(maps.Keys(rows), func(a, b why) int {
		return cmp.Or(strings.Compare(a.reason, b.reason), strings.Compare(a.advice, b.advice))
	}) {
		if len(rows[w]) == 0 {
			continue
		}
		a := notify.ScopeAlert(s, alert.Pipeline, level, rows[w], now)
		a.ID, a.Part = alert.ID(a.ID, w.reason, w.advice), alert.PartRehearsal
		for n := range a.FlowLogs {
			a.FlowLogs[n].Reason, a.FlowLogs[n].ErrorMessage = w.reason, ""
		}
		if level == alert.Informational {
			a.Cause, a.RouteLevel = "a rehearsal shows that AWS would allow to restore them again", alert.High
		} else {
			a.Cause = "a rehearsal shows that AWS would refuse to restore them: " + words[w]
			a.Advice = w.advice
		}
		out = append(out, a)
	}
	return out
}

// Way is what rehearsals tell of the way of events: their own CloudTrail
// records travel as those of deletions do.
type Way struct {
	Instance        string    // names this state file in the tokens
	Unanswered      int       // rehearsals since one last came back
	UnansweredSince time.Time // the first of these
	BackAt          time.Time // when one last came back; zero: never
	OthersAt        time.Time // when one of another daemon on the queue did
	By              string    // who made the last rehearsal, see callerOf; empty: not known yet
	Told            bool      // that they do not come back any more

	started time.Time
}

// token of the call n of a rehearsal: it says to whoever reads CloudTrail what
// the call is, and no create ever has it.
func (w Way) token(n int) string {
	return fmt.Sprintf("%s%s-%d-%d", detection.RehearsalToken, w.Instance, w.started.Unix(), n)
}

const (
	wayPatience  = 30 * time.Minute // CloudTrail delivers within fifteen minutes, as a rule
	sharedMisses = 6                // rehearsals unheard, where other daemons take their part of the queue
	othersFor    = 24 * time.Hour   // how long another daemon counts after it was heard of
)

// silent reports whether the way of events seems to be cut: it has worked
// before, and rehearsals do not come back any more. Of none is that known before
// it is known who makes them.
func (w Way) silent(now time.Time) bool {
	if w.By == "" || w.BackAt.IsZero() || w.Unanswered == 0 || now.Sub(w.UnansweredSince) < wayPatience {
		return false
	}
	shared := !w.OthersAt.IsZero() && now.Sub(w.OthersAt) < othersFor
	return !shared || w.Unanswered >= sharedMisses
}

// setOut begins a rehearsal. Who makes it is on disk before its first record can
// come back: by that it is told from a stranger's.
func (r *Remediator) setOut(ctx context.Context, s inventory.Scope) (w Way, err error) {
	by := ""
	if r.Caller != nil {
		arn, err := r.Caller(ctx, s)
		if err != nil && ctx.Err() == nil {
			r.Log.Warn("AWS does not say who makes this rehearsal: taking it for whom it was the last time", "account", s.Account, "region", s.Region, "error", err)
		}
		by = callerOf(arn)
	}
	err = r.Store.Update(ctx, func(tx Tx) error {
		if w, err = tx.Way(s); err != nil || w.Instance != "" && (by == "" || by == w.By) {
			return err
		}
		if w.Instance == "" {
			w.Instance = strconv.FormatUint(uint64(r.jitter()*(1<<40)), 36)
		}
		if by != "" && by != w.By {
			w.By, w.Unanswered = by, 0 // what another made does not come back as ours
		}
		return tx.PutWay(s, w)
	})
	w.started = r.Now()
	return w, err
}

// sent notes that AWS has answered calls of a rehearsal, so that their records
// are on the way.
func (r *Remediator) sent(ctx context.Context, s inventory.Scope, at time.Time) error {
	return r.Store.Update(ctx, func(tx Tx) error {
		w, err := tx.Way(s)
		if err != nil || w.BackAt.After(at) && !w.BackAt.After(r.Now()) {
			return err
		}
		if w.Unanswered == 0 || w.UnansweredSince.After(at) { // later: the clock has gone back
			w.UnansweredSince = at
		}
		w.Unanswered++
		return tx.PutWay(s, w)
	})
}

// heardRehearsal notes that the record of a rehearsal has come through the
// queue, ours or that of another daemon. A stranger's dry run with a token like
// ours counts for nothing, or it could put off the alert that the way is cut.
func (r *Remediator) heardRehearsal(ctx context.Context, s inventory.Scope, f detection.Finding) error {
	told := false
	err := r.Store.Update(ctx, func(tx Tx) error {
		now := r.Now()
		told = false
		w, err := tx.Way(s)
		if err != nil || !w.isOurs(f.Record.Identity.ARN, r.Policy.Rehearsers) {
			return err
		}
		instance, _, _ := strings.Cut(strings.TrimPrefix(f.Record.ClientToken, detection.RehearsalToken), "-")
		if instance != w.Instance {
			w.OthersAt = now
		}
		told = w.Told
		w.BackAt, w.Unanswered, w.Told = now, 0, false
		if err := tx.PutWay(s, w); err != nil || !told {
			return err
		}
		a := notify.ScopeAlert(s, alert.Pipeline, alert.Informational, nil, now)
		a.DedupKey = notify.OutageKey(s, notify.Returning)
		a.Cause, a.RouteLevel = "events come through the queue again", alert.High
		return add(tx, a)
	})
	if err != nil {
		return fmt.Errorf("note that a rehearsal in %s came back: %w", s, err)
	}
	if told {
		r.Wake()
	}
	return nil
}

// tellSilence alerts once when rehearsals do not come back any more.
func (r *Remediator) tellSilence(ctx context.Context, s inventory.Scope) error {
	told := false
	err := r.Store.Update(ctx, func(tx Tx) error {
		now := r.Now()
		w, err := tx.Way(s)
		if told = err == nil && !w.Told && w.silent(now); !told {
			return err
		}
		w.Told = true
		a := notify.ScopeAlert(s, alert.Pipeline, alert.High, nil, now)
		a.DedupKey = notify.OutageKey(s, notify.Returning)
		a.Cause = fmt.Sprintf("no rehearsal has come back through the queue since %s: deletions may go unheard, and only the refresh finds them", w.BackAt.UTC().Format("2006-01-02 15:04 UTC"))
		a.Advice = "see that the trail logs, that the EventBridge rule is enabled and sends to the queue, and that nobody else takes its messages"
		return errors.Join(tx.PutWay(s, w), add(tx, a))
	})
	if told && err == nil {
		r.Wake()
	}
	return err
}
