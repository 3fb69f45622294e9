package main

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowkeeper/internal/store"
	"flowkeeper/inventory"
)

// TestApproveRefusesWhatIsNoDestination: nothing is changed, and the answer says what to type.
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
		var out bytes.Buffer
		args := append([]string{"--state", hostileState(t), "inventory", "approve"}, splitOne(typed)...)
		if code := testApp(&out).execute(t.Context(), args); code != want.code || !strings.Contains(out.String(), want.text) {
			t.Errorf("%q: %d: %s", typed, code, out.String())
		}
	}
}

// TestApproveCommand: it lists, completes and approves what is held.
func TestApproveCommand(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := store.Open(t.Context(), path, store.Options{Daemon: true})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(t.Context(), func(tx *store.Tx) error {
		f := inventory.FlowLog{ID: "fl-00000000000000001", Scope: scope, Settings: inventory.Settings{ResourceID: "vpc-1", LogDestination: "arn:aws:s3:::later/prefix"}}
		return tx.PutFlowLog(inventory.Row{FlowLog: f, RootID: f.ID, State: inventory.Live, Held: true, FirstSeenAt: noon})
	})
	if err = errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ typed, want string }{
		{"inventory list --held --json", `"held":true`},
		{"inventory list --held", "held: destination not"},
		{"__complete inventory approve arn:aws:s3", "arn:aws:s3:::later\tfl-00000000000000001 of vpc-1"},
		{"inventory approve arn:aws:s3:::later --json", `"protected":true`},
		{"inventory approve arn:aws:s3:::later", "approved: the bucket later"},
		{"inventory list --held", "no flow logs that match"},
	} {
		var out bytes.Buffer
		args := append(strings.Fields(step.typed), "--state", path)
		if strings.HasPrefix(step.typed, "__complete") {
			args = slices.Concat([]string{"__complete", "--state", path}, strings.Fields(step.typed)[1:])
		}
		if code := testApp(&out).execute(t.Context(), args); code != exitFine || !strings.Contains(out.String(), step.want) {
			t.Errorf("%s: %d: %s", step.typed, code, out.String())
		}
	}
}

// splitOne is a text as one argument; none if it is empty.
func splitOne(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}
