package daemon

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/configs"
	"flowkeeper/internal/logbucket"
	"flowkeeper/internal/logfile"
	"flowkeeper/internal/store"
	"flowkeeper/watcher"
)

// TestABucketIsReadAgainWhenAllOfItIs: the bucket's policy denies the files of one account, and allows those of
// another. There is one alert, which does not end while any file is denied, although others are read, also after a
// restart.
func TestABucketIsReadAgainWhenAllOfItIs(t *testing.T) {
	t.Parallel()
	h := logHouse(t)
	h.refreshed()
	h.world.RefuseObjects(trail, "AWSLogs/o-exampleorgid/"+account, "AccessDenied", "Access Denied", 403)
	other := strings.ReplaceAll(fileKey, account, trailOwner)
	h.store(fileKey, otherRecord)
	h.store(other, otherRecord)
	files := newLogFiles(h.daemon).(*logFiles)
	read := func(key string, works bool) {
		t.Helper()
		err := files.Read(t.Context(), watcher.Object{Bucket: trail, Key: key}, func([]byte) error { return nil })
		if (err == nil) != works {
			t.Errorf("%s: %v", key, err)
		}
	}
	awaitAlerts := func(n int) {
		t.Helper()
		h.await(fmt.Sprintf("%d alerts", n), func() bool { return len(h.pager.of(alert.Pipeline)) == n })
	}
	for range 3 {
		read(fileKey, false)
		read(other, true)
	}
	awaitAlerts(1)
	if a := h.pager.of(alert.Pipeline)[0]; !strings.Contains(a.Cause, "those of account "+account) || !strings.Contains(a.Cause, "allow s3:GetObject") {
		t.Errorf("%q", a.Cause)
	}
	files = newLogFiles(h.daemon).(*logFiles) // those of a daemon after a restart
	read(other, true)
	read(fileKey, false)
	read(other, true)
	if n := strings.Count(h.log.String(), "can be read again"); n != 0 {
		t.Errorf("%d lines say that the bucket can be read again, want 0", n)
	}
	h.world.AllowObjects(trail)
	read(fileKey, true)
	awaitAlerts(2)
	if a := h.pager.of(alert.Pipeline); !a[1].Resolves() {
		t.Errorf("%+v", a)
	}
}

// TestFoldersThatFail: messages may name any number of folders that do not exist. The daemon remembers a bounded number
// of failing folders, and forgets a folder that was not tried for failsFor.
func TestFoldersThatFail(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	d := h.connected(t.Context())
	b := newLogBucket(d, logbucket.New(aws.Config{}, configs.LogBucket{Name: trail}))
	refused := &smithy.GenericAPIError{Code: "AccessDenied"}
	now := time.Now()
	at := func(after time.Duration) time.Time { return now.Add(after) }
	for n := range 3 * maxFolders {
		b.alertFailing(t.Context(), fmt.Sprintf("%d/%s", n, fileKey), refused, at(time.Duration(n)))
	}
	if n := len(b.failing); n != maxFolders || b.failing[folderOf(fmt.Sprintf("%d/%s", 3*maxFolders-1, fileKey))] == nil {
		t.Errorf("%d folders are remembered, want %d with the last one", n, maxFolders)
	}
	b.noteRead(t.Context(), fileKey, at(failsFor))
	if len(b.failing) == 0 {
		t.Error("the folders are forgotten too early")
	}
	b.noteRead(t.Context(), fileKey, at(failsFor+time.Second))
	if n := len(b.failing); n > 0 || b.alerts.WasAlerted(t.Context()) {
		t.Errorf("%d folders still count as failing, or the bucket has an alert", n)
	}
}

// TestUnreadableFilesAreLoggedOnce: files that can't be read are logged once an hour for each cause, with the number of
// tries since the last line.
func TestUnreadableFilesAreLoggedOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	d := h.connected(t.Context())
	b := newLogBucket(d, logbucket.New(aws.Config{}, configs.LogBucket{Name: trail}))
	missing, broken := &smithy.GenericAPIError{Code: "NoSuchKey"}, fmt.Errorf("%w: it is empty", logfile.ErrNotALogFile)
	now := time.Now()
	for range 100 {
		b.alertUnreadable(t.Context(), fileKey, missing, now)
		b.alertUnreadable(t.Context(), fileKey, broken, now)
	}
	lines := func() int { return strings.Count(h.log.String(), "log files can't be read, such as this one") }
	if n := lines(); n != 2 {
		t.Errorf("%d lines of log, want 2", n)
	}
	b.alertUnreadable(t.Context(), fileKey, missing, now.Add(alertEvery))
	if n := lines(); n != 3 || !strings.Contains(h.log.String(), `"tries":100`) {
		t.Errorf("%d lines of log, want 3, the last with 100 tries:\n%s", n, h.log)
	}
}

// TestInventedFoldersOfABucket: somebody who may send messages names folders that do not exist. They must neither cause
// alerts without end nor displace the folder that really fails.
func TestInventedFoldersOfABucket(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		d := h.connected(t.Context())
		b := newLogBucket(d, logbucket.New(aws.Config{}, configs.LogBucket{Name: trail}))
		refused := &smithy.GenericAPIError{Code: "AccessDenied"}
		invented := 0
		fail := func() {
			b.alertFailing(t.Context(), fmt.Sprintf("%d/%s", invented, fileKey), refused, time.Now())
			invented++
		}
		alerts := func() (n int) {
			err := d.store.FindAlerts(t.Context(), store.Filter{Limit: 999}, func(alert.Alert, []sink.Delivery) error { n++; return nil })
			if err != nil {
				t.Error(err)
			}
			return n
		}
		for range 2 {
			b.alertFailing(t.Context(), fileKey, refused, time.Now())
		}
		for range 2 * maxFolders {
			fail()
		}
		if f := b.failing[folderOf(fileKey)]; f == nil || f.Failures() != 2 {
			t.Errorf("the folder that really fails is remembered as %+v, want 2 failures", f)
		}
		for range 3 * mostBucketAlerts {
			time.Sleep(alertEvery)
			fail()
		}
		if n := alerts(); n != mostBucketAlerts {
			t.Errorf("%d alerts, want %d", n, mostBucketAlerts)
		}
		time.Sleep(2 * failsFor)
		b.noteRead(t.Context(), fileKey, time.Now()) // the end of the outage
		fail()
		if n := alerts(); n != mostBucketAlerts+2 {
			t.Errorf("%d alerts after the next outage, want %d", n, mostBucketAlerts+2)
		}
	})
}
