package doctor_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"flowkeeper/internal/doctor"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/rehearse"
)

func TestStateFile(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	path := filepath.Join(t.TempDir(), "state.db")
	at := func(d *doctor.Doctor) { d.Config.State.Path = path }
	f.examine(t, at).expect(t, "state-file", doctor.OK, "not there yet")
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error("the doctor made a state file")
	}
	f.examine(t, func(d *doctor.Doctor) { d.Config.State.Path = filepath.Dir(path) + "/a/state.db" }).expect(t, "state-file", doctor.OK, "not there yet")
	f.examine(t, func(d *doctor.Doctor) { d.Config.State.Path = filepath.Dir(path) + "/a/b/state.db" }).expect(t, "state-file", doctor.Fail, "and the folder above")
	remembers(t, path, func(*store.Tx) error { return nil })
	f.examine(t, at).expect(t, "state-file", doctor.OK, "2 flow logs protected in 1 scope")
	west := inventory.Scope{Account: acct, Region: "us-west-2"}
	remembersOf(t, path, west, func(*store.Tx) error { return nil })
	f.examine(t, at).expect(t, "state-file", doctor.Warn, "4 flow logs protected, but not watched any more, for it is not configured: 2 of 111122223333 us-west-2", "inventory.regions")
	f.examine(t, at, func(d *doctor.Doctor) { d.Config.Inventory.Regions = []string{region, "us-west-2"} }).expect(t, "state-file", doctor.OK, "4 flow logs protected in 2 scopes")
	must(t, os.Chmod(path, 0o644))
	f.examine(t, at).expect(t, "state-file", doctor.Fail, "open to everybody", "chmod 600 "+path)
	must(t, os.WriteFile(path, []byte(strings.Repeat("no database", 500)), 0o600))
	f.examine(t, at).expect(t, "state-file", doctor.Fail, "can't be read as a state file")
	f.examine(t, func(d *doctor.Doctor) { d.Config.State.Path = path + "/below/state.db" }).expect(t, "state-file", doctor.Fail, "not a directory")
}

// TestDiskSpace uses /proc, a file system without free space.
func TestDiskSpace(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc here")
	}
	f := newFake(t)
	f.examine(t).expect(t, "disk-space", doctor.OK)
	f.examine(t, func(d *doctor.Doctor) { d.Config.State.Path = "/proc/flowkeeper/state.db" }).expect(t, "disk-space", doctor.Fail, "0 MiB are free in /proc")
}

// remembers makes a state file whose snapshot has the fake's flow logs.
func remembers(t *testing.T, path string, more func(*store.Tx) error) (refreshed time.Time) {
	t.Helper()
	return remembersOf(t, path, inventory.Scope{Account: acct, Region: region}, more)
}

// rehearsed writes the results of rehearsals into a state file.
func rehearsed(t *testing.T, path string, what func(rehearse.Tx) error) {
	t.Helper()
	s, err := store.Open(t.Context(), path, store.Options{Daemon: true})
	must(t, err)
	must(t, s.Rehearsals().Update(t.Context(), what))
	must(t, s.Close())
}

func remembersOf(t *testing.T, path string, scope inventory.Scope, more func(*store.Tx) error) (refreshed time.Time) {
	t.Helper()
	s, err := store.Open(t.Context(), path, store.Options{Daemon: true})
	must(t, err)
	must(t, s.Update(t.Context(), func(tx *store.Tx) error {
		for id, set := range map[string]inventory.Settings{
			"fl-000000a1": {ResourceID: "vpc-1", TrafficType: "ALL", LogDestinationType: "s3", LogDestination: "arn:aws:s3:::b"},
			"fl-000000b2": {ResourceID: "vpc-2", TrafficType: "ALL", LogDestinationType: "cloud-watch-logs", LogGroupName: "g", DeliverLogsPermissionARN: roleARN},
		} {
			row := inventory.Row{FlowLog: inventory.FlowLog{ID: id, Scope: scope, Settings: set}, RootID: id, State: inventory.Live, Protected: true}
			if err := tx.PutFlowLog(row); err != nil {
				return err
			}
		}
		return more(tx)
	}))
	refreshed = time.Now()
	must(t, s.Refreshed(t.Context(), scope, refreshed, refreshed))
	must(t, s.Close())
	must(t, os.Remove(path+".lock"))
	return refreshed
}

func TestDaemon(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	answers := map[string]string{"/healthz": "ok", "/readyz": "ok"}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a := answers[r.URL.Path]; a != "ok" {
			http.Error(w, a, http.StatusServiceUnavailable)
		} else {
			_, _ = w.Write([]byte("ok\n")) // the client is the test itself
		}
	}))
	listen := strings.TrimPrefix(s.URL, "http://")
	path := filepath.Join(t.TempDir(), "state.db")
	at := func(d *doctor.Doctor) { d.Config.HTTP.Listen, d.Config.State.Path = listen, path }
	f.examine(t, at).expect(t, "daemon", doctor.OK, "healthy and ready")
	answers["/readyz"] = "the queue has not answered yet"
	f.examine(t, at).expect(t, "daemon", doctor.Fail, "not ready: the queue has not answered yet")
	answers["/healthz"] = "no progress: receive"
	f.examine(t, at).expect(t, "daemon", doctor.Fail, "not healthy: no progress: receive")
	s.Close()
	f.examine(t, at).expect(t, "daemon", doctor.Unknown, "no daemon runs here")

	// A daemon has used this state file, but none runs now.
	remembers(t, path, func(*store.Tx) error { return nil })
	f.examine(t, at).expect(t, "daemon", doctor.Fail, "no daemon runs here, and the one whose state file this is was at work until", "systemctl start flowkeeper")
	f.examine(t, at, func(d *doctor.Doctor) { d.Config.HTTP.Listen = "" }).expect(t, "daemon", doctor.Fail, "nothing is restored")

	// A process holds the lock and does not answer.
	lock, err := os.Create(path + ".lock")
	must(t, err)
	defer lock.Close()
	must(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB))
	f.examine(t, at).expect(t, "daemon", doctor.Fail, "holds the state file, but does not answer")
	f.examine(t, at, func(d *doctor.Doctor) { d.Config.HTTP.Listen = "" }).expect(t, "daemon", doctor.OK, "holds the state file")
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	path := filepath.Join(t.TempDir(), "state.db")
	refreshed := remembers(t, path, func(*store.Tx) error { return nil })
	at := func(d *doctor.Doctor) { d.Config.State.Path = path }
	f.examine(t, at).expect(t, "refresh", doctor.OK)
	f.examine(t, at, func(d *doctor.Doctor) {
		d.Config.Inventory.Schedule = "@every 1s"
		d.Now = func() time.Time { return refreshed.Add(time.Hour) }
	}).
		expect(t, "refresh", doctor.Warn, "the last refresh was 1h0m0s ago")
	other := func(d *doctor.Doctor) { d.Config.Inventory.Regions = []string{region, "us-east-1"} }
	f.examine(t, at, other).expect(t, "refresh", doctor.Warn, "there was no refresh yet")
	f.examine(t).expect(t, "refresh", doctor.Skipped)
}
