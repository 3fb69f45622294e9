package fakeaws

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (s *s3Service) createBucket(w http.ResponseWriter, r *http.Request, c caller, name string) error {
	if err := checkBucket(r, c, name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.buckets[name]; b != nil && b.account != c.Account {
		return s3Conflict("BucketAlreadyExists", "The requested bucket name is not available.")
	} else if b != nil {
		return s3Conflict("BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it.")
	}
	s.buckets[name] = &bucket{account: c.Account, region: c.Region, objects: map[string]*object{}}
	w.Header().Set("Location", "/"+name)
	return nil
}

// checkBucket refuses a bad name, and a location that is not the endpoint's.
func checkBucket(r *http.Request, c caller, name string) error {
	if len(name) < 3 || len(name) > 63 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" {
		return &s3Error{code: "InvalidBucketName", message: "The specified bucket is not valid.", status: http.StatusBadRequest}
	}
	var configuration struct{ LocationConstraint string }
	if err := xml.NewDecoder(r.Body).Decode(&configuration); err != nil && err != io.EOF {
		return &s3Error{code: "MalformedXML", message: err.Error(), status: http.StatusBadRequest}
	}
	location := configuration.LocationConstraint
	if location == "" && c.Region == "us-east-1" {
		return nil
	}
	if location != c.Region {
		return &s3Error{
			code:    "IllegalLocationConstraintException",
			message: "The " + location + " location constraint is incompatible for the region specific endpoint this request was sent to.",
			status:  http.StatusBadRequest,
		}
	}
	return nil
}

func (s *s3Service) headBucket(w http.ResponseWriter, c caller, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketAt(name, c)
	if err != nil {
		return err
	}
	w.Header().Set("X-Amz-Bucket-Region", b.region)
	return nil
}

