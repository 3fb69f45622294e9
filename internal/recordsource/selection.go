package recordsource

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"flowkeeper/internal/logfile"
)

// Selection is which records are asked for. The zero value asks for all.
type Selection struct {
	From, To time.Time // of the calls; To itself is not included; zero: no bound
	Accounts []string  // that the records belong to; empty: all
	Regions  []string  // empty: all
}

// CloudTrail delivers a log file about five minutes after the calls in it, as a rule within 15,
// and names it by the minute of delivery ("CloudTrail log file name format" in its user guide).
const (
	maxDelay = time.Hour       // after To: files delivered later are not read
	slack    = 5 * time.Minute // before From, for clocks that differ
)

// Has reports whether a record is asked for. No record is left out because of an account, Region
// or time that it does not state (empty, zero).
func (s Selection) Has(account, region string, at time.Time) bool {
	switch {
	case len(s.Accounts) > 0 && account != "" && !slices.Contains(s.Accounts, account):
		return false
	case len(s.Regions) > 0 && region != "" && !slices.Contains(s.Regions, region):
		return false
	case at.IsZero():
		return true
	}
	return (s.From.IsZero() || !at.Before(s.From)) && (s.To.IsZero() || at.Before(s.To))
}

// delivered reports whether a file may hold records that are asked for, if it was delivered at
// begin or later, and before end.
func (s Selection) delivered(begin, end time.Time) bool {
	return (s.From.IsZero() || end.After(s.From.Add(-slack))) && (s.To.IsZero() || begin.Before(s.To.Add(maxDelay)))
}

// class is what a file is, by its name.
type class int

const (
	other   class = iota // no file with records, such as a digest
	outside              // a log file without any record that is asked for
	jsonDoc              // may hold records in any form
	logFile              // a log file of CloudTrail
)

var (
	// logName is the name of a log file, in any folder.
	logName = regexp.MustCompile(`^([0-9]{12})_CloudTrail_([a-z0-9-]{1,64})_([0-9]{8}T[0-9]{4}Z)_[^/]+\.json(?:\.gz)?$`)
	// noRecords is the name of the other files that CloudTrail writes.
	noRecords = regexp.MustCompile(`^[0-9]{12}_CloudTrail-(?:Digest|Insight)_`)
	jsonName  = regexp.MustCompile(`\.(?:json|jsonl|ndjson)(?:\.gz)?$`)
)

const minuteOfDelivery = "20060102T1504Z"

// classify says from the path of a file, or the key of an object, what it is.
func (s Selection) classify(key string) class {
	name := path.Base(key)
	k := logfile.ParseKey(key)
	m := logName.FindStringSubmatch(name)
	switch {
	case k.Kind == logfile.Digest, k.Kind == logfile.Insight, k.Kind == logfile.Folder, noRecords.MatchString(name):
		return other
	case k.Kind == logfile.Log, m != nil:
	case jsonName.MatchString(name) && !inAWSLogs(key):
		return jsonDoc
	default:
		return other
	}
	account, region, begin, end := k.Account, k.Region, k.Day, k.Day.AddDate(0, 0, 1)
	if m != nil {
		account, region = m[1], m[2]
		if at, err := time.Parse(minuteOfDelivery, m[3]); err == nil {
			begin, end = at, at.Add(time.Minute)
		}
	}
	if !s.Has(account, region, time.Time{}) || !begin.IsZero() && !s.delivered(begin, end) {
		return outside
	}
	return logFile
}

// inAWSLogs reports whether a key is below AWSLogs/: other services write there too, in formats of their own.
func inAWSLogs(key string) bool { return strings.Contains("/"+key, "/AWSLogs/") }
