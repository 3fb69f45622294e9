package store

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"
	"pgregory.net/rapid"

	"flowkeeper/inventory"
)

// TestPackedIsAsItWas: unpack returns any body byte for byte, whether it was packed or not.
func TestPackedIsAsItWas(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.Map(rapid.SliceOf(rapid.SampledFrom([]string{"arn:aws:", `"Status":"ACTIVE",`, `{"ID":"fl-0`, "0123456789abcdef", "\x00\x01é", strings.Repeat("a", 40_000)})), func(s []string) string { return strings.Join(s, "") }),
			rapid.String()).Draw(t, "text")
		got, err := unpack(pack(text))
		if err != nil || string(got) != text {
			t.Fatalf("%q, %v", got, err)
		}
		if plain, err := unpack([]byte(`{` + text)); err != nil || string(plain) != `{`+text {
			t.Fatalf("not packed: %q, %v", plain, err)
		}
	})
}

// TestTheDictionaryNeverChanges: state files have rows that were packed with this dictionary. A changed dictionary
// would make them unreadable; a new one needs another first byte.
func TestTheDictionaryNeverChanges(t *testing.T) {
	t.Parallel()
	const want = "6e24dc6bdfffc0f9"
	if got := fmt.Sprintf("%x", sha256.Sum256([]byte(dictionary)))[:16]; got != want || len(dictionary) > 8<<10 {
		t.Errorf("%s, %d bytes", got, len(dictionary))
	}
}

// TestUnpackIsBounded: a few packed bytes could inflate to gigabytes, so unpack refuses more than mostUnpacked. A body
// that is larger is stored without packing.
func TestUnpackIsBounded(t *testing.T) {
	t.Parallel()
	text := strings.Repeat(" ", mostUnpacked+1)
	bomb := bytes.NewBuffer([]byte{packed})
	if err := flate.StatelessDeflate(bomb, []byte(text), true, []byte(dictionary)); err != nil || bomb.Len() > 1<<14 {
		t.Fatal(bomb.Len(), err)
	}
	if got, err := unpack(bomb.Bytes()); err == nil {
		t.Errorf("unpacked %d bytes, want an error", len(got))
	}
	if got, err := unpack(pack(text)); err != nil || string(got) != text {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if got, err := unpack([]byte{packed, 0xff, 0xff}); err == nil {
		t.Errorf("half a stream unpacks to %q, want an error", got)
	}
}

// TestUpgradePacksRows: the upgrade packs the rows of an older file, which are read as before. A damaged row does not
// stop the upgrade, and stays an error.
func TestUpgradePacksRows(t *testing.T) {
	t.Parallel()
	row := func(id string) inventory.Row {
		return inventory.Row{FlowLog: flowLog(id), RootID: id, State: inventory.Live, Protected: true, WrittenAt: noon, FirstSeenAt: noon, LastSeenAt: noon}
	}
	failing, other, damaged := row("fl-1"), row("fl-2"), row("fl-3")
	failing.FailingAlerted, failing.DeliverLogsStatus = true, "FAILED"
	other.Scope.Region = "eu-west-2"
	path := older(t, 10, failing, other, damaged)
	exec(t, raw(t, path), `UPDATE flow_logs SET body = '{"damaged' WHERE id = 'fl-3'`)
	s := open(t, path)
	if got := s.row(t, "fl-1"); body(got) != body(failing) {
		t.Errorf("%s\nwant %s", body(got), body(failing))
	}
	if n := s.count(t, `SELECT count(*) FROM flow_logs WHERE typeof(body) = 'blob' AND target IS NOT NULL`); n != 3 {
		t.Errorf("%d of 3 rows are packed, and have a target", n)
	}
	if _, _, err := s.FindFlowLog(t.Context(), "fl-3"); err == nil || !strings.Contains(err.Error(), "fl-3") {
		t.Errorf("a damaged row: %v", err)
	}
	for region, want := range map[string]bool{scope.Region: true, "eu-west-2": false} {
		s.put(t, func(tx *Tx) error {
			got, err := tx.AnyFailing(inventory.Scope{Account: scope.Account, Region: region})
			if got != want {
				t.Errorf("%s: a failing delivery was alerted: %v, want %v", region, got, want)
			}
			return err
		})
	}
	if c, err := s.Counts(t.Context()); err != nil || c.Protected[scope] != 2 || c.Restorable["unknown"] != 3 {
		t.Errorf("%+v, %v", c, err)
	}
}
