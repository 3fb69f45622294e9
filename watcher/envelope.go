package watcher

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/logfile"
)

// Kind of a message's body: which envelope is around the records.
type Kind string

const (
	EventBridge  Kind = "eventbridge"  // one record in an event of EventBridge
	Bare         Kind = "record"       // one record as it is
	Batch        Kind = "records"      // {"Records":[…]}
	LogFile      Kind = "log_file"     // a notice that log files are in S3
	NoRecords    Kind = "no_records"   // a digest, or a notice of files that hold no records of calls
	Subscription Kind = "subscription" // SNS asks to confirm a subscription, which Flowkeeper never does
	SetupNoise   Kind = "setup"        // test messages of S3 and CloudTrail
	Other        Kind = "other"        // an event that is not CloudTrail's
	Unknown      Kind = "unknown"      // not understood
)

// Content is what a message holds.
type Content struct {
	Kind    Kind
	Records []json.RawMessage
	Objects []Object // of a LogFile; none: the notice names none
}

// Object is an object in S3 that a message announces. Whoever sent the message chose both.
type Object struct{ Bucket, Key string }

// ErrNotUnderstood is wrapped by every error of Unwrap.
var ErrNotUnderstood = errors.New("not understood")

const maxNesting = 4 // of SNS notifications in each other

// envelope has the fields of all envelopes; the fields that are set tell which envelope it is.
type envelope struct {
	Type        lax               `json:"Type"`
	Message     lax               `json:"Message"`
	DetailType  lax               `json:"detail-type"`
	Source      lax               `json:"source"`
	Detail      json.RawMessage   `json:"detail"`
	Records     []json.RawMessage `json:"Records"`
	S3Bucket    lax               `json:"s3Bucket"`
	S3ObjectKey json.RawMessage   `json:"s3ObjectKey"`
	S3          notice            `json:"s3"`
	Digest      lax               `json:"digestS3Bucket"`
	Service     lax               `json:"Service"`
	Event       lax               `json:"Event"`
	EventName   lax               `json:"eventName"`
	EventSource lax               `json:"eventSource"`
	EventType   lax               `json:"eventType"`
}

// lax is a JSON string; empty if there is any other JSON value.
type lax string

func (l *lax) UnmarshalJSON(b []byte) error {
	var s string
	if len(b) > 0 && b[0] == '"' && json.Unmarshal(b, &s) == nil {
		*l = lax(s)
	}
	return nil
}

// Unwrap takes the records out of a message's body. It decodes no record.
func Unwrap(body []byte) (Content, error) { return unwrap(body, maxNesting) }

func unwrap(body []byte, nesting int) (Content, error) {
	body = bytes.TrimSpace(body)
	if bytes.HasPrefix(body, []byte("CloudTrail validation message.")) {
		return Content{Kind: SetupNoise}, nil
	}
	if len(body) == 0 || body[0] != '{' {
		return Content{}, fmt.Errorf("%w: not a JSON object", ErrNotUnderstood)
	}
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return Content{}, fmt.Errorf("%w: %w", ErrNotUnderstood, err)
	}
	switch {
	case e.Type == "Notification" && e.Message != "":
		if nesting == 0 {
			return Content{}, fmt.Errorf("%w: more than %d notifications in each other", ErrNotUnderstood, maxNesting)
		}
		return unwrap([]byte(e.Message), nesting-1)
	case e.Type == "SubscriptionConfirmation", e.Type == "UnsubscribeConfirmation":
		return Content{Kind: Subscription}, nil
	case e.DetailType != "":
		return e.event()
	case e.S3Bucket != "":
		var keys []string
		if json.Unmarshal(e.S3ObjectKey, &keys) != nil {
			keys = nil
		}
		objects := make([]Object, len(keys))
		for n, key := range keys {
			objects[n] = Object{string(e.S3Bucket), key}
		}
		return logFile(objects), nil
	case e.Digest != "":
		return Content{Kind: NoRecords}, nil
	case e.Service == "Amazon S3" && e.Event == "s3:TestEvent":
		return Content{Kind: SetupNoise}, nil
	case e.Records != nil:
		return batch(e.Records)
	case e.EventName != "" && e.EventSource != "", e.EventType == "AwsCloudTrailInsight":
		return Content{Kind: Bare, Records: []json.RawMessage{body}}, nil
	}
	return Content{}, fmt.Errorf("%w: none of the known envelopes", ErrNotUnderstood)
}

// notice is the object that a notice of S3 names; its fields are empty if it names none. The key is
// encoded as in the notice.
type notice Object

// UnmarshalJSON takes any shape.
func (n *notice) UnmarshalJSON(b []byte) error {
	var s struct {
		Bucket struct {
			Name lax `json:"name"`
		} `json:"bucket"`
		Object struct {
			Key lax `json:"key"`
		} `json:"object"`
	}
	if len(b) > 0 && b[0] == '{' && json.Unmarshal(b, &s) == nil {
		*n = notice{string(s.Bucket.Name), string(s.Object.Key)}
	}
	return nil
}

