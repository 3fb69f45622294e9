package fakeaws

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// s3Service is S3's REST interface, path style and virtual-host style, for
// whole objects without versions.
type s3Service struct {
	now func() time.Time

	mu      sync.Mutex
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

// serve answers one signed request. Accounts share everything: bucket
// policies are not faked, but the Region of a bucket is minded.
func (s *s3Service) serve(w http.ResponseWriter, r *http.Request, c caller) {
	if err := s.perform(w, r, c); err != nil {
		writeS3Error(w, r, err)
	}
}

func (s *s3Service) perform(w http.ResponseWriter, r *http.Request, c caller) error {
	if err := onlyImplemented(r); err != nil {
		return err
	}
	name, key := bucketAndKey(r)
	if key == "" {
		return errS3NotImplemented(r.Method + " on a bucket")
	}
	switch r.Method {
	case http.MethodPut:
		return s.putObject(w, r, c, name, key)
	case http.MethodGet, http.MethodHead:
		return s.getObject(w, r, c, name, key)
	}
	return errS3NotImplemented(r.Method + " on an object")
}

// bucketAndKey reads the bucket off the host (BUCKET.s3.REGION.…,
// BUCKET.localhost) or else off the path's first element.
func bucketAndKey(r *http.Request) (name, key string) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	if name := hostBucket(r.Host); name != "" {
		return name, path
	}
	name, key, _ = strings.Cut(path, "/")
	return name, key
}

func hostBucket(hostport string) string {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	if name, _, ok := strings.Cut(host, ".s3."); ok {
		return name
	}
	name, ok := strings.CutSuffix(host, ".localhost")
	if !ok {
		return ""
	}
	return name
}

// onlyImplemented refuses what would change the meaning of a request and is
// not faked, as S3 itself does with what it lacks.
func onlyImplemented(r *http.Request) error {
	for name := range r.URL.Query() {
		if name != "x-id" { // which operation it is, as the SDK says
			return errS3NotImplemented("the query parameter " + name)
		}
	}
	for _, name := range []string{"Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "X-Amz-Copy-Source"} {
		if v := r.Header.Get(name); v != "" && (name != "If-None-Match" || r.Method != http.MethodPut || v != "*") {
			return errS3NotImplemented("the header " + name)
		}
	}
	return nil
}

// bucketAt finds a bucket; the endpoint of another Region redirects.
func (s *s3Service) bucketAt(name string, c caller) (*bucket, error) {
	b := s.buckets[name]
	if b == nil {
		return nil, &s3Error{code: "NoSuchBucket", message: "The specified bucket does not exist", status: http.StatusNotFound}
	}
	if b.region != c.Region {
		return nil, &s3Error{
			code:    "PermanentRedirect",
			message: "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.",
			status:  http.StatusMovedPermanently, region: b.region,
		}
	}
	return b, nil
}

// hasBucket says whether the bucket exists, in whatever Region.
func (s *s3Service) hasBucket(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buckets[name] != nil
}

// AddBucket makes an empty bucket without a request; one of that name is
// kept.
func (w *World) AddBucket(region, name string) {
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
		return append([]byte(nil), b.objects[key].body...), true
	}
	return nil, false
}