func (s *s3Service) putObject(w http.ResponseWriter, r *http.Request, c caller, name, key string) error {
	if len(key) > 1024 {
		return &s3Error{code: "KeyTooLongError", message: "Your key is too long", status: http.StatusBadRequest}
	}
	body, err := readUpload(r)
	if err != nil {
		return err
	}
	sum := md5.Sum(body)
	if want := r.Header.Get("Content-Md5"); want != "" && want != base64.StdEncoding.EncodeToString(sum[:]) {
		return errBadDigest("Content-MD5")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketAt(name, c)
	if err != nil {
		return err
	}
	if r.Header.Get("If-None-Match") == "*" && b.objects[key] != nil {
		return &s3Error{code: "PreconditionFailed", message: "At least one of the pre-conditions you specified did not hold", status: http.StatusPreconditionFailed}
	}
	o := &object{body: body, etag: `"` + hex.EncodeToString(sum[:]) + `"`, modified: s.now(), headers: keptHeaders(r)}
	b.objects[key] = o
	w.Header().Set("ETag", o.etag)
	return nil
}

// keptHeaders are what GET gives back: the content's description, the
// writer's metadata, and checksums, which were verified.
func keptHeaders(r *http.Request) http.Header {
	kept := http.Header{"Content-Type": {"binary/octet-stream"}}
	for name, values := range r.Header {
		switch {
		case name == "Content-Type", name == "Cache-Control", name == "Content-Disposition", name == "Content-Language",
			strings.HasPrefix(name, "X-Amz-Meta-"), isChecksum(name):
			kept[name] = values
		}
	}
	if encoding := contentEncoding(r); encoding != "" {
		kept.Set("Content-Encoding", encoding)
	}
	for name, values := range r.Trailer {
		if isChecksum(name) {
			kept[name] = values
		}
	}
	return kept
}

func isChecksum(header string) bool {
	return strings.HasPrefix(header, "X-Amz-Checksum-") && header != "X-Amz-Checksum-Mode"
}

// contentEncoding is the object's own: aws-chunked is the transfer's.
func contentEncoding(r *http.Request) string {
	var kept []string
	for part := range strings.SplitSeq(r.Header.Get("Content-Encoding"), ",") {
		if part = strings.TrimSpace(part); part != "" && part != "aws-chunked" {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, ",")
}

// getObject answers GET, and HEAD without the body.
func (s *s3Service) getObject(w http.ResponseWriter, r *http.Request, c caller, name, key string) error {
	o, err := s.find(c, name, key)
	if err != nil {
		return err
	}
	maps.Copy(w.Header(), o.headers)
	if r.Header.Get("X-Amz-Checksum-Mode") != "ENABLED" {
		maps.DeleteFunc(w.Header(), func(name string, _ []string) bool { return isChecksum(name) })
	}
	w.Header().Set("ETag", o.etag)
	w.Header().Set("Last-Modified", o.modified.UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Length", strconv.Itoa(len(o.body)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		w.Write(o.body) //nolint:errcheck // the client is gone: nobody to tell
	}
	return nil
}

func (s *s3Service) find(c caller, name, key string) (*object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketAt(name, c)
	if err != nil {
		return nil, err
	}
	o := b.objects[key]
	if o == nil {
		return nil, &s3Error{code: "NoSuchKey", message: "The specified key does not exist.", status: http.StatusNotFound}
	}
	return o, nil
}

// deleteObject answers the same whether the object existed or not.
func (s *s3Service) deleteObject(w http.ResponseWriter, c caller, name, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketAt(name, c)
	if err != nil {
		return err
	}
	delete(b.objects, key)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

type listBucketResult struct {
	XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
	Name                  string
	Prefix                string
	KeyCount              int
	MaxKeys               int
	IsTruncated           bool
	StartAfter            string `xml:",omitempty"`
	ContinuationToken     string `xml:",omitempty"`
	NextContinuationToken string `xml:",omitempty"`
	Contents              []listedObject
}

type listedObject struct {
	Key          string
	LastModified string
	ETag         string
	Size         int
	StorageClass string
}

// listObjects is ListObjectsV2 without a delimiter. A continuation token is
// the last key of the page before, in base64.
func (s *s3Service) listObjects(w http.ResponseWriter, r *http.Request, c caller, name string) error {
	query := r.URL.Query()
	if query.Get("list-type") != "2" {
		return errS3NotImplemented("ListObjects version 1")
	}
	out := listBucketResult{
		Name: name, Prefix: query.Get("prefix"), MaxKeys: 1000,
		StartAfter: query.Get("start-after"), ContinuationToken: query.Get("continuation-token"),
	}
	if text := query.Get("max-keys"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return s3InvalidArgument("Provided max-keys not an integer or within integer range")
		}
		out.MaxKeys = min(n, 1000)
	}
	after := out.StartAfter
	if out.ContinuationToken != "" {
		last, err := base64.StdEncoding.DecodeString(out.ContinuationToken)
		if err != nil {
			return s3InvalidArgument("The continuation token provided is incorrect")
		}
		after = string(last)
	}
	if err := s.fillPage(&out, c, after); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/xml")
	return xml.NewEncoder(w).Encode(out)
}

func (s *s3Service) fillPage(out *listBucketResult, c caller, after string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketAt(out.Name, c)
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(b.objects)) {
		if key <= after || !strings.HasPrefix(key, out.Prefix) {
			continue
		}
		if out.KeyCount == out.MaxKeys {
			out.IsTruncated = out.MaxKeys > 0
			break
		}
		o := b.objects[key]
		out.Contents = append(out.Contents, listedObject{
			Key: key, LastModified: o.modified.UTC().Format(time.RFC3339), ETag: o.etag, Size: len(o.body), StorageClass: "STANDARD",
		})
		out.KeyCount++
	}
	if out.IsTruncated {
		out.NextContinuationToken = base64.StdEncoding.EncodeToString([]byte(out.Contents[out.KeyCount-1].Key))
	}
	return nil
}
