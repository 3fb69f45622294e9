package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"flowkeeper/internal/store"
	"flowkeeper/inventory"
)

// TestApproveRefusesWhatIsNoDestination: approve refuses an argument that is no destination of a held flow log, and
// says what to type.
func TestApproveRefusesWhatIsNoDestination(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]struct {
		code int
		text string
	}{
		"":                           {exitUsage, "approve needs the ARN of a bucket"},
		"flow-logs":                  {exitUsage, `"flow-logs" is not the ARN of a bucket, log group or stream`},
		"fl-0123456789abcdef0":       {exitUsage, "is not the ARN of a bucket"},
		"arn:aws:s3:::nobodys":       {exitFailed, "no flow log that is held delivers to the bucket nobodys: see `flowkeeper inventory list --held`"},
		"arn:aws:s3:::nobodys/a bad": {exitFailed, "the bucket nobodys"},
	} {
		t.Run(fmt.Sprintf("%q", typed), func(t *testing.T) {
			t.Parallel()
			if code, out := flowkeeper(t, "--state", hostileState(t), "inventory", "approve", typed); code != want.code || !strings.Contains(out, want.text) {
				t.Errorf("%d: %s", code, out)
			}
		})
	}
	if code, out := flowkeeper(t, "inventory", "approve"); code != exitUsage || !strings.Contains(out, "approve needs the ARN of a bucket") {
		t.Errorf("%d: %s", code, out)
	}
}

// TestApproveCommand: the inventory commands list held flow logs, complete their destinations, and approve them.
func TestApproveCommand(t *testing.T) {
	t.Parallel()
	path := stateFile(t, func(tx *store.Tx) error {
		f := inventory.FlowLog{ID: "fl-00000000000000001", Scope: scope, Settings: inventory.Settings{ResourceID: "vpc-1", LogDestination: "arn:aws:s3:::later/prefix"}}
		return tx.PutFlowLog(inventory.Row{FlowLog: f, RootID: f.ID, State: inventory.Live, Held: true, FirstSeenAt: noon})
	})
	for _, step := range []struct{ typed, want string }{
		{"inventory list --held --json", `"held":true`},
		{"inventory list --held", "held: destination not"},
		{"__complete inventory approve arn:aws:s3", "arn:aws:s3:::later\tfl-00000000000000001 of vpc-1"},
		{"inventory approve fl-00000000000000001", "fl-00000000000000001 is a flow log: approve where it delivers: flowkeeper inventory approve arn:aws:s3:::later"},
		{"inventory approve arn:aws:s3:::later --json", `"protected":true`},
		{"inventory approve arn:aws:s3:::later", "approved: the bucket later"},
		{"inventory list --held", "no flow logs that match"},
		{"inventory approve fl-00000000000000001", "fl-00000000000000001 is a flow log that is not held: there is nothing to approve"},
	} {
		words := strings.Fields(step.typed)
		args := append(words, "--state", path)
		if words[0] == "__complete" { // the last word is completed
			args = slices.Insert(words, 1, "--state", path)
		}
		if code, out := flowkeeper(t, args...); (code != exitFine) != strings.Contains(step.typed, "approve fl-") || !strings.Contains(out, step.want) {
			t.Errorf("%s: %d: %s", step.typed, code, out)
		}
	}
}
