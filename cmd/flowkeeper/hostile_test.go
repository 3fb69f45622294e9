package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"flowkeeper/internal/organization"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// hostileState creates a state file with flow logs whose destinations have folders with names that a shell would
// execute.
func hostileState(t *testing.T) (path string) {
	t.Helper()
	return stateFile(t, func(tx *store.Tx) error {
		for _, folder := range []string{"$(id)/a", "$(id)/b", "plain/a"} {
			to := "arn:aws:s3:::bucket/" + folder
			if _, err := tx.NewDestination(scope, to, noon); err != nil {
				return err
			}
			id := "fl-0000000" + folder[len(folder)-1:] + strings.Repeat("0", len(folder)-6)
			f := inventory.FlowLog{ID: id, Scope: scope, Settings: inventory.Settings{ResourceID: "vpc-1", LogDestination: to}}
			if err := tx.PutFlowLog(inventory.Row{FlowLog: f, RootID: f.ID, State: inventory.Live}); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestI12CompletionOffersNoCode: bash puts the common beginning of all offered words on the command line as it is, and
// evaluates that line at the next completion. So a destination that an attacker has chosen would be executed, if it
// were offered.
func TestI12CompletionOffersNoCode(t *testing.T) {
	t.Parallel()
	_, got := flowkeeper(t, "__complete", "--state", hostileState(t), "inventory", "release", "--destination", "")
	if strings.ContainsAny(got, "$`;&|<>()") || !strings.Contains(got, "arn:aws:s3:::bucket/plain/a") {
		t.Errorf("%s", got)
	}
}

// TestI12CompletionOffersEachWordOnce: if the same word is offered twice, bash puts the common beginning of the two
// descriptions on the command line, too. An attacker may have chosen these texts.
func TestI12CompletionOffersEachWordOnce(t *testing.T) {
	t.Parallel()
	path := stateFile(t, func(tx *store.Tx) (err error) {
		for n, id := range []string{"222233334444", "333344445555"} {
			account := organization.Account{ID: id, Name: "$(touch /tmp/x)", State: organization.Active, Selected: true}
			i := incident.Incident{FlowLogID: "fl-000000a1", State: incident.Open, ResourceID: "`id`;"}
			i.Scope = inventory.Scope{Account: id, Region: "eu-west-1"}
			f := inventory.FlowLog{ID: fmt.Sprintf("fl-000000b%d", n), Scope: i.Scope, Settings: inventory.Settings{ResourceID: "$(id)", LogDestination: "arn:aws:s3:::later/prefix"}}
			err = errors.Join(err, tx.PutMember(organization.Member{Account: account, FirstAt: noon}), tx.PutIncident(i),
				tx.PutFlowLog(inventory.Row{FlowLog: f, RootID: f.ID, State: inventory.Live, Held: true, FirstSeenAt: noon}))
		}
		return err
	})
	for typed, want := range map[string][]string{
		"accounts list --account": {"222233334444", "333344445555", "touch-/tmp/x"},
		"incidents show":          {"fl-000000a1"},
		"inventory approve":       {"arn:aws:s3:::later"},
	} {
		t.Run(typed, func(t *testing.T) {
			t.Parallel()
			_, got := flowkeeper(t, append(append([]string{"__complete", "--state", path}, strings.Fields(typed)...), "")...)
			_, offers, _ := strings.Cut(got, "\n") // the first line is a help text, not an offer
			offers, _, _ = strings.Cut(offers, ":4\n")
			var words []string
			for line := range strings.Lines(offers) {
				word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
				words = append(words, word)
			}
			slices.Sort(words)
			if !slices.Equal(words, want) || strings.ContainsAny(offers, "$`\\\"!;&|<>(){}[]*?~#") {
				t.Error(got)
			}
		})
	}
}

// TestExportKeepsWhatIsNoFile: an export to a pipe or to /dev/stdout writes into it, and an export to a symbolic link
// writes to its target. It does not replace them by a file.
func TestExportKeepsWhatIsNoFile(t *testing.T) {
	t.Parallel()
	dir, state := t.TempDir(), hostileState(t)
	pipe, link, target := filepath.Join(dir, "pipe"), filepath.Join(dir, "link"), filepath.Join(dir, "target")
	for _, err := range []error{syscall.Mkfifo(pipe, 0o600), os.WriteFile(target, nil, 0o600), os.Symlink(target, link)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	read := make(chan []byte, 1)
	go func() {
		f, err := os.Open(pipe)
		if err != nil {
			read <- nil
			return
		}
		defer f.Close()
		all, _ := io.ReadAll(f) // the comparison below fails if the read does
		read <- all
	}()
	for _, path := range []string{pipe, link} {
		if code, out := flowkeeper(t, "--state", state, "inventory", "export", path); code != exitFine {
			t.Fatalf("%s: exit code %d: %s", path, code, out)
		}
	}
	piped := <-read
	linked, err := os.ReadFile(target)
	if err != nil || len(piped) == 0 || bytes.Count(piped, []byte("\n")) != bytes.Count(linked, []byte("\n")) {
		t.Errorf("%q and %q, %v", piped, linked, err)
	}
	for path, want := range map[string]os.FileMode{pipe: os.ModeNamedPipe, link: os.ModeSymlink} {
		if info, err := os.Lstat(path); err != nil || info.Mode().Type() != want {
			t.Errorf("%s was replaced: it is %v, %v", path, info, err)
		}
	}
}
