package fakeaws

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net/http"
	"strconv"
	"strings"
)

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
