package fakeaws

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// Trail makes CloudTrail records, and delivers them.
type Trail struct {
	now func() time.Time

	mu    sync.Mutex              // guards what follows
	to    func(body string) error // nil: nowhere
	muted bool
	count uint64
}

// TrailWith sets the function that gets the records of EC2's changing calls, in the
// EventBridge envelope. It is called with no lock of the world held.
func (t *Trail) TrailWith(to func(body string) error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.to = to
}

// MuteTrail stops the records (muted), or lets them come again.
func (t *Trail) MuteTrail(muted bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.muted = muted
}

// call is one changing call of EC2.
type call struct {
	*Request
	params    params
	requestID string
	answer    string // XML; empty if it was refused
	err       error
}

// record makes the event of one call, and returns the function that delivers it;
// nil if the trail is muted or has no function.
func (t *Trail) record(c call) (deliver func() error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.to == nil || t.muted {
		return nil
	}
	t.count++
	id, now := fmt.Sprintf("%08x-0000-4000-9000-%012x", t.count, t.count), t.now().UTC().Format(time.RFC3339)
	b, err := json.Marshal(map[string]any{
		"version": "0", "id": id, "detail-type": "AWS API Call via CloudTrail", "source": "aws.ec2", "account": c.Account,
		"time": now, "region": c.Region, "resources": []string{}, "detail": c.record(id, now),
	})
	if err != nil {
		panic("fakeaws: a record is plain JSON: " + err.Error())
	}
	to := t.to
	return func() error { return to(string(b)) }
}

// record returns the record that CloudTrail writes of an EC2 call.
func (c call) record(id, now string) map[string]any {
	r := map[string]any{
		"eventVersion": "1.10", "eventTime": now, "eventSource": "ec2.amazonaws.com", "eventName": c.Operation,
		"awsRegion": c.Region, "recipientAccountId": c.Account, "eventID": id, "requestID": c.requestID, "readOnly": false, "eventType": "AwsApiCall",
		"managementEvent": true, "eventCategory": "Management", "sourceIPAddress": c.SourceIP, "userAgent": c.UserAgent,
		"userIdentity": identity(c.Caller), "requestParameters": c.requestParameters(), "responseElements": nil,
	}
	if c.err != nil {
		e := asError(c.err)
		r["errorCode"], r["errorMessage"] = "Client."+e.Code, e.Message
		return r
	}
	r["responseElements"] = c.responseElements()
	return r
}

// requestParameters of a record. CreateTags is older than the calls of flow logs, and has
// another shape.
func (c call) requestParameters() map[string]any {
	if c.Operation != "CreateTags" {
		return map[string]any{c.Operation + "Request": recorded(c.params)}
	}
	var resources, tags []map[string]any
	for _, id := range numbered[string](c.params, "ResourceId") {
		resources = append(resources, map[string]any{"resourceId": id})
	}
	for _, t := range numbered[params](c.params, "Tag") {
		tags = append(tags, map[string]any{"key": t.text("Key"), "value": t.text("Value")})
	}
	return map[string]any{"resourcesSet": map[string]any{"items": resources}, "tagSet": map[string]any{"items": tags}}
}

func (c call) responseElements() map[string]any {
	if c.Operation == "CreateTags" {
		return map[string]any{"requestId": c.requestID, "_return": true}
	}
	var response element
	if err := xml.Unmarshal([]byte(c.answer), &response); err != nil {
		panic("fakeaws: an answer is XML: " + err.Error())
	}
	return map[string]any{c.Operation + "Response": response.recorded()}
}

func identity(c Caller) map[string]any {
	id := map[string]any{"type": c.Type, "principalId": c.UserID, "arn": c.ARN, "accountId": c.Account, "accessKeyId": c.AccessKeyID}
	if c.Type == "IAMUser" {
		id["userName"] = c.Name
	}
	session := map[string]any{}
	if c.SessionIssuer != "" {
		session["sessionIssuer"] = map[string]any{"type": "Role", "arn": c.SessionIssuer, "accountId": c.Account, "userName": c.Name}
	}
	// A long-term access key has no session, so its record does not report MFA.
	if c.MFA != nil && *c.MFA || c.SessionIssuer != "" {
		session["attributes"] = map[string]any{"mfaAuthenticated": strconv.FormatBool(c.MFA != nil && *c.MFA)}
		id["sessionContext"] = session
	}
	return id
}

// recorded returns parameters as CloudTrail records them. It turns them from XML into JSON:
// one element becomes an object, several become an array, and texts are coerced.
func recorded(v any) any {
	p, ok := v.(params)
	if !ok {
		return coerce(v.(string))
	}
	if p["1"] == nil {
		out := map[string]any{}
		for name, v := range p {
			out[name] = recorded(v)
		}
		return out
	}
	var all []any
	for n := 1; p[strconv.Itoa(n)] != nil; n++ {
		v := recorded(p[strconv.Itoa(n)])
		item, ok := v.(map[string]any)
		if !ok {
			item = map[string]any{"content": v}
		}
		item["tag"] = n
		all = append(all, item)
	}
	return oneOrAll(all)
}

// element is one element of an answer.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Elements []element  `xml:",any"`
}

// recorded returns the element as CloudTrail records it, in the same way.
func (e element) recorded() any {
	if len(e.Elements) == 0 {
		return coerce(e.Text)
	}
	all := map[string][]any{}
	for _, sub := range e.Elements {
		all[sub.XMLName.Local] = append(all[sub.XMLName.Local], sub.recorded())
	}
	out := map[string]any{}
	for name, values := range all {
		out[name] = oneOrAll(values)
	}
	for _, a := range e.Attrs {
		out[a.Name.Local] = a.Value
	}
	return out
}

func oneOrAll(all []any) any {
	if len(all) == 1 {
		return all[0]
	}
	return all
}

// coerce makes a boolean of `true` and a number of `600`, even if the parameter is a text.
func coerce(s string) any {
	if s == "true" || s == "false" {
		return s == "true"
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && strconv.FormatInt(n, 10) == s {
		return n
	}
	return s
}
