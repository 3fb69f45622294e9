package notify_test

import (
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

func TestRestoredAlert(t *testing.T) {
	t.Parallel()
	own := with(lost("fl-1", incident.Restored), func(i *incident.Incident) { i.NewID, i.RestoredAt = "fl-11", ago(2*time.Minute) })
	others := with(own, func(i *incident.Incident) { i.EventID = "e-0" })
	since := with(others, func(i *incident.Incident) { i.RestoredAt = ago(time.Second) })
	for name, tt := range map[string]struct {
		incidents []incident.Incident
		want      bool
	}{
		"the event's own":                          {[]incident.Incident{own}, true},
		"another event's, back before this one":    {[]incident.Incident{others}, false},
		"another event's, back since":              {[]incident.Incident{since}, true},
		"one of its own, and one of another event": {[]incident.Incident{own, others}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, ok := notify.RestoredAlert(alerted(nil), tt.incidents, noon)
			if ok != tt.want || a.Kind != alert.Restored {
				t.Errorf("there is a %s alert: %v, want %v", a.Kind, ok, tt.want)
			}
		})
	}
}

// TestEndLevels: the alerts of the end go to the sinks of the earlier alerts, but have a low
// level, so that they wake nobody.
func TestEndLevels(t *testing.T) {
	t.Parallel()
	back := with(lost("fl-1", incident.Verified), func(i *incident.Incident) { i.NewID = "fl-11" })
	adopted := with(back, func(i *incident.Incident) { i.Adopted = true })
	missed := with(back, func(i *incident.Incident) { i.StuckAlertedAt = ago(time.Second) })
	flapped := with(back, func(i *incident.Incident) { i.Flapping = true })
	closed := lost("fl-1", incident.Closed)
	drift := func(e *incident.Event) { e.Source = incident.ByDrift }
	for name, tt := range map[string]struct {
		change       func(*incident.Event)
		incident     incident.Incident
		level, route alert.Level
	}{
		"restored":                             {nil, back, alert.Low, alert.High},
		"quiet":                                {func(e *incident.Event) { e.Level = alert.Informational }, back, alert.Informational, alert.Informational},
		"adopted":                              {nil, adopted, alert.Low, alert.High},
		"a drift, adopted":                     {drift, adopted, alert.Informational, alert.High},
		"a drift, closed":                      {drift, closed, alert.Informational, alert.High},
		"it was held back for flapping":        {nil, flapped, alert.Low, alert.Critical},
		"a drift, restored":                    {drift, back, alert.Low, alert.High},
		"the flow log was alerted as not back": {nil, missed, alert.Low, alert.Critical},
		"another flow log of the event was alerted as not back": {func(e *incident.Event) { e.StuckAlerted = true }, back, alert.Low, alert.Critical},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := alerted(tt.change)
			if a, _ := notify.RestoredAlert(e, []incident.Incident{tt.incident}, noon); a.Level != tt.level || a.RouteLevel != tt.route {
				t.Errorf("restored is %s and routed as %s, want %s and %s", a.Level, a.RouteLevel, tt.level, tt.route)
			}
			if a := notify.ClosedAlert(e, []incident.Incident{tt.incident}, true, noon); a.Level != alert.Informational || a.RouteLevel != tt.route || !a.CampaignOpen {
				t.Errorf("closed is %s and routed as %s, want informational and %s", a.Level, a.RouteLevel, tt.route)
			}
		})
	}
}

// TestEndOfADrift: the alert is not informational if Flowkeeper itself has made one of several flow logs, in whatever
// order they come.
func TestEndOfADrift(t *testing.T) {
	t.Parallel()
	made := with(lost("fl-1", incident.Verified), func(i *incident.Incident) { i.NewID = "fl-11" })
	adopted := with(lost("fl-2", incident.Verified), func(i *incident.Incident) { i.NewID, i.Adopted = "fl-12", true })
	e := alerted(func(e *incident.Event) { e.Source = incident.ByDrift })
	for _, incidents := range [][]incident.Incident{{made, adopted}, {adopted, made}} {
		if a, _ := notify.RestoredAlert(e, incidents, noon); a.Level != alert.Low {
			t.Errorf("restored is %s", a.Level)
		}
	}
}

// TestEndOfDropped: even if the incidents were dropped to save space, the pager gets the
// alert that resolves its incident.
func TestEndOfDropped(t *testing.T) {
	t.Parallel()
	e := alerted(nil)
	e.StuckAlerted = true
	if a := notify.ClosedAlert(e, nil, false, noon); a.RouteLevel != alert.Critical {
		t.Errorf("the end is routed as %s, want critical as the alert about what was not back", a.RouteLevel)
	}
}

// TestEndOfUnknown: the alert of an event's end may be dropped to save space, as the deletion
// alert may, until the snapshot knows one of its flow logs.
func TestEndOfUnknown(t *testing.T) {
	t.Parallel()
	e, known := alerted(nil), lost("fl-1", incident.Closed)
	e.Unknown = true
	unknown := with(known, func(i *incident.Incident) { i.Known = false })
	if a := notify.ClosedAlert(e, []incident.Incident{unknown}, false, noon); !a.Minor {
		t.Error("the end of an event without a known flow log can't be dropped")
	}
	for _, incidents := range [][]incident.Incident{{unknown, known}, {known, unknown}} {
		if a := notify.ClosedAlert(e, incidents, false, noon); a.Minor {
			t.Error("the end of an event with a known flow log can be dropped")
		}
	}
	e.Unknown = false
	if a := notify.ClosedAlert(e, []incident.Incident{unknown}, false, noon); a.Minor {
		t.Error("the end of an event that was known can be dropped")
	}
}
