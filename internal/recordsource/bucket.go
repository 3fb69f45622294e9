package recordsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
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
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
}

// Bucket is an S3 bucket to read from. It is safe for concurrent use.
type Bucket struct {
	API   S3
	Name  string
	Owner string // account; S3 refuses the bucket if it is another's; empty: anybody's
	// Partition returns the bucket's partition (aws, aws-cn, …). It is called only after S3 has refused a
	// call. nil: aws.
	Partition func(context.Context) string

	region s3region.Region
}

// bucketName as S3 allows it, also the old ones with capital letters and underscores.
var bucketName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$`)

// ParseURL reads s3://bucket/prefix. The prefix may be empty, or end within a name.
func ParseURL(url string) (bucket, prefix string, err error) {
	rest, ok := strings.CutPrefix(url, "s3://")
	bucket, prefix, _ = strings.Cut(rest, "/")
	switch {
	case !ok:
		err = errors.New("write s3://bucket/prefix")
	case bucket == "":
		err = errors.New("it names no bucket: write s3://bucket/prefix")
	case strings.HasPrefix(bucket, "arn:"):
		err = errors.New("write the name of the bucket instead of its ARN: s3://bucket/prefix")
	case !bucketName.MatchString(bucket):
		err = fmt.Errorf("%q is no name of a bucket: write s3://bucket/prefix", bucket)
	case strings.ContainsAny(prefix, "*?"):
		err = errors.New("a prefix has no * or ?: all objects whose keys begin with it are read")
	}
	return bucket, prefix, err
}

// optional returns a parameter of a call; nil, which leaves it out, for an empty text.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func (b *Bucket) open(ctx context.Context, key string) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	silence := time.AfterFunc(maxSilence, cancel)
	out, err := s3region.Call(ctx, &b.region, b.API.GetObject, &s3.GetObjectInput{Bucket: &b.Name, Key: &key, ExpectedBucketOwner: optional(b.Owner)})
	if err != nil {
		defer cancel()
		if !silence.Stop() {
			return nil, errSilent
		}
		return nil, b.explain(ctx, err, "s3:GetObject", "/"+key)
	}
	return &body{out.Body, silence, cancel}, nil
}

// maxSilence is how long S3 may send nothing of an object.
const maxSilence = time.Minute

var errSilent = fmt.Errorf("S3 sends nothing for %d seconds: try again", maxSilence/time.Second)

// body is the content of an object. It ends a read that hangs.
type body struct {
	io.ReadCloser
	silence *time.Timer
	cancel  context.CancelFunc
}

func (b *body) Read(p []byte) (int, error) {
	b.silence.Reset(maxSilence)
	n, err := b.ReadCloser.Read(p)
	if !b.silence.Stop() && err != nil {
		err = errSilent
	}
	return n, err
}

func (b *body) Close() error {
	b.silence.Stop()
	defer b.cancel()
	return b.ReadCloser.Close()
}

func (b *Bucket) arn(ctx context.Context) string {
	partition := "aws"
	if b.Partition != nil {
		partition = b.Partition(ctx)
	}
	return "arn:" + partition + ":s3:::" + b.Name
}

// explain says what to do about an error of S3. action is the permission that the call needs. object
// is "/" and the key that it is needed for, or empty if it is needed for the bucket.
func (b *Bucket) explain(ctx context.Context, err error, action, object string) error {
	api, is := errors.AsType[smithy.APIError](err)
	if !is {
		return err
	}
	code, text := api.ErrorCode(), api.ErrorMessage()
	said := strings.TrimSuffix(code+": "+text, ": ")
	if call, ok := credentialsCall(err); ok {
		return fmt.Errorf("%s: %s: S3 was not asked: check the credentials", call, said)
	}
	switch {
	case code == "NoSuchBucket":
		return fmt.Errorf("there is no bucket %s (%s)", b.Name, code)
	case strings.HasPrefix(code, "KMS."), code == "AccessDenied" && strings.Contains(text, "kms:"):
		return fmt.Errorf("%s: allow kms:Decrypt with the key that encrypts the object, in the policy of the caller and in that of the key", said)
	case code == "AccessDenied", code == "Forbidden":
		hint := ""
		if b.Owner != "" {
			hint = ", and check that the bucket is of account " + b.Owner
		}
		if action == "s3:GetObject" {
			hint += "; if it is encrypted with a key of KMS, kms:Decrypt too"
		}
		return fmt.Errorf("%s: allow %s on %s%s", said, action, b.arn(ctx)+object, hint)
	case code == "InvalidObjectState":
		return fmt.Errorf("%s: it is archived (Glacier): restore it first", said)
	}
	return errors.New(said)
}

// credentialsCall returns the call that failed before S3 was asked, if the SDK could not get the
// credentials, such as "STS AssumeRole".
func credentialsCall(err error) (call string, ok bool) {
	outer, ok := errors.AsType[*smithy.OperationError](err)
	if !ok {
		return "", false
	}
	inner, ok := errors.AsType[*smithy.OperationError](outer.Err)
	if !ok {
		return "", false
	}
	return inner.ServiceID + " " + inner.OperationName, true
}

// file is the File of an object.
func (b *Bucket) file(key string) File {
	return File{Name: "s3://" + b.Name + "/" + key, Open: func(ctx context.Context) (io.ReadCloser, error) { return b.open(ctx, key) }}
}

// page is one answer of ListObjectsV2: keys, and the prefixes that have more of them.
type page struct{ keys, prefixes []string }

// list asks for all pages, until one fails. delimiter groups keys. The list begins after the key
// after; empty: with the first one.
func (b *Bucket) list(ctx context.Context, prefix, delimiter, after string) iter.Seq2[page, error] {
	return func(yield func(page, error) bool) {
		in := &s3.ListObjectsV2Input{Bucket: &b.Name, Prefix: &prefix, Delimiter: optional(delimiter), StartAfter: optional(after), ExpectedBucketOwner: optional(b.Owner),
			EncodingType: "url"} // XML can't hold every key
		for {
			out, err := s3region.Call(ctx, &b.region, b.API.ListObjectsV2, in)
			if err != nil {
				yield(page{}, b.explain(ctx, err, "s3:ListBucket", ""))
				return
			}
			var p page
			for _, o := range out.Contents {
				p.keys = append(p.keys, decoded(o.Key, out.EncodingType == "url"))
			}
			for _, c := range out.CommonPrefixes {
				p.prefixes = append(p.prefixes, decoded(c.Prefix, out.EncodingType == "url"))
			}
			in.ContinuationToken, in.StartAfter = out.NextContinuationToken, nil
			if !yield(p, nil) || !aws.ToBool(out.IsTruncated) || in.ContinuationToken == nil {
				return
			}
		}
	}
}
