package sink

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"flowkeeper/alert"
	"flowkeeper/alert/alerttest"
)

// TestEverySinkShowsNames: each sink shows the names of the account and of the flow log's resource.
func TestEverySinkShowsNames(t *testing.T) {
	t.Parallel()
	a := alerttest.Deletion()
	a.WriteNamed(alert.Names{
		Accounts:  map[string]string{a.Account: "payments & <!here> prod"},
		Resources: map[alert.Resource]string{{Account: a.Account, Region: a.Region, ID: "vpc-0aaa"}: "main"},
	})
	h := newTestSinks(t)
	h.send(t, a)
	var log bytes.Buffer
	if err := NewLog(slog.New(slog.NewJSONHandler(&log, nil))).Send(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	for sink, x := range map[string]struct {
		body  string
		wants []string
	}{
		"webhook":   {string(h.webhook.last(t)), []string{`"account_name":"payments \u0026 \u003c!here\u003e prod"`, `"resource_name":"main"`}},
		"pagerduty": {string(h.pager.last(t)), []string{`"source":"111122223333/eu-west-1"`, `"account":"payments \u0026 \u003c!here\u003e prod (111122223333)"`, "vpc-0aaa (main)"}},
		"slack":     {string(h.slack.last(t)), []string{"vpc-0aaa (main)", `payments \u0026amp; \u0026lt;!here\u0026gt; prod (111122223333)`}},
		"log":       {log.String(), []string{`"account_name":"payments & <!here> prod"`}},
	} {
		t.Run(sink, func(t *testing.T) {
			t.Parallel()
			for _, want := range x.wants {
				if !strings.Contains(x.body, want) {
					t.Errorf("no %s in %s", want, x.body)
				}
			}
		})
	}
}
