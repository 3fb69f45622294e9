package backup

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"flowkeeper/internal/fakeaws/fakeawstest"
)

const account, region = "111122223333", "eu-west-1"

var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func place(t *testing.T) (*fakeawstest.World, *Backup) {
	w := fakeawstest.New(fakeawstest.Options{Now: func() time.Time { return day }})
	w.AddBucket("eu-central-1", "copies") // another Region
	u := w.User(account, "flowkeeper", false)
	api := s3.New(s3.Options{Region: region, HTTPClient: w.HTTPClient(), UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(u.AccessKeyID, u.SecretAccessKey, "")})
	p, err := Parse("s3://copies/a/b/")
	if err != nil {
		t.Fatal(err)
	}
	return w, &Backup{API: api, Place: p}
}

func file(t *testing.T, text string) string {
	name := filepath.Join(t.TempDir(), "copy")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func (b *Backup) save(t *testing.T, text, id string, first bool) error {
	return b.Save(t.Context(), file(t, text), id, first, day)
}

func (b *Backup) load(t *testing.T) (string, error) {
	name := filepath.Join(t.TempDir(), "back")
	c, err := b.Load(t.Context(), name)
	if err != nil {
		if _, serr := os.Stat(name); !errors.Is(serr, os.ErrNotExist) {
			t.Errorf("a failed load left a file: %v", serr)
		}
		return "", err
	}
	if !c.Made.Equal(day) || c.URL != "s3://copies/a/b/state.db.gz" {
		t.Errorf("%+v", c)
	}
	text, err := os.ReadFile(name)
	return string(text), err
}

func TestSaveAndLoad(t *testing.T) {
	t.Parallel()
	w, b := place(t)
	if _, err := b.load(t); !errors.Is(err, ErrNone) {
		t.Errorf("load from an empty bucket: %v", err)
	}
	for n, text := range []string{"one", "two"} {
		if err := b.save(t, text, "id", n == 0); err != nil {
			t.Fatal(err)
		}
		if got, err := b.load(t); err != nil || got != text {
			t.Errorf("%q, %v", got, err)
		}
	}
	if _, ok := w.Object("copies", "a/b/daily/2026-03-01.db.gz"); !ok {
		t.Error("no copy of the day")
	}
}

// TestNothingForeignIsOverwritten: the first copy of a daemon does not overwrite the copy of another state file, nor
// one that can't be read: it may be all that is left of a lost machine.
func TestNothingForeignIsOverwritten(t *testing.T) {
	t.Parallel()
	w, b := place(t)
	if err := b.save(t, "of old", "old", true); err != nil {
		t.Fatal(err)
	}
	if err := b.save(t, "of new", "new", true); !errors.Is(err, ErrForeign) {
		t.Errorf("a foreign copy: %v, want ErrForeign", err)
	}
	w.Fail("GetObject", 1, "AccessDenied", 403)
	if err := b.save(t, "of new", "new", true); !errors.Is(err, ErrRefused) {
		t.Errorf("a copy that can't be read: %v, want ErrRefused", err)
	}
	if got, err := b.load(t); got != "of old" {
		t.Errorf("%q, %v", got, err)
	}
	// The answer to the first save may have been lost: the copy in the bucket is of the same state file.
	if err := b.save(t, "again", "old", true); err != nil {
		t.Error(err)
	}
}

func TestLoadReportsTheCause(t *testing.T) {
	t.Parallel()
	w, b := place(t)
	w.Fail("GetObject", 1, "AccessDenied", 403)
	if _, err := b.load(t); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
	w.Fail("GetObject", 1, "InternalError", 500)
	if _, err := b.load(t); err == nil || errors.Is(err, ErrNone) || errors.Is(err, ErrRefused) {
		t.Error(err)
	}
	b.Place.Bucket = "not-there"
	if _, err := b.load(t); err == nil || errors.Is(err, ErrNone) || errors.Is(err, ErrRefused) {
		t.Error(err)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"s3://bucket": "state.db.gz", "s3://bucket/": "state.db.gz", "s3://bucket/a": "a/state.db.gz", "s3://bucket/a/b/": "a/b/state.db.gz",
	} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			if p, err := Parse(url); err != nil || p.Bucket != "bucket" || p.key(latest) != want {
				t.Errorf("%+v, %v", p, err)
			}
		})
	}
	for _, url := range []string{"", "bucket/a", "s3://", "s3://B/x", "https://bucket.s3.amazonaws.com/a", "arn:aws:s3:::bucket"} {
		if _, err := Parse(url); err == nil {
			t.Errorf("%q is accepted", url)
		}
	}
}
