package sink

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"flowkeeper/alert"
	"flowkeeper/alert/alerttest"
)

func TestLogOneLineAnAlert(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	sink := NewLog(slog.New(slog.NewJSONHandler(&buf, nil)))
	a := alerttest.Deletion()
	for i := range 24 {
		a.FlowLogs = append(a.FlowLogs, alert.FlowLog{FlowLogID: fmt.Sprintf("fl-%d", i)})
	}
	a.Write()
	if err := sink.Send(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(buf.String(), "\n"); n != 1 {
		t.Errorf("%d lines", n)
	}
	var line struct {
		Level, Msg, Alert, Kind, Severity, Account, Region, Event, Actor, MFA string
		SourceIP                                                              string   `json:"source_ip"`
		FlowLogs                                                              []string `json:"flow_logs"`
		More                                                                  int      `json:"flow_logs_more"`
	}
	if err := json.Unmarshal(buf.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line.Level != "ERROR" || line.Msg != a.Title || line.Alert != a.ID || line.Kind != "deletion" || line.Severity != "high" ||
		line.Actor != a.Actor.ARN || line.SourceIP != "198.51.100.7" || line.MFA != "no" || len(line.FlowLogs) != loggedIDs || line.More != 5 {
		t.Errorf("%+v", line)
	}
}

// TestLogSaysWhy: people who read only the journal know what to do.
func TestLogSaysWhy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		a                      alert.Alert
		cause, outcome, advice string
	}{
		"flow log":               {alert.Alert{Kind: alert.Blocked, FlowLogs: []alert.FlowLog{{State: "blocked", Reason: "role", Advice: "make the role"}}}, "", "cannot be restored, its delivery role cannot be assumed", "make the role"},
		"refused":                {alert.Alert{Kind: alert.Attempt, FailedFlowLogs: []alert.FlowLog{{ErrorCode: "UnauthorizedOperation"}}}, "", "UnauthorizedOperation", ""},
		"no flow log":            {alert.Alert{Kind: alert.Pipeline, Cause: "the queue is gone", Advice: "make it"}, "the queue is gone", "", "make it"},
		"a cause and a flow log": {alert.Alert{Kind: alert.Tamper, Cause: "this", Advice: "that", FlowLogs: []alert.FlowLog{{ErrorCode: "Denied", Advice: "other"}}}, "this", "Denied", "that"},
		"no reason yet":          {alert.Alert{Kind: alert.Deletion, FlowLogs: []alert.FlowLog{{State: "open"}}}, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var buf bytes.Buffer
			if err := NewLog(slog.New(slog.NewJSONHandler(&buf, nil))).Send(t.Context(), c.a); err != nil {
				t.Fatal(err)
			}
			var line map[string]any
			if err := json.Unmarshal(buf.Bytes(), &line); err != nil {
				t.Fatal(err)
			}
			for key, want := range map[string]string{"cause": c.cause, "outcome": c.outcome, "advice": c.advice} {
				if got, there := line[key]; want != "" && got != want || there != (want != "") {
					t.Errorf("%s = %v, want %q", key, got, want)
				}
			}
		})
	}
}

func TestLogLevels(t *testing.T) {
	t.Parallel()
	for level, want := range map[alert.Level]slog.Level{
		alert.Informational: slog.LevelInfo, alert.Low: slog.LevelInfo, alert.Medium: slog.LevelWarn, alert.High: slog.LevelError, alert.Critical: slog.LevelError, "": slog.LevelInfo,
	} {
		t.Run(fmt.Sprintf("%q", level), func(t *testing.T) {
			t.Parallel()
			if got := logLevel(level); got != want {
				t.Error(got)
			}
		})
	}
}
