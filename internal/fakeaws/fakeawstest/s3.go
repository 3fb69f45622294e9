package fakeawstest

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"flowkeeper/internal/fakeaws"
)

// s3Service is S3's REST interface to whole objects without versions. Accounts share all
// buckets: bucket policies are not faked, and checksums are not verified. A bucket answers
// in its own Region only.
type s3Service struct {
	now func() time.Time

	mu      sync.Mutex         // guards what follows
	buckets map[string]*bucket // by name: one namespace for all accounts
}

type bucket struct {
	region  string
	objects map[string]*object // by key
}

// object is immutable once it is stored; a later put replaces it.
type object struct {
	body     []byte
	etag     string
	modified time.Time
	headers  http.Header // what the writer said about it and a reader gets back
}

func newS3(now func() time.Time) *s3Service {
	return &s3Service{now: now, buckets: map[string]*bucket{}}
}

// AddBucket makes an empty bucket without a request, to which flow logs can
// deliver; one of that name is kept.
func (w *World) AddBucket(region, name string) {
	w.AddDestination("arn:aws:s3:::" + name)
	s := w.s3
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[name] == nil {
		s.buckets[name] = &bucket{region: region, objects: map[string]*object{}}
	}
}

// Object is the body of an object as its writer meant it (without transfer
// framing), and whether it exists. The key is not URL-escaped.
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
	q.Operation = q.HTTP.URL.Query().Get("x-id")
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

// bucketAndKey reads the bucket off the host (BUCKET.s3.REGION.…) or else off the path's
// first element.
func bucketAndKey(r *http.Request) (name, key string) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	if name, _, ok := strings.Cut(r.Host, ".s3."); ok {
		return name, path
	}
	name, key, _ = strings.Cut(path, "/")
	return name, key
}

// onlyImplemented refuses what would change the meaning of a request and is
// not faked, as S3 itself does with what it lacks.
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

// bucketAt finds a bucket; the endpoint of another Region redirects. The caller
// holds s.mu.
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
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketAt(out, q.Region, name)
	if err != nil {
		return err
	}
	if q.HTTP.Header.Get("If-None-Match") == "*" && b.objects[key] != nil {
		return fakeaws.Errorf("PreconditionFailed", "At least one of the pre-conditions you specified did not hold").WithStatus(http.StatusPreconditionFailed)
	}
	o := &object{body: body, etag: fmt.Sprintf(`"%x"`, md5.Sum(body)), modified: s.now(), headers: http.Header{}}
	for name, values := range q.HTTP.Header {
		if name == "Content-Type" || strings.HasPrefix(name, "X-Amz-Meta-") {
			o.headers[name] = values
		}
	}
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
	o := b.objects[key]
	if o == nil {
		return fakeaws.Errorf("NoSuchKey", "The specified key does not exist.").WithStatus(http.StatusNotFound)
	}
	maps.Copy(out.Header(), o.headers)
	out.Header().Set("ETag", o.etag)
	out.Header().Set("Last-Modified", o.modified.UTC().Format(http.TimeFormat))
	out.Header().Set("Content-Length", strconv.Itoa(len(o.body)))
	out.Write(o.body) //nolint:errcheck // the client is gone
	return nil
}

// maxObject bounds an upload: this S3 lives in memory.
const maxObject = 64 << 20

// readUpload is the object in a PUT, out of its chunks if it comes in some.
func readUpload(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxObject))
	if err == nil && strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		body, err = dechunk(body)
		if want := r.Header.Get("X-Amz-Decoded-Content-Length"); err == nil && want != strconv.Itoa(len(body)) {
			err = fmt.Errorf("%s bytes announced, %d came", want, len(body))
		}
	}
	if err != nil {
		return nil, fakeaws.Errorf("IncompleteBody", "The upload cannot be read: %v", err)
	}
	return body, nil
}

// dechunk undoes aws-chunked: chunks of a hexadecimal length (with a signature behind it, or
// not), an empty one, and trailing headers, which are not read.
func dechunk(wire []byte) (body []byte, err error) {
	for {
		header, rest, ok := bytes.Cut(wire, []byte("\r\n"))
		digits, _, _ := bytes.Cut(header, []byte(";"))
		size, err := strconv.ParseUint(string(digits), 16, 32)
		switch {
		case !ok, err == nil && size > 0 && uint64(len(rest)) < size+2:
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, fmt.Errorf("read chunk header: %w", err)
		case size == 0:
			return body, nil
		}
		body, wire = append(body, rest[:size]...), rest[size+2:]
	}
}
