package fakeawstest

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"flowkeeper/internal/fakeaws"
)

// s3Service answers S3's REST calls about whole objects without versions, path style and
// virtual-hosted style. All accounts may use all buckets: bucket policies are not faked. A
// bucket answers in its own Region only.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html,
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html and
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html. s3_list.go, s3_read.go and
// s3_upload.go name further pages.
type s3Service struct {
	now func() time.Time

	mu      sync.Mutex         // guards what follows
	buckets map[string]*bucket // by name: one namespace for all accounts
	most    int                // keys and common prefixes of a page; 0: 1000
}

type bucket struct {
	region  string
	objects map[string]*object // by key
	reading readRules
}

// object is immutable once it is stored; a later put replaces it.
type object struct {
	body     []byte
	etag     string
	modified time.Time
	headers  http.Header // headers of the PUT that a GET returns
}

// AddBucket makes an empty bucket without a request, to which flow logs can deliver. If
// there is a bucket with that name, it stays.
func (w *World) AddBucket(region, name string) {
	w.AddDestination("arn:aws:s3:::" + name)
	s := w.s3
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[name] == nil {
		s.buckets[name] = &bucket{region: region, objects: map[string]*object{}}
	}
}

// Object returns the body of an object (without transfer framing), and whether it exists.
// The key is not URL-escaped.
func (w *World) Object(bucketName, key string) (body []byte, ok bool) {
	s := w.s3
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.buckets[bucketName]; b != nil && b.objects[key] != nil {
		return bytes.Clone(b.objects[key].body), true
	}
	return nil, false
}

// Parse implements Service. The SDK names the operation in the URL.
func (s *s3Service) Parse(q *fakeaws.Request) error {
	query := q.HTTP.URL.Query()
	q.Operation = query.Get("x-id")
	if query.Get("list-type") == "2" {
		q.Operation = "ListObjectsV2"
	}
	return nil
}

// Refuse implements Service.
func (s *s3Service) Refuse(out http.ResponseWriter, _ *fakeaws.Request, e *fakeaws.Error) {
	out.Header().Set("Content-Type", "application/xml")
	out.WriteHeader(e.Status)
	io.WriteString(out, "<Error>"+fakeaws.Element("Code", e.Code)+fakeaws.Element("Message", e.Message)+"</Error>") //nolint:errcheck // the client is gone
}

// Answer implements Service.
func (s *s3Service) Answer(out http.ResponseWriter, q *fakeaws.Request) error {
	r := q.HTTP
	if q.Operation == "ListObjectsV2" {
		return s.list(out, q)
	}
	if err := onlyImplemented(r); err != nil {
		return err
	}
	name, key := bucketAndKey(r)
	switch {
	case key == "":
		return notImplemented(r.Method + " on a bucket")
	case r.Method == http.MethodPut:
		return s.put(out, q, name, key)
	case r.Method == http.MethodGet:
		return s.get(out, q, name, key)
	}
	return notImplemented(r.Method + " on an object")
}

// bucketAndKey reads the bucket off the host (BUCKET.s3.REGION.…) or else off
// the path's first element.
func bucketAndKey(r *http.Request) (name, key string) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	if name, _, ok := strings.Cut(r.Host, ".s3."); ok {
		return name, path
	}
	name, key, _ = strings.Cut(path, "/")
	return name, key
}

// onlyImplemented refuses parameters and headers that would change the meaning of a request
// and are not faked. S3 itself answers the same about functions that it lacks.
func onlyImplemented(r *http.Request) error {
	for name := range r.URL.Query() {
		if name != "x-id" {
			return notImplemented("the query parameter " + name)
		}
	}
	for _, name := range []string{"Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "X-Amz-Copy-Source"} {
		if v := r.Header.Get(name); v != "" && (name != "If-None-Match" || r.Method != http.MethodPut || v != "*") {
			return notImplemented("the header " + name)
		}
	}
	return nil
}

func notImplemented(what string) error {
	return fakeaws.Errorf("NotImplemented", "%s is not implemented by this fake", what).WithStatus(http.StatusNotImplemented)
}

// bucketAt finds a bucket. If the request went to another Region, it returns S3's redirect.
// The caller holds s.mu.
func (s *s3Service) bucketAt(out http.ResponseWriter, region, name string) (*bucket, error) {
	b := s.buckets[name]
	if b == nil {
		return nil, fakeaws.Errorf("NoSuchBucket", "The specified bucket does not exist").WithStatus(http.StatusNotFound)
	}
	if b.region != region {
		out.Header().Set("X-Amz-Bucket-Region", b.region)
		return nil, fakeaws.Errorf("PermanentRedirect", "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.").
			WithStatus(http.StatusMovedPermanently)
	}
	return b, nil
}

func (s *s3Service) put(out http.ResponseWriter, q *fakeaws.Request, name, key string) error {
	if len(key) > 1024 {
		return fakeaws.Errorf("KeyTooLongError", "Your key is too long")
	}
	body, err := readUpload(q.HTTP)
	if err != nil {
		return err
	}
	sum := md5.Sum(body)
	if want := q.HTTP.Header.Get("Content-Md5"); want != "" && want != base64.StdEncoding.EncodeToString(sum[:]) {
		return badDigest("Content-MD5")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketAt(out, q.Region, name)
	if err != nil {
		return err
	}
	if q.HTTP.Header.Get("If-None-Match") == "*" && b.objects[key] != nil {
		return fakeaws.Errorf("PreconditionFailed", "At least one of the pre-conditions you specified did not hold").WithStatus(http.StatusPreconditionFailed)
	}
	o := &object{body: body, etag: `"` + hex.EncodeToString(sum[:]) + `"`, modified: s.now(), headers: keptHeaders(q.HTTP)}
	b.objects[key] = o
	out.Header().Set("ETag", o.etag)
	return nil
}

func (s *s3Service) get(out http.ResponseWriter, q *fakeaws.Request, name, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketAt(out, q.Region, name)
	if err != nil {
		return err
	}
	if err := b.reading.mayRead(q, key); err != nil {
		return err
	}
	o := b.objects[key]
	if o == nil {
		return b.reading.missing()
	}
	maps.Copy(out.Header(), o.headers)
	if q.HTTP.Header.Get("X-Amz-Checksum-Mode") != "ENABLED" {
		maps.DeleteFunc(out.Header(), func(name string, _ []string) bool { return isChecksum(name) })
	}
	out.Header().Set("ETag", o.etag)
	out.Header().Set("Last-Modified", o.modified.UTC().Format(http.TimeFormat))
	out.Header().Set("Content-Length", strconv.Itoa(len(o.body)))
	out.Write(b.reading.sent(key, o.body)) //nolint:errcheck // the client is gone
	return nil
}
