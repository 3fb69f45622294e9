package daemon

import (
	"bytes"
	"compress/gzip"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"flowkeeper/alert"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/internal/store"
)

const copies = "copies"

// withCopies gives the house a bucket for copies of its state file.
func (h *house) withCopies() {
	h.world.AddBucket(region, copies)
	h.daemon.Config.State.Path = filepath.Join(h.t.TempDir(), "flowkeeper", "state.db")
	h.daemon.Config.State.Backup = "s3://" + copies + "/flowkeeper"
}

func (h *house) latestCopy() string {
	b, _ := h.world.Object(copies, "flowkeeper/state.db.gz")
	return string(b)
}

// loseFiles stops the daemon and deletes the folder of its state file, as if the machine were lost.
func (h *house) loseFiles() {
	h.t.Helper()
	h.halt()
	if err := os.RemoveAll(filepath.Dir(h.daemon.Config.State.Path)); err != nil {
		h.t.Fatal(err)
	}
}

// TestTheCopyOutlivesTheMachine: a flow log that was deleted while no Flowkeeper ran is
// restored by one on another machine, from the copy of the state file.
func TestTheCopyOutlivesTheMachine(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.withCopies()
	id := h.plant(region, "vpc-1")
	h.refreshed()
	h.await("a copy", func() bool { return h.latestCopy() != "" })
	h.loseFiles() // the daemon makes a last copy when it stops
	h.world.Remove(account, region, id)
	h.restart()
	h.await("the flow log to be back", func() bool {
		logs := h.world.FlowLogs(account, region)
		return len(logs) == 1 && logs[0].ID != id && logs[0].Tags["Name"] == "vpc-1"
	})
	if !strings.Contains(h.log.String(), "the state file is back from its copy") {
		t.Error(h.log)
	}
}

// awaitAdopted waits for the alert that the state file was written from its copy, and returns it.
func (h *house) awaitAdopted() (a alert.Alert) {
	h.t.Helper()
	h.await("the alert of the copy", func() bool {
		for _, x := range h.pager.of(alert.Pipeline) {
			if strings.Contains(x.Cause, "the copy is s3://copies/flowkeeper/state.db.gz") {
				a = x
			}
		}
		return a.ID != ""
	})
	return a
}

// TestAnAdoptedCopyBringsNoReleasesAlong: an attacker with write access to the bucket could
// release every flow log. The alert names the copy and the releases that do not hold any more,
// and a flow log that was released is restored.
func TestAnAdoptedCopyBringsNoReleasesAlong(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.withCopies()
	ids := []string{h.plant(region, "vpc-1"), h.plant(region, "vpc-2")}
	h.refreshed()
	h.release(time.Now().Add(time.Hour))
	h.loseFiles()
	h.restart()
	a := h.awaitAdopted()
	for _, want := range []string{"with 2 flow logs protected in 1 scope", "the releases of 2 flow logs", "do not hold any more", "last modified"} {
		if !strings.Contains(a.Cause, want) {
			t.Errorf("no %q in %q", want, a.Cause)
		}
	}
	if a.Level != alert.High || a.Advice == "" || a.Title != "Flow logs at risk: the state file came back from its copy in S3" {
		t.Errorf("%+v", a)
	}
	if left, err := h.daemon.store.Released(t.Context()); err != nil || left.FlowLogs != 0 {
		t.Errorf("%+v, %v", left, err)
	}
	h.strike(ids...)
	h.await("both flow logs to be back", func() bool { return h.countOn(region, "vpc-1") == 1 && h.countOn(region, "vpc-2") == 1 })
	h.halt()
	h.restart() // with its own state file, not a copy: there must be no further alert
	alerts := 0
	for _, x := range h.pager.of(alert.Pipeline) {
		if strings.Contains(x.Cause, "the state file came back from") {
			alerts++
		}
	}
	if alerts != 1 {
		t.Errorf("%d alerts of an adopted copy, want 1", alerts)
	}
}

