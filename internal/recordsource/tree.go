package recordsource

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// listers is how many folders of a bucket are listed at the same time.
const listers = 8

// A mistyped prefix is an error: people would take an empty list to mean that nothing happened.
var (
	errNoKeys = errors.New("no object's key begins so")
	errNoLogs = errors.New("there are no log files of CloudTrail: write AWSLogs/ACCOUNT/CloudTrail/REGION/, of an organisation AWSLogs/o-…/ACCOUNT/CloudTrail/REGION/, or the beginning of that")
)

// bucket yields the files of s3://bucket/prefix.
func (f *Finder) bucket(ctx context.Context, arg string, yield func(File, error) bool) bool {
	name, prefix, err := ParseURL(arg)
	if err != nil {
		return yield(File{Name: arg}, err)
	}
	b, err := f.Bucket(ctx, name)
	if err != nil {
		return yield(File{Name: arg}, err)
	}
	t := &tree{Finder: f, bucket: b}
	parts := func(yield func(part) bool) { t.expand(ctx, prefix, yield) }
	for r := range Ordered(ctx, listers, parts, t.listPart) {
		t.found = true // also with an error: then it is not known whether there are files
		var more bool
		if r.err != nil {
			more = yield(File{Name: "s3://" + name + "/" + r.text}, r.err)
		} else {
			more = f.pick(r.text, b.file(r.text), yield)
		}
		if !more {
			return false
		}
	}
	switch {
	case t.found || t.pruned || ctx.Err() != nil:
		return true
	case t.foreign:
		return yield(File{Name: arg}, errNoLogs)
	}
	return yield(File{Name: arg}, errNoKeys)
}

// tree lists a bucket without the folders that hold nothing that is asked for. Log files are at
// AWSLogs/[o-…/]ACCOUNT/CloudTrail/REGION/YYYY/MM/DD/, so that within a Region the order of keys is
// that of time.
type tree struct {
	*Finder
	bucket *Bucket
	found  bool // there was a key or an error; only the goroutine that ranges over the results uses it

	// Set by the goroutine that takes the parts; read after it has ended.
	pruned  bool // a folder was left out because of the selection
	foreign bool // a folder was left out because CloudTrail writes no log files there
}

// part of a bucket: one key, the error of a prefix, or a prefix of which all keys are to be listed.
type part struct {
	text string // the key or the prefix
	all  bool   // text is a prefix, and all its keys are to be listed
	err  error
}

var (
	logsFolder    = regexp.MustCompile(`(?:^|/)AWSLogs/(?:o-[a-z0-9]{1,64}/)?$`)
	accountFolder = regexp.MustCompile(`(?:^|/)AWSLogs/(?:o-[a-z0-9]{1,64}/)?([0-9]{12})/$`)
	trailFolder   = regexp.MustCompile(`(?:^|/)AWSLogs/(?:o-[a-z0-9]{1,64}/)?[0-9]{12}/CloudTrail/$`)
	regionFolder  = regexp.MustCompile(`((?:^|.*/)AWSLogs/(?:o-[a-z0-9]{1,64}/)?([0-9]{12})/CloudTrail/([a-z0-9-]{1,64})/)`)
)

// expand yields the parts whose keys begin with the prefix. It lists folders, one at a time, down to
// the folders of Regions.
func (t *tree) expand(ctx context.Context, prefix string, yield func(part) bool) bool {
	switch {
	case t.outside(prefix):
		t.pruned = true
		return true
	case isForeign(prefix):
		t.foreign = true
		return true
	case regionFolder.MatchString(prefix):
		t.pruned = t.pruned || !t.From.IsZero() || !t.To.IsZero()
		return yield(part{text: prefix, all: true})
	case accountFolder.MatchString(prefix):
		prefix += "CloudTrail/" // the account's other folders have digests, and files of other services
		t.foreign = true
	}
	for p, err := range t.bucket.list(ctx, prefix, "/", "") {
		if err != nil {
			return ctx.Err() == nil && yield(part{text: prefix, err: err})
		}
		for _, key := range p.keys {
			if !yield(part{text: key}) {
				return false
			}
		}
		for _, folder := range p.prefixes {
			if !t.expand(ctx, folder, yield) {
				return false
			}
		}
	}
	return true
}

// outside reports whether a folder holds nothing that is asked for.
func (t *tree) outside(folder string) bool {
	if m := regionFolder.FindStringSubmatch(folder); m != nil {
		return !t.Has(m[2], m[3], time.Time{})
	}
	m := accountFolder.FindStringSubmatch(folder)
	return m != nil && !t.Has(m[1], "", time.Time{})
}

// isForeign reports whether a folder is below AWSLogs, but CloudTrail writes no log files into it.
func isForeign(folder string) bool {
	parent := folder[:strings.LastIndexByte(strings.TrimSuffix(folder, "/"), '/')+1]
	switch {
	case !strings.HasSuffix(folder, "/"): // no whole folder: several names may begin so
		return false
	case logsFolder.MatchString(parent): // neither an organisation nor an account
		return !logsFolder.MatchString(folder) && !accountFolder.MatchString(folder)
	case accountFolder.MatchString(parent): // another service
		return !trailFolder.MatchString(folder)
	}
	return false
}

// listPart yields the keys of one part. In a Region's folder it lists only the days that are asked for.
func (t *tree) listPart(ctx context.Context, in part, yield func(part) bool) {
	if !in.all {
		yield(in)
		return
	}
	after, end := t.span(regionFolder.FindString(in.text))
	for p, err := range t.bucket.list(ctx, in.text, "", after) {
		if err != nil {
			if ctx.Err() == nil {
				yield(part{text: in.text, err: err})
			}
			return
		}
		for _, key := range p.keys {
			if end != "" && key >= end || !yield(part{text: key}) {
				return
			}
		}
	}
}

// span returns the keys of a Region's folder between which the files of the days that are asked for
// are; empty: no bound.
func (t *tree) span(folder string) (after, end string) {
	const day = "2006/01/02/"
	if !t.From.IsZero() {
		after = folder + t.From.Add(-slack).UTC().Format(day)
	}
	if !t.To.IsZero() {
		end = folder + t.To.Add(maxDelay).UTC().AddDate(0, 0, 1).Format(day)
	}
	return after, end
}

// decoded undoes the encoding of a key in an answer of ListObjectsV2 with the encoding type "url".
func decoded(key *string, encoded bool) string {
	if plain, err := url.QueryUnescape(aws.ToString(key)); encoded && err == nil {
		return plain
	}
	return aws.ToString(key)
}
