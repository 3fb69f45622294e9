package cloudtrail

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxRecord = 1 << 20 // bytes: SQS takes no more, and CloudTrail omits what makes a record larger than 256 KB
	maxDepth  = 64      // of nesting
	maxIDs    = 1000    // flow logs of one record: what the API takes a call
	maxText   = 2048    // bytes of any one text kept
)

// ErrNotARecord is wrapped by every error of Decode.
var ErrNotARecord = errors.New("not a CloudTrail record")

// wire has the fields of a record that are read. Those that may be of any type are raw.
type wire struct {
	EventID            text            `json:"eventID"`
	EventName          text            `json:"eventName"`
	EventSource        text            `json:"eventSource"`
	EventTime          text            `json:"eventTime"`
	EventCategory      text            `json:"eventCategory"`
	EventType          text            `json:"eventType"`
	ManagementEvent    text            `json:"managementEvent"`
	AWSRegion          text            `json:"awsRegion"`
	RecipientAccountID text            `json:"recipientAccountId"`
	ErrorCode          text            `json:"errorCode"`
	ErrorMessage       text            `json:"errorMessage"`
	SourceIPAddress    text            `json:"sourceIPAddress"`
	UserAgent          text            `json:"userAgent"`
	UserIdentity       json.RawMessage `json:"userIdentity"`
	RequestParameters  json.RawMessage `json:"requestParameters"`
	ResponseElements   json.RawMessage `json:"responseElements"`
	Resources          json.RawMessage `json:"resources"`
	Console            text            `json:"sessionCredentialFromConsole"`
	Addendum           json.RawMessage `json:"addendum"`
	InsightDetails     json.RawMessage `json:"insightDetails"`
}

// text takes any scalar: CloudTrail turns EC2's XML into JSON and makes
// numbers and booleans of what looks like them (docs/aws.md, "Records of flow
// log calls"). Anything else is no text, and no error.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	*t = text(scalar(b))
	return nil
}

// scalar returns the text of a JSON string, number or boolean, clipped.
func scalar(b []byte) string {
	var s string
	switch b = bytes.TrimSpace(b); {
	case len(b) == 0, b[0] == '{', b[0] == '[', bytes.Equal(b, []byte("null")):
		return ""
	case b[0] == '"':
		if json.Unmarshal(b, &s) != nil {
			return ""
		}
	default:
		s = string(b)
	}
	return clip(s)
}

// clip shortens a text to maxText without cutting a character in half. The result is a copy, so that
// it does not keep the whole text in memory.
func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	s = s[:maxText]
	for len(s) > 0 && !utf8.ValidString(s[len(s)-min(len(s), utf8.UTFMax):]) {
		s = s[:len(s)-1]
	}
	return strings.Clone(s)
}

// Decode decodes one record of any version, and ignores unknown fields. It returns an error if
// the text is no JSON object, is too large or too deep, or has no event name or no source (which
// only Insights may lack). It reads no parameters of a record that is no call (Record.NoCall).
func Decode(raw []byte) (Record, error) {
	if len(raw) > maxRecord {
		return Record{}, fmt.Errorf("%w: %d bytes are more than %d", ErrNotARecord, len(raw), maxRecord)
	}
	if depth(raw) > maxDepth {
		return Record{}, fmt.Errorf("%w: nested deeper than %d", ErrNotARecord, maxDepth)
	}
	var w wire
	if b := bytes.TrimSpace(raw); len(b) == 0 || b[0] != '{' {
		return Record{}, fmt.Errorf("%w: not a JSON object", ErrNotARecord)
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrNotARecord, err)
	}
	if w.noCall() == Insight { // its names are further inside
		details := object(w.InsightDetails)
		w.EventName, w.EventSource = text(scalar(details["eventName"])), text(scalar(details["eventSource"]))
	} else if w.EventName == "" || w.EventSource == "" {
		return Record{}, fmt.Errorf("%w: no eventName or no eventSource", ErrNotARecord)
	}
	r := Record{
		NoCall:  w.noCall(),
		EventID: string(w.EventID), EventName: string(w.EventName), EventSource: string(w.EventSource),
		Account: string(w.RecipientAccountID), Region: string(w.AWSRegion),
		ErrorCode: string(w.ErrorCode), ErrorText: string(w.ErrorMessage),
		SourceIP: string(w.SourceIPAddress), UserAgent: string(w.UserAgent),
		Identity: identity(w.UserIdentity),
	}
	r.EventTime = moment(string(w.EventTime))
	r.Identity.Console = strings.EqualFold(string(w.Console), "true")
	r.readAddendum(w.Addendum)
	if r.NoCall != "" {
		return r, nil
	}
	if r.EventSource == EC2 {
		r.readParameters(w.RequestParameters, w.ResponseElements)
	} else if t, ok := tampers[r.EventName]; ok && t.source == r.EventSource {
		r.readTarget(t, w.RequestParameters, w.ResponseElements, w.Resources)
	}
	return r, nil
}

