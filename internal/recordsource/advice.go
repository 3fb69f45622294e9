package recordsource

import (
	"net/url"
	"regexp"
	"strings"
)

const (
	unreadURL = "nothing is read by https: write s3://bucket/prefix, or a file or folder"
	unreadARN = "nothing is read by its ARN: write s3://bucket/prefix, or a file or folder"
)

var (
	bucketARN = regexp.MustCompile(`^arn:[a-z-]+:s3:::([^/]+)(/.*)?$`)
	// s3Host is a host of S3, with the bucket before it or, as the older form, in the path.
	s3Host = regexp.MustCompile(`^(?:(.+)\.)?s3(?:[.-][a-z0-9.-]+)?\.amazonaws\.com(?:\.cn)?$`)
)

// adviceFor says what to write instead of an argument that is an ARN or a web address; empty: the argument
// is neither. It leaves out the query of an address.
func adviceFor(arg string) string {
	if strings.HasPrefix(arg, "arn:") {
		if m := bucketARN.FindStringSubmatch(arg); m != nil {
			return writeURL(m[1], m[2], unreadARN)
		}
		return unreadARN
	}
	u, err := url.Parse(arg)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	m := s3Host.FindStringSubmatch(u.Hostname())
	if m == nil {
		return unreadURL
	}
	bucket, key := m[1], u.Path
	if bucket == "" {
		bucket, key, _ = strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
		if key != "" {
			key = "/" + key
		}
	}
	return writeURL(bucket, key, unreadURL)
}

// writeURL says which URL of S3 to write, or unread if the bucket and key make no valid one.
func writeURL(bucket, key, unread string) string {
	if _, _, err := ParseURL("s3://" + bucket + key); err != nil {
		return unread
	}
	return "write s3://" + bucket + key
}