// forge changes the copy in the bucket, as an attacker with write access would.
func (h *house) forge(statements ...string) {
	h.t.Helper()
	unpacked, err := gzip.NewReader(strings.NewReader(h.latestCopy()))
	if err != nil {
		h.t.Fatal(err)
	}
	text, err := io.ReadAll(unpacked)
	name := filepath.Join(h.t.TempDir(), "forged.db")
	if err = errors.Join(err, os.WriteFile(name, text, 0o600)); err != nil {
		h.t.Fatal(err)
	}
	db, err := sql.Open("sqlite", name)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, q := range statements {
		if _, err := db.Exec(q); err != nil {
			h.t.Fatalf("%s: %v", q, err)
		}
	}
	if text, err = os.ReadFile(name); err != nil {
		h.t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err = z.Write(text)
	if err = errors.Join(err, z.Close(), db.Close()); err != nil {
		h.t.Fatal(err)
	}
	u := h.world.User("999988887777", "thief", false)
	api := s3.New(s3.Options{Region: region, HTTPClient: h.world.HTTPClient(), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(u.AccessKeyID, u.SecretAccessKey, "")})
	_, err = api.PutObject(h.t.Context(), &s3.PutObjectInput{Bucket: aws.String(copies), Key: aws.String("flowkeeper/state.db.gz"), Body: bytes.NewReader(packed.Bytes())})
	if err != nil {
		h.t.Fatal(err)
	}
}

// TestAForgedCopyHidesNoDeletion: a forged copy does no more harm than no copy. Whatever is in
// it, a later deletion is alerted and restored.
func TestAForgedCopyHidesNoDeletion(t *testing.T) {
	t.Parallel()
	// insertIncident forges an incident of each flow log. Its placeholders are the state and the reason.
	insertIncident := `INSERT INTO incidents (account, region, id, root_id, resource_id, state, reason, known, event_id, detected_at, first_seen_at, settled_at, body)
		SELECT account, region, id, root_id, resource_id, '%s', '%s', 1, 'e', 1, 1, 1, json_object('Scope', json_object('account', account, 'region', region), 'FlowLogID', id,
		'RootID', root_id, 'ResourceID', resource_id, 'State', '%[1]s', 'Reason', '%[2]s', 'Action', 4, 'Known', json('true'), 'ModeOnly', json('true')) FROM flow_logs`
	for name, statements := range map[string][]string{
		"released, in capitals that only the daemon reads": {`UPDATE flow_logs SET body = packed(json_set(json_remove(unpacked(body), '$.ReleasedUntil', '$.ReleasedAt'), '$.RELEASEDUNTIL', '2999-01-01T00:00:00Z', '$.Releasedat', '2020-01-01T00:00:00Z'))`},
		"not protected":                  {`UPDATE flow_logs SET protected = 0, target = NULL, body = packed(json_set(unpacked(body), '$.Protected', json('false')))`},
		"held":                           {`UPDATE flow_logs SET protected = 0, target = NULL, held = 1, body = packed(json_set(unpacked(body), '$.Protected', json('false'), '$.Held', json('true')))`},
		"excluded":                       {`UPDATE flow_logs SET protected = 0, target = NULL, body = packed(json_set(unpacked(body), '$.Protected', json('false'), '$.Excluded', json('true')))`},
		"gone":                           {`UPDATE flow_logs SET state = 'gone', target = NULL, gone_at = 1, body = packed(json_set(unpacked(body), '$.State', 'gone'))`},
		"gone, and released for good":    {fmt.Sprintf(insertIncident, "closed", "released"), `UPDATE flow_logs SET state = 'gone', target = NULL, gone_at = 1, body = packed(json_set(unpacked(body), '$.State', 'gone'))`},
		"live, and released for good":    {fmt.Sprintf(insertIncident, "closed", "released")},
		"live, and its resource is gone": {fmt.Sprintf(insertIncident, "closed", "resource_gone")},
		"live, and restored long ago":    {fmt.Sprintf(insertIncident, "verified", "")},
		"gone, and being restored":       {fmt.Sprintf(insertIncident, "open", ""), `UPDATE flow_logs SET state = 'gone', target = NULL, gone_at = 1, body = packed(json_set(unpacked(body), '$.State', 'gone'))`},
		"restored too often": {`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)
			INSERT INTO incidents (account, region, id, root_id, resource_id, state, reason, known, event_id, detected_at, first_seen_at, restored_at, settled_at, body)
			SELECT account, region, id || i, root_id, resource_id, 'verified', '', 1, 'e', 1, 1, unixepoch() * 1000, 1, json_object('State', 'verified', 'RootID', root_id, 'Known', json('true'),
			'RestoredAt', '2999-01-01T00:00:00Z') FROM flow_logs, n`},
		"an incident without a flow log": {fmt.Sprintf(insertIncident, "closed", "released"), `DELETE FROM flow_logs`},
		"another flow log's settings": {`UPDATE flow_logs SET body = packed(json_set(unpacked(body), '$.log_destination', 'arn:aws:s3:::evil'))`,
			strings.Replace(fmt.Sprintf(insertIncident, "closed", "still_there"), "json('true'))", "json('false'), 'Frozen', json_object('resource_id', resource_id, 'traffic_type', 'ALL', 'log_destination_type', 's3', 'log_destination', 'arn:aws:s3:::evil'))", 1)},
		"unprotected, gone, and blocked": {fmt.Sprintf(insertIncident, "blocked", "decoy"),
			`UPDATE flow_logs SET state = 'gone', protected = 0, target = NULL, gone_at = 1, body = packed(json_set(unpacked(body), '$.State', 'gone', '$.Protected', json('false')))`},
		"closed in mode alert": {fmt.Sprintf(insertIncident, "closed", "alert_only")},
		"imported from a file": {`UPDATE flow_logs SET body = packed(json_set(unpacked(body), '$.Imported', json('true')))`},
		"no flow logs":         {`DELETE FROM flow_logs`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.withCopies()
			id := h.plant(region, "vpc-1")
			h.refreshed()
			h.loseFiles()
			h.forge(statements...)
			h.restart()
			h.awaitAdopted()
			h.await("the flow log to be protected", func() bool {
				row, ok, err := h.daemon.store.FindFlowLog(t.Context(), id)
				return err == nil && ok && row.Rehearsable()
			})
			h.strike(id)
			h.awaitBack(region, "vpc-1")
		})
	}
}

