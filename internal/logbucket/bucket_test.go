package logbucket

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"

	"flowkeeper/configs"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/internal/logfile"
)

const (
	name     = "org-trail"
	owner    = "999988887777"
	key      = "AWSLogs/o-x/111122223333/CloudTrail/eu-west-1/2026/03/01/a b+c=d.json.gz"
	deletion = `{"eventName":"DeleteFlowLogs","eventSource":"ec2.amazonaws.com"}`
)

func packed(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := io.WriteString(z, text)
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// doer is an HTTP client.
type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

// newBucket returns a bucket with one log file, and its world. The bucket is in another Region than the one that is
// called first. do, which may be nil, answers each call, and may pass it on.
func newBucket(t *testing.T, do func(next, *http.Request) (*http.Response, error)) (*fakeawstest.World, *Bucket) {
	t.Helper()
	w := fakeawstest.New(fakeawstest.Options{})
	w.AddBucket("eu-central-1", name)
	w.OwnBucket(name, owner)
	w.PutObject(name, key, packed(t, `{"Records":[`+deletion+`]}`))
	u := w.User("111122223333", "flowkeeper", true)
	client := w.HTTPClient()
	c := aws.Config{Region: "eu-west-1", HTTPClient: client, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider(u.AccessKeyID, u.SecretAccessKey, "")}
	if do != nil {
		c.HTTPClient = doer(func(r *http.Request) (*http.Response, error) { return do(client.Do, r) })
	}
	return w, New(c, configs.LogBucket{Name: name, Owner: owner})
}

type next = func(*http.Request) (*http.Response, error)

func read(t *testing.T, b *Bucket, key string) (found int, sum logfile.Summary, err error) {
	t.Helper()
	sum, err = b.Read(t.Context(), key, logfile.Limits{Inflated: 1 << 20}, func(raw []byte) error {
		if string(raw) != deletion {
			t.Errorf("%s", raw)
		}
		found++
		return nil
	})
	return found, sum, err
}

// TestReadInTheBucketsRegion: S3 answers that the bucket is in another Region, and the file is read there. The next
// file is read from that Region at once.
func TestReadInTheBucketsRegion(t *testing.T) {
	t.Parallel()
	calls := 0
	w, b := newBucket(t, func(do next, r *http.Request) (*http.Response, error) { calls++; return do(r) })
	w.PutObject(name, "plain", []byte(`{"Records":[`+deletion+`,`+deletion+`]}`))
	if n, sum, err := read(t, b, key); err != nil || n != 1 || sum.Records != 1 || calls != 2 {
		t.Errorf("%d, %+v, %v, %d calls", n, sum, err, calls)
	}
	if n, _, err := read(t, b, "plain"); err != nil || n != 2 || calls != 3 {
		t.Errorf("%d, %v, %d calls", n, err, calls)
	}
}

// TestWhatCanNotBeRead: for each reason why a file can't be read, the error, whether it is about this file only, and
// the advice.
func TestWhatCanNotBeRead(t *testing.T) {
	t.Parallel()
	w, b := newBucket(t, nil)
	w.PutObject(name, "large", packed(t, `{"Records":[`+deletion+strings.Repeat(" ", 2<<20)+`]}`))
	w.PutObject(name, "garbage", []byte("<html>"))
	w.PutObject(name, "cut", packed(t, `{"Records":[`+deletion+`]}`)[:30])
	w.PutObject(name, "lost", packed(t, `{"Records":[`+deletion+`]}`))
	w.CutObject(name, "lost", 30)
	w.RefuseObjects(name, "denied", "AccessDenied", "Access Denied", 403)
	w.RefuseObjects(name, "encrypted", "AccessDenied", "User: arn:aws:iam::111122223333:user/flowkeeper is not authorized to perform: kms:Decrypt on this resource", 403)
	w.RefuseObjects(name, "disabled", "KMS.DisabledException", "the key is disabled", 400)
	w.RefuseObjects(name, "cold", "InvalidObjectState", "The operation is not valid for the object's storage class", 403)
	for _, c := range []struct {
		key    string
		code   string // of S3; empty: another error
		ofFile bool
		advice string
	}{
		{"missing", "NoSuchKey", true, "deleted before it could be read"},
		{"denied", "AccessDenied", false, "s3:GetObject on arn:aws:s3:::org-trail/"},
		{"encrypted", "AccessDenied", false, "kms:Decrypt"},
		{"disabled", "KMS.DisabledException", false, "kms:Decrypt"},
		{"cold", "InvalidObjectState", true, "archived"},
		{"large", "", true, "log_files.max_bytes"},
		{"garbage", "", true, "validate-logs"},
		{"cut", "", true, "validate-logs"},
		{"lost", "", false, ""},
	} {
		t.Run(c.key, func(t *testing.T) {
			_, _, err := read(t, b, c.key)
			api, _ := errors.AsType[smithy.APIError](err)
			if err == nil || c.code != "" && (api == nil || api.ErrorCode() != c.code) || OfFile(err) != c.ofFile || !strings.Contains(b.Advice(err), c.advice) || (c.advice == "") != (b.Advice(err) == "") {
				t.Errorf("%v; of the file: %v; %s", err, OfFile(err), b.Advice(err))
			}
		})
	}
	w.OwnBucket(name, "444455556666") // the bucket was deleted, and somebody else has made one of the same name
	if n, _, err := read(t, b, key); n != 0 || OfFile(err) || !strings.Contains(b.Advice(err), "account 999988887777 does not own the bucket") {
		t.Errorf("another account's bucket: %d records, %v", n, err)
	}
	b.Name = "none"
	if _, _, err := read(t, b, key); OfFile(err) || !strings.Contains(b.Advice(err), "who deleted it") {
		t.Errorf("no bucket: %v", err)
	}
}

// TestALostConnectionIsNoBrokenFile: if the connection to S3 is lost while a file is read, found has been called with
// the records before that, and the error is not about the file.
func TestALostConnectionIsNoBrokenFile(t *testing.T) {
	t.Parallel()
	w, b := newBucket(t, nil)
	text := `{"Records":[` + deletion + `,` + deletion + `]}`
	w.PutObject(name, "plain", []byte(text))
	w.CutObject(name, "plain", len(text)-5)
	n, _, err := read(t, b, "plain")
	if n != 1 || !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, logfile.ErrNotALogFile) {
		t.Errorf("%d, %v", n, err)
	}
	w.AllowObjects(name)
	if n, _, err := read(t, b, "plain"); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// drip is a body that sends a byte from time to time.
type drip struct {
	ctx  context.Context
	each time.Duration
	body io.ReadCloser
}

func (d drip) Read(p []byte) (int, error) {
	select {
	case <-time.After(d.each):
		return d.body.Read(p[:1])
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
}

func (d drip) Close() error { return d.body.Close() }

// TestASilentBucketIsLeftAlone: a read of a bucket that does not answer, or sends very slowly, ends after a time limit.
// For a while after that, other reads fail at once, without a call to S3.
func TestASilentBucketIsLeftAlone(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		answer func(next, *http.Request) (*http.Response, error)
		within time.Duration
	}{
		"no answer": {func(_ next, r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, patience},
		"an answer that stops": {func(do next, r *http.Request) (*http.Response, error) {
			resp, err := do(r)
			if err == nil && resp.StatusCode == http.StatusOK {
				resp.Body = drip{r.Context(), time.Hour, resp.Body}
			}
			return resp, err
		}, patience},
		"an answer that never ends": {func(do next, r *http.Request) (*http.Response, error) {
			resp, err := do(r)
			if err == nil && resp.StatusCode == http.StatusOK {
				resp.Body = drip{r.Context(), patience - time.Second, resp.Body}
			}
			return resp, err
		}, mostTime},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				silent, calls := true, 0
				_, b := newBucket(t, func(do next, r *http.Request) (*http.Response, error) {
					if calls++; silent {
						return c.answer(do, r)
					}
					return do(r)
				})
				began := time.Now()
				if _, _, err := read(t, b, key); !errors.Is(err, ErrSilent) || OfFile(err) || time.Since(began) != c.within {
					t.Errorf("%v after %s", err, time.Since(began))
				}
				asked := calls
				for range 100 {
					if _, _, err := read(t, b, key); !errors.Is(err, ErrNotAsked) || errors.Is(err, ErrSilent) || OfFile(err) || b.Advice(err) != "" {
						t.Error(err)
					}
				}
				if calls != asked || time.Since(began) != c.within {
					t.Errorf("%d more calls to a silent bucket, want 0; the reads took %s, want %s", calls-asked, time.Since(began), c.within)
				}
				silent = false
				time.Sleep(pause)
				if n, _, err := read(t, b, key); n != 1 || err != nil {
					t.Errorf("when S3 answers again: %d records, %v", n, err)
				}
			})
		})
	}
}

// untilCancelled is a body that fails once the context of its call has ended, as a body from the network does.
type untilCancelled struct {
	ctx  context.Context
	body io.ReadCloser
}

func (u untilCancelled) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.body.Read(p)
}

func (u untilCancelled) Close() error { return u.body.Close() }

// TestFoundMayTakeItsTime: the time that found takes, for example to write to a slow disk, does not count towards the
// time limits, which are for S3.
func TestFoundMayTakeItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		large := `{"Records":[` + deletion + strings.Repeat(" ", 1<<20) + `,` + deletion + `]}`
		w, b := newBucket(t, func(do next, r *http.Request) (*http.Response, error) {
			resp, err := do(r)
			if err == nil {
				resp.Body = untilCancelled{r.Context(), resp.Body}
			}
			return resp, err
		})
		w.PutObject(name, "large", []byte(large)) // so large that S3 has not sent all of it when the first record is found
		n := 0
		_, err := b.Read(t.Context(), "large", logfile.Limits{}, func([]byte) error { n++; time.Sleep(2 * mostTime); return nil })
		if err != nil || n != 2 {
			t.Errorf("%d, %v", n, err)
		}
	})
}
