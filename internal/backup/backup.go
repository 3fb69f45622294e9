package backup

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"flowkeeper/internal/s3region"
)

// S3 is what this package calls of *s3.Client.
type S3 interface {
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
}

// Place is where copies are stored: PREFIX/state.db.gz is the latest copy, and
// PREFIX/daily/YYYY-MM-DD.db.gz the last one of each day.
type Place struct{ Bucket, Prefix string }

var bucketName = regexp.MustCompile(`^[a-z0-9.-]{3,63}$`)

// Parse reads s3://bucket/prefix.
func Parse(url string) (Place, error) {
	rest, ok := strings.CutPrefix(url, "s3://")
	bucket, prefix, _ := strings.Cut(rest, "/")
	if !ok || !bucketName.MatchString(bucket) || len(prefix) > 900 {
		return Place{}, errors.New("write s3://bucket/prefix")
	}
	return Place{bucket, strings.Trim(prefix, "/")}, nil
}

func (p Place) String() string { return "s3://" + p.Bucket + "/" + p.Prefix }

func (p Place) key(name string) string { return strings.TrimPrefix(p.Prefix+"/"+name, "/") }

const (
	latest    = "state.db.gz"
	owner     = "state" // metadata: which state file it is a copy of
	mostBytes = 16 << 30
)

var (
	// ErrNone is wrapped if there is no copy.
	ErrNone = errors.New("there is no copy")
	// ErrRefused is wrapped if S3 refuses to read. S3 gives the same answer about a copy that
	// does not exist to a caller that may not list the bucket.
	ErrRefused = errors.New("S3 refuses to read the copy")
	// ErrForeign is wrapped if the copy is of another state file.
	ErrForeign = errors.New("the copy there is that of another state file")
)

// Backup reads and writes the copies of one state file.
type Backup struct {
	API   S3
	Place Place

	region s3region.Region
}

// Save writes a copy of the state file with that ID. first says that this state file was never
// copied there: then Save replaces only a copy of the same state file, because any other copy may
// be all that is left of a lost state file.
func (b *Backup) Save(ctx context.Context, file, id string, first bool, now time.Time) error {
	packed := file + ".gz"
	defer os.Remove(packed)
	if err := pack(file, packed); err != nil {
		return fmt.Errorf("pack the copy: %w", err)
	}
	var refused smithy.APIError
	err := b.put(ctx, packed, latest, id, first)
	if errors.As(err, &refused) && (refused.ErrorCode() == "PreconditionFailed" || refused.ErrorCode() == "ConditionalRequestConflict") {
		if err = b.ours(ctx, id); err == nil {
			err = b.put(ctx, packed, latest, id, false)
		}
	}
	if err == nil {
		err = b.put(ctx, packed, "daily/"+now.UTC().Format("2006-01-02")+".db.gz", id, false)
	}
	if err != nil {
		return fmt.Errorf("write the copy to %s: %w", b.Place, err)
	}
	return nil
}

// ours returns an error unless the copy there is one of the state file with this ID.
func (b *Backup) ours(ctx context.Context, id string) error {
	out, err := b.get(ctx)
	if err != nil {
		return err
	}
	defer out.Body.Close()
	if out.Metadata[owner] != id {
		return ErrForeign
	}
	return nil
}

func (b *Backup) put(ctx context.Context, file, name, id string, first bool) error {
	in := &s3.PutObjectInput{Bucket: &b.Place.Bucket, Key: aws.String(b.Place.key(name)),
		ContentType: aws.String("application/gzip"), Metadata: map[string]string{owner: id}}
	if first {
		in.IfNoneMatch = aws.String("*")
	}
	_, err := s3region.Call(ctx, &b.region, func(ctx context.Context, in *s3.PutObjectInput, opt ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in.Body = f
		return b.API.PutObject(ctx, in, opt...)
	}, in)
	return err
}

// Copy is the object from which a state file was loaded.
type Copy struct {
	URL     string    // s3://bucket/key
	Made    time.Time // when it was written, as S3 says
	Version string    // empty if the bucket keeps no versions
}

// Load writes the latest copy to a file, and reports which object it is.
func (b *Backup) Load(ctx context.Context, file string) (c Copy, err error) {
	out, err := b.get(ctx)
	if err != nil {
		return c, fmt.Errorf("read the copy in %s: %w", b.Place, err)
	}
	defer out.Body.Close()
	if err := unpack(out.Body, file); err != nil {
		return c, fmt.Errorf("read the copy in %s: %w", b.Place, err)
	}
	return Copy{"s3://" + b.Place.Bucket + "/" + b.Place.key(latest), aws.ToTime(out.LastModified), aws.ToString(out.VersionId)}, nil
}

func (b *Backup) get(ctx context.Context) (*s3.GetObjectOutput, error) {
	out, err := s3region.Call(ctx, &b.region, b.API.GetObject, &s3.GetObjectInput{Bucket: &b.Place.Bucket, Key: aws.String(b.Place.key(latest))})
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		switch api.ErrorCode() {
		case "NoSuchKey":
			return nil, fmt.Errorf("%w: %w", ErrNone, err)
		case "AccessDenied":
			return nil, fmt.Errorf("%w: %w", ErrRefused, err)
		}
	}
	return out, err
}

func pack(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	return write(to, func(out io.Writer) error {
		z := gzip.NewWriter(out)
		if _, err := io.Copy(z, in); err != nil {
			return err
		}
		return z.Close()
	})
}

func unpack(from io.Reader, to string) error {
	z, err := gzip.NewReader(from)
	if err != nil {
		return err
	}
	return write(to, func(out io.Writer) error {
		n, err := io.Copy(out, io.LimitReader(z, mostBytes))
		if err == nil && n == mostBytes {
			err = fmt.Errorf("it is larger than %d bytes", int64(mostBytes))
		}
		return err
	})
}

// write writes a file that only this user may read. After an error there is no file.
func write(name string, fill func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = fill(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}
