package fakeawstest

import (
	"cmp"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"flowkeeper/internal/fakeaws"
)

// listing is an answer of ListObjectsV2:
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
type listing struct {
	Name                  string
	Prefix                string
	KeyCount              int
	IsTruncated           bool
	EncodingType          string     `xml:",omitempty"`
	NextContinuationToken string     `xml:",omitempty"`
	Contents              []listed   // keys
	CommonPrefixes        []inPrefix // each stands for all keys with that prefix
}

type listed struct {
	Key  string
	Size int
}

type inPrefix struct{ Prefix string }

// listParameters are the parameters of ListObjectsV2 that are faked.
var listParameters = map[string]bool{
	"list-type": true, "x-id": true, "prefix": true, "delimiter": true, "start-after": true, "continuation-token": true, "encoding-type": true, "max-keys": true,
}

// SetListPage sets how many keys and common prefixes an answer of ListObjectsV2 has at most;
// 0: 1000, as in S3.
func (w *World) SetListPage(n int) {
	w.s3.mu.Lock()
	defer w.s3.mu.Unlock()
	w.s3.most = n
}

// list answers ListObjectsV2: keys in the order of their bytes. Keys that have the delimiter after
// the prefix are put together into one common prefix, which counts as one key of the page.
func (s *s3Service) list(out http.ResponseWriter, q *fakeaws.Request) error {
	form := q.HTTP.URL.Query()
	for name := range form {
		if !listParameters[name] {
			return notImplemented("the query parameter " + name)
		}
	}
	name, _ := bucketAndKey(q.HTTP)
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketAt(out, q.Region, name)
	if err != nil {
		return err
	}
	if err := b.reading.mayList(q); err != nil {
		return err
	}
	after := form.Get("start-after")
	if token := form.Get("continuation-token"); token != "" {
		plain, err := base64.URLEncoding.DecodeString(token)
		if err != nil {
			return fakeaws.Errorf("InvalidArgument", "The continuation token provided is incorrect")
		}
		after = string(plain)
	}
	prefix, delimiter := form.Get("prefix"), form.Get("delimiter")
	result := listing{Name: name, Prefix: prefix, EncodingType: form.Get("encoding-type")}
	encode := func(text string) string { return text }
	if result.EncodingType == "url" {
		encode = func(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "%2F", "/") }
	}
	most := cmp.Or(s.most, 1000)
	if n, err := strconv.Atoi(form.Get("max-keys")); err == nil && n > 0 {
		most = min(most, n)
	}
	last := ""
	for _, key := range slices.Sorted(maps.Keys(b.objects)) {
		rest, ok := strings.CutPrefix(key, prefix)
		group := ""
		if n := strings.Index(rest, delimiter); delimiter != "" && n >= 0 {
			group = prefix + rest[:n+len(delimiter)]
		}
		if !ok || key <= after || group != "" && (group == last || strings.HasPrefix(after, group)) {
			continue
		}
		if result.KeyCount == most {
			result.IsTruncated, result.NextContinuationToken = true, base64.URLEncoding.EncodeToString([]byte(last))
			break
		}
		result.KeyCount++
		if group != "" {
			last = group
			result.CommonPrefixes = append(result.CommonPrefixes, inPrefix{encode(group)})
			continue
		}
		last = key
		result.Contents = append(result.Contents, listed{encode(key), len(b.objects[key].body)})
	}
	out.Header().Set("Content-Type", "application/xml")
	_, err = out.Write([]byte(fakeaws.Element("ListBucketResult", result)))
	return err
}