// layouts of event times: CloudTrail's own, and those of tools that forward records. With each of
// them, Go also parses a fraction of a second.
var layouts = []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04:05"}

// moment parses an event's time, as UTC if it has no offset. Zero: not stated.
func moment(s string) time.Time {
	if len(s) > len("2006-01-02") && s[len("2006-01-02")] == ' ' {
		day, rest := s[:len("2006-01-02")], s[len("2006-01-02"):]
		s = day + "T" + strings.ReplaceAll(strings.TrimSuffix(rest, " UTC"), " ", "")
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// depth returns how deep a JSON text nests, whether it is valid or not.
func depth(raw []byte) (deepest int) {
	now, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deepest
}

// EC2's event source, and the events whose parameters are read.
const (
	EC2            = "ec2.amazonaws.com"
	DeleteFlowLogs = "DeleteFlowLogs"
	CreateFlowLogs = "CreateFlowLogs"
	DeleteVPC      = "DeleteVpc"
)

// readParameters reads the parameters and the answer of EC2's events.
func (r *Record) readParameters(request, response json.RawMessage) {
	params, answer := unwrap(request, r.EventName+"Request"), unwrap(response, r.EventName+"Response")
	r.DryRun = strings.EqualFold(scalar(params["DryRun"]), "true")
	switch r.EventName {
	case DeleteFlowLogs:
		r.FlowLogIDs = idsIn(contents(params["FlowLogId"]))
		r.IDsUnknown = len(elements(params["FlowLogId"])) > maxIDs
		if len(r.FlowLogIDs) == 0 {
			r.FlowLogIDs = anyID(request) // the shape is not known: take every ID in it
			r.IDsUnknown = len(r.FlowLogIDs) == 0 || len(r.FlowLogIDs) == maxIDs
		}
		r.Refused = refusals(answer["unsuccessful"])
	case CreateFlowLogs:
		r.ClientToken = scalar(params["ClientToken"])
		r.CreatedIDs = idsIn(contents(object(answer["flowLogIdSet"])["item"]))
		_, r.IDsUnknown = omitted(response)
	case DeleteVPC:
		r.VPC = scalar(params["vpcId"])
	}
}

// unwrap returns the parameters without the object that EC2's records have around them.
func unwrap(raw json.RawMessage, wrapper string) map[string]json.RawMessage {
	outer := object(raw)
	if inner := object(outer[wrapper]); inner != nil {
		return inner
	}
	return outer
}

func object(raw json.RawMessage) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	if b := bytes.TrimSpace(raw); len(b) == 0 || b[0] != '{' || json.Unmarshal(b, &m) != nil {
		return nil
	}
	return m
}

// elements returns the elements of an array, or a single value as the only element.
func elements(raw json.RawMessage) []json.RawMessage {
	b := bytes.TrimSpace(raw)
	if len(b) == 0 || b[0] != '[' {
		return []json.RawMessage{raw}
	}
	var all []json.RawMessage
	if json.Unmarshal(b, &all) != nil {
		return nil
	}
	return all
}

// contents returns the texts of a list parameter: bare, or {"tag":1,"content":…}.
func contents(raw json.RawMessage) []string {
	var out []string
	for _, e := range elements(raw) {
		s := scalar(e)
		if m := object(e); m != nil {
			s = scalar(m["content"])
		}
		if s != "" && len(out) < maxIDs {
			out = append(out, s)
		}
	}
	return out
}

// refusals reads an answer's "unsuccessful": an empty text, one item, or several.
func refusals(raw json.RawMessage) []Refusal {
	var out []Refusal
	for _, item := range elements(object(raw)["item"]) {
		m := object(item)
		e := object(m["error"])
		if id := scalar(m["resourceId"]); flowLogID.MatchString(id) && len(out) < maxIDs {
			out = append(out, Refusal{FlowLogID: id, Code: scalar(e["code"]), Message: scalar(e["message"])})
		}
	}
	return out
}

var (
	flowLogID  = regexp.MustCompile(`^fl-[0-9a-f]{8,32}$`)
	flowLogIDs = regexp.MustCompile(`fl-[0-9a-f]{8,32}\b`)
)

func idsIn(texts []string) []string {
	var out []string
	for _, s := range texts {
		if flowLogID.MatchString(s) {
			out = append(out, s)
		}
	}
	return unique(out)
}

func anyID(raw []byte) []string {
	var out []string
	for _, b := range flowLogIDs.FindAll(raw, maxIDs) {
		out = append(out, string(b))
	}
	return unique(out)
}

// unique removes repeats and empty texts, and keeps the order.
func unique(in []string) []string {
	seen := make(map[string]bool, len(in))
	var out []string
	for _, s := range in {
		if s != "" && !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}
