package store

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
)

// ordered is a delivery in the specification of the outbox.
type ordered struct {
	alert.Alert
	urgency int
	nextAt  time.Time
	sentAt  time.Time
	parked  bool
}

func (d *ordered) pending() bool { return d.sentAt.IsZero() && !d.parked }

func (d *ordered) sameKey(e *ordered) bool { return d.DedupKey == e.DedupKey }

func (d *ordered) sameCampaign(e *ordered) bool {
	return d.CampaignID != "" && d.CampaignID == e.CampaignID
}

// resolves reports whether d resolves the incident of a pager that e has opened.
func (d *ordered) resolves(e *ordered) bool {
	return d.sameKey(e) && d.Resolves() || d.sameCampaign(e) && d.EndsCampaign()
}

// waitsFor reports whether d is sent only after e, which is earlier and pending. A pager must not resolve an incident
// before it opens it, nor open one that an earlier alert then resolves.
func (d *ordered) waitsFor(e *ordered) bool {
	return d.sameKey(e) && d.Answers() || d.resolves(e) || e.resolves(d)
}

// order specifies, without SQL, in which order one sink gets its alerts. It has the deliveries in the order in which
// they were added.
type order []*ordered

// add adds an alert. What may have to go before it becomes as urgent as it.
func (o *order) add(name string, a alert.Alert) {
	d := &ordered{Alert: a, urgency: a.Urgency()}
	var receipts []sink.Receipt
	after, resolves := sink.Resolved(a)
	for _, e := range *o {
		if e.pending() && (d.sameKey(e) || d.sameCampaign(e) && d.EndsCampaign()) {
			e.urgency = min(e.urgency, d.urgency)
		}
		if resolves && e.sentAt.After(after) && (d.sameKey(e) || d.resolves(e)) {
			receipts = append(receipts, e.receipt(name))
		}
	}
	d.nextAt = sink.Due(a, []string{name}, receipts)[name]
	*o = append(*o, d)
}

func (d *ordered) receipt(name string) sink.Receipt {
	return sink.Receipt{Sink: name, AddedAt: d.Time.Time, SentAt: d.sentAt, Answers: d.Answers(), RingsOn: d.RingsOn()}
}

// next returns the delivery that is next, or nil, and when the first one of those that wait for no other is due.
func (o order) next(c sink.Choice) (d *ordered, soonest time.Time) {
	var due []*ordered
	for n, d := range o {
		if !d.pending() || slices.ContainsFunc(o[:n], func(e *ordered) bool { return e.pending() && d.waitsFor(e) }) {
			continue
		}
		if soonest.IsZero() || d.nextAt.Before(soonest) {
			soonest = d.nextAt
		}
		if !d.nextAt.After(c.Now) || d.nextAt.After(c.Now.Add(farthestTry)) {
			due = append(due, d)
		}
	}
	if len(due) == 0 {
		return nil, soonest
	}
	if n := slices.IndexFunc(due, func(d *ordered) bool { return !d.Time.After(c.WaitingSince) }); n >= 0 {
		return due[n], soonest
	}
	return slices.MinFunc(due, func(a, b *ordered) int { return cmp.Compare(a.urgency, b.urgency) }), soonest
}

// sent records that the sink has got an alert. What resolves it is sent once the pager has rung for long enough.
func (o order) sent(name string, d *ordered, at time.Time) {
	d.sentAt = at
	until := d.receipt(name).RingsUntil()
	for _, e := range o[slices.Index(o, d)+1:] {
		if e.resolves(d) && e.nextAt.Before(until) {
			e.nextAt = until
		}
	}
}

// oneSink routes each alert to the sink of this name.
type oneSink struct{ name string }

func (r *oneSink) For(alert.Alert) []string { return []string{r.name} }

