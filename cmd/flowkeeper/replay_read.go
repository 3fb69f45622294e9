package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"flowkeeper/alert"
	"flowkeeper/internal/queueclient"
	"flowkeeper/internal/recordsource"
	"flowkeeper/internal/replay"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/term"
)

// maxComplaints is how many errors of files are printed; the rest is counted.
const maxComplaints = 100

// read yields the results of the reader. It prints those that are errors instead.
func (r *replayCommand) read(ctx context.Context, args []string) iter.Seq[replay.Result] {
	r.reader.Finder = &recordsource.Finder{
		Selection: r.choice.Selection,
		Stdin:     r.openStdin,
		Bucket:    r.openBucket,
	}
	return func(yield func(replay.Result) bool) {
		progress := r.ProgressOf("reading records", r.volume)
		defer progress.End()
		for x := range r.reader.Read(ctx, args) {
			if x.Err != nil {
				r.failed(x.Where, x.Err)
			} else if !yield(x) {
				return
			}
		}
	}
}

func (r *replayCommand) records() int { return int(r.reader.Records.Load()) }

// volume is how much was read so far.
func (r *replayCommand) volume() string {
	return alert.Plural(int(r.reader.Files.Load()), "file") + ", " + term.Bytes(r.reader.Bytes.Load())
}

func (r *replayCommand) failed(where string, err error) {
	hint := ""
	if errors.Is(err, fs.ErrNotExist) {
		hint = ": name " + whatToRead
	}
	switch n := r.reader.Bad + r.reader.Unread; {
	case n <= maxComplaints:
		r.complain(where + ": " + plainError(err).Error() + hint)
	case n == maxComplaints+1:
		r.complain("further errors are counted, not shown")
	}
}

// plainError is an error without the name of the file, which the caller prints before it. If AWS did
// not answer, it says what to check.
func plainError(err error) error {
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		return file.Err
	}
	if _, ok := errors.AsType[*smithy.OperationError](err); ok {
		return fmt.Errorf("%w: %s", scopes.Plain(err), hintFor(err))
	}
	return err
}

// incomplete returns an error if something could not be read. Each single error was printed already.
func (r *replayCommand) incomplete() error {
	switch {
	case r.reader.ReadNothing():
		return errPrinted
	case r.reader.Unread > 0:
		return fmt.Errorf("%s could not be read, see above", alert.Plural(r.reader.Unread, "file"))
	case r.reader.Bad > 0:
		return fmt.Errorf("%s of the input could not be understood, see above", alert.Plural(r.reader.Bad, "part"))
	}
	return nil
}

// anyRegion is the Region in which S3 is asked first if no Region is set: S3 answers with the bucket's Region.
const anyRegion = "us-east-1"

// openBucket returns a bucket, to be read with the credentials of the person who runs the command. The role
// in log_files.buckets is the daemon's, which lists no objects; the owner in log_files.buckets holds here too.
// The configuration and the credentials are read for the first bucket: files need none.
func (r *replayCommand) openBucket(ctx context.Context, name string) (*recordsource.Bucket, error) {
	if r.base == nil {
		conf, base, err := r.configAndAWS(ctx, needs{}, nil) // no log: the SDK's warnings would come while results are printed
		if err != nil {
			return nil, err
		}
		r.conf, r.base = conf, &base
	}
	cfg, owner := *r.base, r.choice.owner
	for _, known := range r.conf.LogFiles.Buckets {
		if known.Name == name {
			owner = cmp.Or(owner, known.Owner)
			break
		}
	}
	cfg.Region = cmp.Or(cfg.Region, anyRegion)
	api := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = cfg.BaseEndpoint != nil })
	partition := func(ctx context.Context) string { return scopes.LikelyPartition(ctx, cfg) }
	return &recordsource.Bucket{API: api, Name: name, Owner: owner, Partition: partition}, nil
}

func sendRecords(ctx context.Context, r *replayCommand, args []string) error {
	c, base, err := r.configAndAWS(ctx, needs{queue: true}, r.warnings())
	if err != nil {
		return err
	}
	q, err := queueclient.NewSender(base, c)
	if err != nil {
		return err
	}
	err = r.sendTo(ctx, q, args)
	out := struct {
		Records int `json:"records"`
		Sent    int `json:"sent"`
		Bad     int `json:"bad"`
	}{r.records(), q.Sent, r.reader.Bad}
	r.Result(out, "%s sent, %s read", alert.Plural(out.Sent, "message"), alert.Plural(out.Records, "record"))
	if api := smithy.APIError(nil); err != nil && !errors.As(err, &api) { // SQS did not answer
		return plainError(err)
	}
	return cmp.Or(err, r.incomplete())
}

// sendTo sends the records with a finding.
func (r *replayCommand) sendTo(ctx context.Context, q *queueclient.Sender, args []string) error {
	r.reader.Raw = true
	for x := range r.read(ctx, args) {
		if x.Finding.Kind == "" {
			continue // the daemon would ignore it
		}
		text, err := replay.Envelope(x.Raw, x.Finding.Record)
		if err != nil {
			return err
		}
		if err := q.Send(ctx, text); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return q.Flush(ctx)
}
