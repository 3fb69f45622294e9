package fakeawstest

import (
	"net/http"
	"strings"

	"flowkeeper/internal/fakeaws"
)

// readRules say how a bucket answers calls that read its objects.
type readRules struct {
	owner   string           // account; empty: any that the caller expects
	refused []refusedObjects // the first that matches counts
	cut     map[string]int   // by key: bytes after which the connection is lost
	noList  bool             // nobody has s3:ListBucket
}

// refusedObjects are the keys with a prefix that a policy, or a key of KMS, does not let read.
type refusedObjects struct {
	prefix string
	err    *fakeaws.Error
}

// PutObject stores an object in a bucket that AddBucket made.
func (w *World) PutObject(bucketName, key string, body []byte) {
	s := w.s3
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buckets[bucketName].objects[key] = &object{body: body, etag: `"put"`, modified: s.now(), headers: http.Header{}}
}

// OwnBucket sets the account that owns a bucket. S3 answers 403 to calls that expect another owner
// ("Verifying bucket ownership with bucket owner condition":
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html).
func (w *World) OwnBucket(bucketName, account string) {
	w.s3.change(bucketName, func(r *readRules) { r.owner = account })
}

// RefuseObjects refuses to read the objects with a prefix, until AllowObjects. The caller chooses
// S3's answer: for a missing permission, also one of KMS, S3 answers AccessDenied with status 403
// ("Troubleshoot access denied (403 Forbidden) errors in Amazon S3":
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/troubleshoot-403-errors.html).
func (w *World) RefuseObjects(bucketName, prefix, code, message string, status int) {
	w.s3.change(bucketName, func(r *readRules) {
		r.refused = append(r.refused, refusedObjects{prefix, fakeaws.Errorf(code, "%s", message).WithStatus(status)})
	})
}

// ForbidListing refuses to list a bucket. Then S3 answers AccessDenied instead of NoSuchKey about a
// missing object ("GetObject", "Permissions":
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html).
func (w *World) ForbidListing(bucketName string) {
	w.s3.change(bucketName, func(r *readRules) { r.noList = true })
}

// AllowObjects ends each RefuseObjects of a bucket, and each CutObject.
func (w *World) AllowObjects(bucketName string) {
	w.s3.change(bucketName, func(r *readRules) { r.refused, r.cut = nil, nil })
}

// CutObject has the connection lost after some bytes of an object.
func (w *World) CutObject(bucketName, key string, after int) {
	w.s3.change(bucketName, func(r *readRules) {
		if r.cut == nil {
			r.cut = map[string]int{}
		}
		r.cut[key] = after
	})
}

func (s *s3Service) change(bucketName string, how func(*readRules)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	how(&s.buckets[bucketName].reading)
}

// mayRead returns why an object may not be read, whether it exists or not.
func (r *readRules) mayRead(q *fakeaws.Request, key string) error {
	if err := r.owned(q); err != nil {
		return err
	}
	for _, x := range r.refused {
		if strings.HasPrefix(key, x.prefix) {
			return x.err
		}
	}
	return nil
}

// mayList returns why a bucket may not be listed.
func (r *readRules) mayList(q *fakeaws.Request) error {
	if r.noList {
		return errAccessDenied()
	}
	return r.owned(q)
}

// missing is the error about an object that does not exist.
func (r *readRules) missing() error {
	if r.noList {
		return errAccessDenied()
	}
	return fakeaws.Errorf("NoSuchKey", "The specified key does not exist.").WithStatus(http.StatusNotFound)
}

func errAccessDenied() error {
	return fakeaws.Errorf("AccessDenied", "Access Denied").WithStatus(http.StatusForbidden)
}

// owned returns an error if the call expects another owner.
func (r *readRules) owned(q *fakeaws.Request) error {
	if want := q.HTTP.Header.Get("X-Amz-Expected-Bucket-Owner"); want != "" && r.owner != "" && want != r.owner {
		return errAccessDenied()
	}
	return nil
}

// sent returns the part of an object's body that arrives.
func (r *readRules) sent(key string, body []byte) []byte {
	if n, cut := r.cut[key]; cut {
		return body[:min(n, len(body))]
	}
	return body
}