// TestI7TheOutboxGoesByItsSpecification: whatever was added, sent, refused and parked before, SQL must choose the same
// delivery as the specification, and name the same time at which one is due.
func TestI7TheOutboxGoesByItsSpecification(t *testing.T) {
	t.Parallel()
	now, routes, checks := noon, &oneSink{}, 0
	s := openAs(t, filepath.Join(t.TempDir(), "state.db"), Options{Daemon: true, Now: func() time.Time { return now }, Routes: routes})
	rapid.Check(t, func(r *rapid.T) {
		checks++
		routes.name = fmt.Sprintf("pager-%d", checks) // a sink that nothing waits for
		var spec order
		key := func(name string) string { return fmt.Sprintf("%s of %d", name, checks) }
		draw := func() alert.Alert {
			a := alert.Alert{
				ID:           key(fmt.Sprintf("alert %d", len(spec))),
				Time:         alert.Time{Time: now.Add(-rapid.SampledFrom([]time.Duration{0, time.Minute, 10 * time.Minute}).Draw(r, "age"))},
				Kind:         rapid.SampledFrom([]alert.Kind{alert.Deletion, alert.Attempt, alert.Blocked, alert.Restored, alert.Closed, alert.Closed, alert.Pipeline}).Draw(r, "kind"),
				Level:        rapid.SampledFrom([]alert.Level{alert.Critical, alert.High, alert.Medium, alert.Low, alert.Informational}).Draw(r, "level"),
				DedupKey:     key(rapid.SampledFrom([]string{"k1", "k2", "k3"}).Draw(r, "key")),
				CampaignOpen: rapid.IntRange(0, 3).Draw(r, "the campaign goes on") == 0,
				FlowLogs:     rapid.SampledFrom([][]alert.FlowLog{knownLogs, unknownLogs}).Draw(r, "flow logs"),
			}
			if c := rapid.SampledFrom([]string{"", "c1", "c1", "c2"}).Draw(r, "campaign"); c != "" {
				a.CampaignID = key(c)
			}
			return a
		}
		for range rapid.IntRange(1, 30).Draw(r, "steps") {
			now = now.Add(rapid.SampledFrom([]time.Duration{0, time.Second, 6 * time.Minute}).Draw(r, "later"))
			s.put(t, func(tx *Tx) error {
				for range rapid.SampledFrom([]int{0, 0, 1, 3}).Draw(r, "alerts") {
					a := draw()
					spec.add(routes.name, a)
					if err := tx.AddAlert(a); err != nil {
						return err
					}
				}
				return nil
			})
			choice := sink.Choice{Now: now}
			if rapid.Bool().Draw(r, "by age") {
				choice.WaitingSince = now.Add(-5 * time.Minute)
			}
			want, soonest := spec.next(choice)
			got, ok, err := s.Next(t.Context(), routes.name, choice)
			if err != nil || ok != (want != nil) || ok && got.Alert.ID != want.ID || !ok && !got.NextAt.Equal(soonest) {
				r.Fatalf("got %q (%t), due at %s, %v; the specification: %+v, the first is due at %s", got.Alert.ID, ok, got.NextAt, err, want, soonest)
			}
			if !ok {
				continue
			}
			if got.Urgency != want.urgency {
				r.Fatalf("%s has the urgency %d, want %d", want.ID, got.Urgency, want.urgency)
			}
			if rapid.Bool().Draw(r, "taken") {
				s.sent(t, routes.name, want.ID, now)
				spec.sent(routes.name, want, now)
				continue
			}
			f := sink.Failure{Attempts: 1, NextAt: now.Add(rapid.SampledFrom([]time.Duration{time.Second, time.Hour, 3 * time.Hour}).Draw(r, "pause")), Cause: "503", Parked: rapid.IntRange(0, 3).Draw(r, "parked") == 0}
			if err := s.Failed(t.Context(), routes.name, want.ID, f); err != nil {
				r.Fatal(err)
			}
			want.nextAt, want.parked = f.NextAt, f.Parked
		}
	})
}
