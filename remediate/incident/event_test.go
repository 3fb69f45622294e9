package incident

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
)

// full is an event whose fields all have a value.
func full() Event {
	e := Event{Scope: scope, Level: alert.High, Rule: &alert.Rule{}, Actor: &alert.Actor{}, Failed: []alert.FlowLog{{}}}
	fill(&e)
	return e
}

// changed are the names of the fields in which two events differ.
func changed(before, after Event) (names []string) {
	for f, v := range reflect.ValueOf(after).Fields() {
		if !reflect.DeepEqual(v.Interface(), reflect.ValueOf(before).FieldByIndex(f.Index).Interface()) {
			names = append(names, f.Name)
		}
	}
	return names
}

// TestMergeRecord: one more record changes what the event says of the call, if it names a known flow log. Either way it
// changes nothing of what was alerted, or is due.
func TestMergeRecord(t *testing.T) {
	t.Parallel()
	of := Event{Scope: scope, ID: "x", Source: ByEvent, Level: alert.Low, CampaignID: "another", DetectedAt: now}
	for name, c := range map[string]struct {
		known   bool
		changed string
	}{
		"a known flow log":    {true, "Source Rule Actor DeletedAt Failed CampaignID FailedOmitted"},
		"an unknown flow log": {false, "Source CampaignID"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			after := full().MergeRecord(of, []Incident{{}, {Known: c.known}})
			if got := strings.Join(changed(full(), after), " "); got != c.changed {
				t.Errorf("%s are changed, want %s", got, c.changed)
			}
			if after.Source != of.Source || after.CampaignID != of.CampaignID || c.known && (after.Actor != nil || after.Rule != nil || after.FailedOmitted != 0) {
				t.Errorf("%+v", after)
			}
		})
	}
	if after := full().MergeRecord(Event{Level: alert.Critical}, nil); after.Level != alert.Critical {
		t.Errorf("the level is %s, want that of the graver record", after.Level)
	}
}

// TestSameTimes: the fields that change when alerts about an event are evaluated are compared. A new field that
// changes only together with other writes of the event is to be added to others.
func TestSameTimes(t *testing.T) {
	t.Parallel()
	others := strings.Fields(`Scope ID Source Rule Level Actor DeletedAt DetectedAt Failed FailedOmitted CampaignID Unknown
		DeletionAlertedAt ReopenedAt TokenUsed NotTaggedAt`)
	for f := range reflect.TypeFor[Event]().Fields() {
		e := full()
		reflect.ValueOf(&e).Elem().FieldByIndex(f.Index).SetZero()
		if same, want := full().SameTimes(e), slices.Contains(others, f.Name); same != want {
			t.Errorf("two events that differ in %s have the same times: %v, want %v", f.Name, same, want)
		}
	}
}

// TestEventClampTimes: the clock has gone back by days. If no alert has said yet that the flow logs of an event are not
// back, the event is due within five minutes, and not only after a day.
func TestEventClampTimes(t *testing.T) {
	t.Parallel()
	ahead := now.AddDate(0, 0, 10)
	for name, c := range map[string]struct {
		alerted bool
		want    time.Duration
	}{
		"no alert yet": {false, OverdueAfter},
		"a reminder":   {true, RemindAfter},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := Event{OverdueAt: ahead, StuckAlerted: c.alerted}.ClampTimes(now)
			if got := e.OverdueAt.Sub(now); got != c.want {
				t.Errorf("overdue in %s, want %s", got, c.want)
			}
		})
	}
	if d := differences(Event{}, Event{}.ClampTimes(now)); d != "" {
		t.Errorf("an event without times has some: %s", d)
	}
}

// TestEventClampTimesKnowsEveryTime: each time by which an alert is due is clamped. A new field that only says when
// something happened is to be added to stay.
func TestEventClampTimesKnowsEveryTime(t *testing.T) {
	t.Parallel()
	stay := strings.Fields("DeletedAt DetectedAt DeletionAlertedAt ReopenedAt RestoredAlertedAt ClosedAlertedAt NotTaggedAt")
	var e Event
	var want []string
	for f, v := range reflect.ValueOf(&e).Elem().Fields() {
		if f.Type != reflect.TypeFor[time.Time]() {
			continue
		}
		v.Set(reflect.ValueOf(now.AddDate(0, 0, 10)))
		if !slices.Contains(stay, f.Name) {
			want = append(want, f.Name)
		}
	}
	if got := changed(e, e.ClampTimes(now)); !slices.Equal(got, want) {
		t.Errorf("%v are clamped, want %v", got, want)
	}
}

// TestFirstOverdue: an incident that was opened while the clock was ahead is overdue five minutes from now.
func TestFirstOverdue(t *testing.T) {
	t.Parallel()
	lost := pending("fl-1", func(i *Incident) { i.OpenedAt = now.AddDate(0, 0, 10) })
	if got := FirstOverdue([]Incident{lost}, policy, now).Sub(now); got != OverdueAfter {
		t.Errorf("overdue in %s, want %s", got, OverdueAfter)
	}
}
