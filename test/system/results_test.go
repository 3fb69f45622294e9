package system_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// row and incident have the fields of the commands' JSON that this test reads.
type row struct {
	FlowLogID string `json:"flow_log_id"`
	State     string `json:"state"`
	Protected bool   `json:"protected"`
}

type incident struct {
	FlowLogID    string   `json:"flow_log_id"`
	State        string   `json:"state"`
	Reason       string   `json:"reason"`
	Source       string   `json:"source"`
	EventID      string   `json:"event_id"`
	NewFlowLogID string   `json:"new_flow_log_id"`
	BlindSeconds *float64 `json:"blind_seconds"`
	Actor        struct {
		ARN string `json:"arn"`
	} `json:"actor"`
}

// lines decodes one object for each line.
func lines[T any](text []byte) ([]T, error) {
	var all []T
	for line := range bytes.Lines(text) {
		var v T
		if err := json.Unmarshal(line, &v); err != nil {
			return nil, fmt.Errorf("%w, in the line %s", err, line)
		}
		all = append(all, v)
	}
	return all, nil
}

// knows returns an error that names a flow log which the snapshot does not protect yet.
func (d *daemon) knows(t *testing.T, ids []string) error {
	t.Helper()
	out, err := d.output(t, "inventory", "list", "--json")
	if err != nil {
		return err
	}
	rows, err := lines[row](out)
	if err != nil {
		return err
	}
	live := map[string]bool{}
	for _, r := range rows {
		live[r.FlowLogID] = r.State == "live" && r.Protected
	}
	for _, id := range ids {
		if !live[id] {
			return fmt.Errorf("%s is not among %+v", id, rows)
		}
	}
	return nil
}

// checkRestored waits for all that follows from one deletion: the flow logs are back as they
// were, there was an alert that names who deleted them, and the incidents say the same.
func (d *daemon) checkRestored(t *testing.T, w *world, h *webhook, before flowLogs, r record) {
	t.Helper()
	d.waitFor(t, "the flow logs are back as they were", func() error { return w.restored(t, before, r.lost) })
	d.waitFor(t, "the deletion was alerted", func() error { return h.checkAlert("deletion", r, w.attackerARN()) })
	d.waitFor(t, "the restore was alerted", func() error { return h.checkAlert("restored", r, w.attackerARN()) })
	d.waitFor(t, "the incidents are restored", func() error { return d.incidentsRestored(t, w, r) })
}

func (d *daemon) incidentsRestored(t *testing.T, w *world, r record) error {
	t.Helper()
	out, err := d.output(t, "incidents", "list", "--json")
	if err != nil {
		return err
	}
	all, err := lines[incident](out)
	if err != nil {
		return err
	}
	replaces := map[string]string{} // the replacement's ID, by the lost one's
	for _, logs := range w.now(t) {
		for _, l := range logs {
			replaces[l.restoredFrom] = l.id
		}
	}
	byID := map[string]incident{}
	for _, i := range all {
		byID[i.FlowLogID] = i
	}
	for _, id := range r.lost {
		i, ok := byID[id]
		if !ok {
			return fmt.Errorf("no incident of %s", id)
		}
		if i.State != "restored" || i.Source != "event" || i.EventID != r.eventID || i.Actor.ARN != w.attackerARN() {
			return fmt.Errorf("incident %+v, want it restored, by event %s", i, r.eventID)
		}
		if i.NewFlowLogID == "" || i.NewFlowLogID != replaces[id] {
			return fmt.Errorf("incident of %s names the replacement %q; AWS has %q with the tag", id, i.NewFlowLogID, replaces[id])
		}
		if i.BlindSeconds == nil || *i.BlindSeconds < 0 || *i.BlindSeconds > patience.Seconds() {
			return fmt.Errorf("incident of %s: blind seconds %v, want a plausible time", id, i.BlindSeconds)
		}
	}
	return nil
}

// checkLog wants each line of the log to be a JSON object without a secret (I11).
func (d *daemon) checkLog(t *testing.T, h *webhook) {
	t.Helper()
	log := d.stderr.String()
	if _, err := lines[map[string]any]([]byte(log)); err != nil {
		t.Errorf("the log is not JSON: %v", err)
	}
	for _, secret := range []string{secretKey, h.secret, h.url} {
		if strings.Contains(log, secret) {
			t.Errorf("the log shows the secret %s", secret)
		}
	}
}
