package logbucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"flowkeeper/configs"
	"flowkeeper/internal/logfile"
	"flowkeeper/internal/s3region"
	"flowkeeper/internal/scopes"
)

const (
	patience = 15 * time.Second // for an answer, its retries included, and for each further part of it
	mostTime = 2 * time.Minute  // of waiting for one file: CloudTrail's are 50 MB at most
	pause    = 30 * time.Second // between two tries while S3 does not answer
)

var (
	// ErrSilent is wrapped if S3 does not answer, or no longer sends.
	ErrSilent = errors.New("S3 does not answer")
	// ErrNotAsked is wrapped if S3 was not asked, because it did not answer a moment ago. It is
	// no failure of its own.
	ErrNotAsked = errors.New("S3 is not asked now, because it did not answer")
)

// Bucket is a bucket of log_files.buckets. It is safe for concurrent use.
type Bucket struct {
	configs.LogBucket
	client *s3.Client
	region s3region.Region

	mu     sync.Mutex // guards what follows
	silent bool       // S3 did not answer the last call, or stopped sending
	next   time.Time  // when to ask a silent bucket again
}

// New returns a bucket; it asks nothing. base has the endpoint, the Region to ask first, and Flowkeeper's own
// credentials, which read the bucket or assume its role.
func New(base aws.Config, c configs.LogBucket) *Bucket {
	cfg := scopes.Account{ID: c.Owner, RoleARN: c.RoleARN, ExternalID: c.ExternalID}.Reach(base)
	return &Bucket{LogBucket: c, client: s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = base.BaseEndpoint != nil
		o.DisableLogOutputChecksumValidationSkipped = true
	})}
}

// Try begins to read an object, whatever it holds, and stops.
func (b *Bucket) Try(ctx context.Context, key string) error {
	out, err := b.get(ctx, key)
	if err == nil {
		out.Body.Close()
	}
	return err
}

// Read calls found with the records of an object that may matter: see logfile.Scan, whose errors
// it returns. The time that found takes does not count towards the time limits. Other errors are
// S3's, or wrap ErrSilent or ErrNotAsked.
func (b *Bucket) Read(ctx context.Context, key string, l logfile.Limits, found func(raw []byte) error) (sum logfile.Summary, err error) {
	if err := b.mayAsk(time.Now()); err != nil {
		return sum, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	silence := time.AfterFunc(patience, func() {
		stop(fmt.Errorf("%w: not for %s, or not within %s altogether", ErrSilent, patience, mostTime))
	})
	defer silence.Stop()
	began := time.Now()
	out, err := b.get(ctx, key)
	if err == nil {
		defer out.Body.Close()
		sum, err = logfile.Scan(&patient{out.Body, silence, mostTime - time.Since(began)}, l, found)
	}
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, ErrSilent) {
		err = cause
	}
	b.note(err, time.Now())
	return sum, err
}

// patient is a reader with a timer that runs only while it waits for S3, not while records are
// stored: a slow disk must not look like a silent bucket.
type patient struct {
	r       io.Reader
	silence *time.Timer
	left    time.Duration // of mostTime
}

func (p *patient) Read(buf []byte) (int, error) {
	began := time.Now()
	p.silence.Reset(min(patience, p.left))
	defer func() {
		p.silence.Stop()
		p.left -= time.Since(began)
	}()
	return p.r.Read(buf)
}

// mayAsk returns ErrNotAsked while the bucket is silent. After each pause one caller may ask.
func (b *Bucket) mayAsk(now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.silent && now.Before(b.next) {
		return fmt.Errorf("%w: the next try is at %s", ErrNotAsked, b.next.UTC().Format(time.TimeOnly))
	}
	b.next = now.Add(pause)
	return nil
}

func (b *Bucket) note(err error, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.silent = errors.Is(err, ErrSilent); b.silent {
		b.next = now.Add(pause)
	}
}

func (b *Bucket) get(ctx context.Context, key string) (*s3.GetObjectOutput, error) {
	return s3region.Call(ctx, &b.region, b.client.GetObject, &s3.GetObjectInput{Bucket: &b.Name, Key: &key, ExpectedBucketOwner: &b.Owner})
}
