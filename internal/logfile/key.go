package logfile

import (
	"regexp"
	"strings"
	"time"
)

// Kind is what an object is, by its key.
type Kind string

// The kinds of objects in a bucket of log files. Only a Log holds records of calls.
const (
	Log     Kind = "log"
	Digest  Kind = "digest"  // hashes of log files, to check them by
	Insight Kind = "insight" // unusual rates of calls, which have records of their own
	Folder  Kind = "folder"  // an empty object that the console shows as a folder
	Foreign Kind = "foreign" // not CloudTrail's: other services write to such buckets, too
)

// Key is what the key of an object says.
type Key struct {
	Kind    Kind
	Account string    // whose records; empty unless it is a Log
	Region  string    // where they were recorded; empty unless it is a Log
	Day     time.Time // of delivery, its first moment in UTC; zero unless it is a Log
}

// logKey is the key of a log file, after the prefix of the trail:
// AWSLogs/[o-…/]ACCOUNT/CloudTrail/REGION/YYYY/MM/DD/ACCOUNT_CloudTrail_REGION_TIME_ID.json.gz
// ("Finding your CloudTrail log files" in the CloudTrail user guide). The file's own name is not
// read, because copies may have another one.
var logKey = regexp.MustCompile(`(?:^|/)AWSLogs/(?:o-[a-z0-9]{1,64}/)?([0-9]{12})/CloudTrail/([a-z0-9-]{1,64})/([0-9]{4}/[0-9]{2}/[0-9]{2})/[^/]+\.json(?:\.gz)?$`)

// ParseKey reads the key of an object, as it is in S3 (not form-encoded). It looks for the form of a
// log file first, because the prefix of a trail may hold any words, those of a digest too. A digest
// does not have that form: its key has CloudTrail-Digest where a log file's has CloudTrail.
func ParseKey(key string) Key {
	if m := logKey.FindStringSubmatch(key); m != nil {
		if day, err := time.Parse("2006/01/02", m[3]); err == nil {
			return Key{Kind: Log, Account: m[1], Region: m[2], Day: day}
		}
	}
	switch {
	case strings.HasSuffix(key, "/"):
		return Key{Kind: Folder}
	case strings.Contains(key, "/CloudTrail-Digest/"):
		return Key{Kind: Digest}
	case strings.Contains(key, "/CloudTrail-Insight/"):
		return Key{Kind: Insight}
	}
	return Key{Kind: Foreign}
}

// Trail returns what the keys of a trail begin with, by the key of one of its log files: its prefix, and
// AWSLogs/. It is empty if the key is not that of a log file.
func Trail(key string) string {
	m := logKey.FindStringIndex(key)
	if m == nil {
		return ""
	}
	const logs = "AWSLogs/"
	return key[:m[0]+strings.Index(key[m[0]:], logs)+len(logs)]
}