// TestAnAdoptedCopyNeedsNoListing: a forged copy says that an account has left the organisation, and AWS Organizations
// refuses to list the accounts, or does not answer. The daemon must protect the account all the same.
func TestAnAdoptedCopyNeedsNoListing(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]fakeawstest.Refusal{"refused": {Code: "AccessDeniedException"}, "no answer": {Hangs: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := organized(t)
				h.withCopies()
				h.plantIn(payments, "vpc-2")
				h.join(payments, "payments-prod")
				h.receives()
				h.awaitProtected(payments)
				time.Sleep(time.Minute) // until the flow log is old enough to count as lost
				h.loseFiles()
				h.forge(`UPDATE accounts SET left_at = 1, why = 'left'`)
				h.vanish(payments)
				h.world.Meet(func(q *fakeaws.Request) fakeawstest.Refusal {
					if q.Service == "organizations" {
						return lost
					}
					return fakeawstest.Refusal{}
				})
				begun := time.Now()
				h.restart()
				h.awaitProtected(payments)
				if took := time.Since(begun); took > time.Minute {
					t.Errorf("the account was protected after %s", took)
				}
				h.await("the flow log to be back", func() bool { return h.countIn(payments) == 1 })
				time.Sleep(2 * time.Hour)
				h.await("the alert that the accounts can't be listed", func() bool {
					return slices.ContainsFunc(h.pager.of(alert.Pipeline), func(a alert.Alert) bool {
						return strings.Contains(a.Cause, "accounts of the organisation can't be listed")
					})
				})
				h.world.Meet(nil)
				h.list()
				h.await("the accounts to be listed", func() bool { _, at, err := h.daemon.store.Accounts(t.Context()); return err == nil && !at.IsZero() })
			})
		})
	}
}

// TestACopyWithATriggerIsNotAdopted: an attacker can add a trigger to the copy, which would undo what the daemon
// writes.
func TestACopyWithATriggerIsNotAdopted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.withCopies()
	h.plant(region, "vpc-1")
	h.refreshed()
	h.loseFiles()
	h.forge(`CREATE TRIGGER quiet AFTER INSERT ON deliveries BEGIN UPDATE deliveries SET sent_at = 1; END`)
	h.newDaemon()
	err := h.daemon.Run(t.Context())
	close(h.done) // the daemon has ended
	if !errors.Is(err, store.ErrStrange) || !strings.Contains(err.Error(), "trigger quiet") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(h.daemon.Config.State.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a state file is there: %v", err)
	}
}

// TestLeftoversOfAnotherFileAreNotTheCopys: only the state file itself is lost. An older WAL of SQLite, and files of a
// copy whose download did not finish, are still there. The daemon must not mix them with the copy that it adopts.
func TestLeftoversOfAnotherFileAreNotTheCopys(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.withCopies()
	h.plant(region, "vpc-1")
	h.refreshed()
	path := h.daemon.Config.State.Path
	wal, err := os.ReadFile(path + "-wal")
	if err != nil || len(wal) == 0 {
		t.Fatalf("%d bytes, %v", len(wal), err)
	}
	id := h.plant(region, "vpc-2")
	h.await("the second flow log to be in the snapshot", func() bool { _, ok, err := h.daemon.store.FindFlowLog(t.Context(), id); return ok && err == nil })
	h.loseFiles()
	h.world.Remove(account, region, id)
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path + "-wal", path + ".copy", path + ".copy-wal"} {
		if err := os.WriteFile(name, wal, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.restart()
	h.awaitBack(region, "vpc-2")
}

// TestACopyThatCannotBeReadIsLeftAlone: the daemon starts with an empty state file, adds an
// alert, and does not overwrite what may be the only copy.
func TestACopyThatCannotBeReadIsLeftAlone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.withCopies()
	h.plant(region, "vpc-1")
	h.refreshed()
	h.await("a copy", func() bool { return h.latestCopy() != "" })
	h.loseFiles()
	before := h.latestCopy()
	h.world.Fail("GetObject", 1000, "AccessDenied", 403)
	h.restart()
	h.await("the alert", func() bool {
		for _, a := range h.pager.of(alert.Pipeline) {
			if strings.Contains(a.Cause, "its copy can't be read") {
				return true
			}
		}
		return false
	})
	h.await("a try to copy", func() bool { return strings.Contains(h.log.String(), "could not be copied") })
	if h.latestCopy() != before {
		t.Error("the old copy is overwritten")
	}
}
