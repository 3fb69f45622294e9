package contract_test

import (
	"io"
	"net/url"
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
		{"object/list", listByFolders},
		{"object/list in pages", listInPages},
		{"object/list a missing bucket", func(t *testing.T, e *env) {
			bucket := "no-such-bucket-" + e.account
			_, err := e.s3.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket})
			wantCode(t, err, "NoSuchBucket")
		}},
	}
}

// putAll stores objects; the content of each is its key.
func putAll(t *testing.T, e *env, keys ...string) (bucket string) {
	t.Helper()
	bucket = e.newBucket(t)
	for _, key := range keys {
		_, err := e.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(key)})
		must(t, err)
	}
	return bucket
}

// listByFolders lists the folders with a delimiter, and without one the objects after a key, which need not
// exist.
func listByFolders(t *testing.T, e *env) {
	bucket := putAll(t, e, "AWSLogs/1/CloudTrail/r/2026/03/02/b c+d.json", "AWSLogs/1/CloudTrail/r/2026/03/01/a.json", "AWSLogs/1/Config/x", "AWSLogs/note", "other")
	list := func(in s3.ListObjectsV2Input) (out []string) {
		t.Helper()
		in.Bucket, in.EncodingType = &bucket, "url"
		got, err := e.s3.ListObjectsV2(t.Context(), &in)
		must(t, err)
		wantEqual(t, "encoding", string(got.EncodingType), "url")
		decode := func(text *string) {
			t.Helper()
			plain, err := url.QueryUnescape(aws.ToString(text)) // a blank is a plus sign, or %20
			must(t, err)
			out = append(out, plain)
		}
		for _, o := range got.Contents {
			decode(o.Key)
		}
		for _, c := range got.CommonPrefixes {
			decode(c.Prefix)
		}
		return out
	}
	for _, c := range []struct{ prefix, delimiter, after, want string }{
		{"", "/", "", "other AWSLogs/"},
		{"AWSLogs/", "/", "", "AWSLogs/note AWSLogs/1/"},
		{"AWSLogs/1/CloudTrail/r/", "", "AWSLogs/1/CloudTrail/r/2026/03/01/", "AWSLogs/1/CloudTrail/r/2026/03/01/a.json AWSLogs/1/CloudTrail/r/2026/03/02/b c+d.json"},
		{"AWSLogs/1/CloudTrail/r/", "", "AWSLogs/1/CloudTrail/r/2026/03/02/", "AWSLogs/1/CloudTrail/r/2026/03/02/b c+d.json"},
		{"AWSLogs/1/CloudTrail/r/2026/03/02/", "", "AWSLogs/1/CloudTrail/r/2026/02/", "AWSLogs/1/CloudTrail/r/2026/03/02/b c+d.json"},
		{"nothing/", "/", "", ""},
	} {
		in := s3.ListObjectsV2Input{Prefix: &c.prefix}
		if c.delimiter != "" {
			in.Delimiter = &c.delimiter
		}
		if c.after != "" {
			in.StartAfter = &c.after
		}
		wantEqual(t, "keys below "+c.prefix+" after "+c.after, strings.Join(list(in), " "), c.want)
	}
}

// listInPages: the token says where the next page begins, and a folder is on one page only.
func listInPages(t *testing.T, e *env) {
	bucket := putAll(t, e, "a/1", "a/2", "a/3", "b", "c/1", "d")
	var pages []string
	in := &s3.ListObjectsV2Input{Bucket: &bucket, Delimiter: aws.String("/"), MaxKeys: aws.Int32(2)}
	for {
		got, err := e.s3.ListObjectsV2(t.Context(), in)
		must(t, err)
		var page []string
		for _, c := range got.CommonPrefixes {
			page = append(page, aws.ToString(c.Prefix))
		}
		for _, o := range got.Contents {
			page = append(page, aws.ToString(o.Key))
		}
		pages = append(pages, strings.Join(page, " "))
		if !aws.ToBool(got.IsTruncated) {
			break
		}
		in.ContinuationToken = got.NextContinuationToken
	}
	wantEqual(t, "pages", strings.Join(pages, ", "), "a/ b, c/ d")
}

// putAndGet uses a key with characters that S3 allows and a URL escapes.
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
