package contract_test

import (
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func objectCases() []contractCase {
	return []contractCase{
		{"object/put and get", putAndGet},
		{"object/put where there is none", func(t *testing.T, e *env) {
			bucket := e.newBucket(t)
			put := func() error {
				_, err := e.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("once"), Body: strings.NewReader("x"), IfNoneMatch: aws.String("*")})
				return err
			}
			must(t, put())
			wantCode(t, put(), "PreconditionFailed")
		}},
		{"object/missing", func(t *testing.T, e *env) {
			bucket := e.newBucket(t)
			_, err := e.s3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: aws.String("none")})
			wantCode(t, err, "NoSuchKey")
		}},
		{"object/missing bucket", func(t *testing.T, e *env) {
			bucket := "no-such-bucket-" + e.account
			_, err := e.s3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: aws.String("none")})
			wantCode(t, err, "NoSuchBucket")
		}},
	}
}

// The key has what a key may have and a URL escapes.
func putAndGet(t *testing.T, e *env) {
	bucket := e.newBucket(t)
	key := "AWSLogs/" + e.account + "/a b+c=d/état.json"
	for _, content := range []string{"first", "second\x00\xff"} {
		_, err := e.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(content)})
		must(t, err)
		out, err := e.s3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
		must(t, err)
		got, err := io.ReadAll(out.Body)
		must(t, err)
		must(t, out.Body.Close())
		wantEqual(t, "content", string(got), content)
		wantEqual(t, "length", aws.ToInt64(out.ContentLength), int64(len(content)))
	}
}