// logFile returns the content of a notice about these objects. Digests, Insights files and
// folders hold no records of calls.
func logFile(objects []Object) Content {
	for _, o := range objects {
		switch logfile.ParseKey(o.Key).Kind {
		case logfile.Digest, logfile.Insight, logfile.Folder:
		default:
			return Content{Kind: LogFile, Objects: objects}
		}
	}
	if len(objects) == 0 {
		return Content{Kind: LogFile}
	}
	return Content{Kind: NoRecords}
}

func (e envelope) event() (Content, error) {
	switch {
	case !strings.Contains(string(e.DetailType), "CloudTrail"):
		if e.Source == "aws.s3" && e.DetailType != "Object Created" { // it was deleted, tagged, and so on
			return Content{Kind: NoRecords}, nil
		}
		if e.Source == "aws.s3" { // calls on buckets come from CloudTrail
			var n notice
			_ = n.UnmarshalJSON(e.Detail)            // an unknown shape names no key
			return logFile([]Object{Object(n)}), nil // EventBridge does not encode the key
		}
		return Content{Kind: Other}, nil
	case len(e.Detail) == 0 || e.Detail[0] != '{':
		return Content{}, fmt.Errorf("%w: an event without detail", ErrNotUnderstood)
	}
	return Content{Kind: EventBridge, Records: []json.RawMessage{e.Detail}}, nil
}

// batch returns the content of {"Records":[…]}: records of calls, or a notice of S3 about objects.
func batch(records []json.RawMessage) (Content, error) {
	if len(records) > 0 {
		var first envelope
		if json.Unmarshal(records[0], &first) == nil && first.EventSource == "aws:s3" {
			return s3Notice(records), nil
		}
	}
	return Content{Kind: Batch, Records: records}, nil
}

// s3Notice returns the content of a notice of S3. Only a new object counts: S3 also sends notices
// when an object was deleted, tagged, restored and so on ("Event message structure" in the S3 user
// guide). A notice that does not say what happened may be about a new object.
func s3Notice(records []json.RawMessage) Content {
	var objects []Object
	for _, raw := range records {
		var e envelope
		if json.Unmarshal(raw, &e) == nil && e.EventName != "" && !strings.HasPrefix(string(e.EventName), "ObjectCreated:") {
			continue
		}
		var o Object                            // an unknown shape names none
		key, err := url.QueryUnescape(e.S3.Key) // encoded as in a form: a space is +
		if err == nil {
			o = Object{e.S3.Bucket, key}
		}
		objects = append(objects, o)
	}
	if len(objects) == 0 {
		return Content{Kind: NoRecords}
	}
	return logFile(objects)
}

// Suspect is the scope of a record that can't be parsed and mentions DeleteFlowLogs: it should
// be refreshed (I8). Account and Region are empty if they were not found.
type Suspect struct {
	Account, Region string
	// ByKey: account and Region are from a log file's key. Otherwise they are from text that can't be
	// parsed, where an attacker may have written others.
	ByKey bool
}

var (
	suspectAccount = regexp.MustCompile(`recipientAccountId\\*"\s*:\s*\\*"?(\d{12})\b`)
	suspectRegion  = regexp.MustCompile(`awsRegion\\*"\s*:\s*\\*"([a-z0-9-]{5,32})\\*"`)
)

// suspect searches a text that could not be parsed for a Suspect.
func suspect(raw []byte) (Suspect, bool) {
	if !bytes.Contains(raw, []byte(cloudtrail.DeleteFlowLogs)) {
		return Suspect{}, false
	}
	var s Suspect
	if m := suspectAccount.FindSubmatch(raw); m != nil {
		s.Account = string(m[1])
	}
	if m := suspectRegion.FindSubmatch(raw); m != nil {
		s.Region = string(m[1])
	}
	return s, true
}

// decoded has the records of one message.
type decoded struct {
	records  []cloudtrail.Record
	suspects []Suspect
	noCalls  []cloudtrail.NoCall // of records that name a watched call and are no management call
	bad      int
}

// decode decodes the records of a content, and counts those that can't be.
func decode(c Content) (d decoded) {
	for _, raw := range c.Records {
		d.add(raw)
	}
	return d
}

// add decodes one record. If it names no watched call, it is dropped without parsing.
func (d *decoded) add(raw []byte) {
	if !cloudtrail.Wanted(raw) {
		if len(raw) == 0 || raw[0] != '{' {
			d.bad++
		}
		return
	}
	r, err := cloudtrail.Decode(raw)
	switch {
	case err != nil:
		d.bad++
		if s, ok := suspect(raw); ok {
			d.suspects = append(d.suspects, s)
		}
	case r.NoCall != "":
		d.noCalls = append(d.noCalls, r.NoCall)
	default:
		d.records = append(d.records, r)
	}
}
