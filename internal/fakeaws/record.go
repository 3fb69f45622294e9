package fakeaws

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Trail is where CloudTrail records go.
type Trail struct {
	now  func() time.Time
	send func(queueARN, body string) error

	mu     sync.Mutex              // guards what follows
	to     func(body string) error // nil: nowhere
	events []string
	muted  bool
	count  uint64
}

// TrailTo sends the records of EC2's changing calls to a queue in the
// EventBridge envelope; of the events named, or of all.
func (t *Trail) TrailTo(queueARN string, events ...string) {
	t.TrailWith(func(body string) error { return t.send(queueARN, body) }, events...)
}

// TrailWith hands the records to a function instead. It is called with no lock of
// the world held.
func (t *Trail) TrailWith(to func(body string) error, events ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.to, t.events = to, events
}

// MuteTrail stops and restarts the records.
func (t *Trail) MuteTrail(muted bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.muted = muted
}

// record makes the event of one call, and returns the function that delivers it;
// nil if the trail does not want it.
func (t *Trail) record(q *Request, requestID string, rep reply, err error) (deliver func() error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.to == nil || t.muted || len(t.events) > 0 && !slices.Contains(t.events, q.Operation) {
		return nil
	}
	t.count++
	id, now := fmt.Sprintf("%08x-0000-4000-9000-%012x", t.count, t.count), t.now().UTC().Format(time.RFC3339)
	b, merr := json.Marshal(map[string]any{
		"version": "0", "id": id, "detail-type": "AWS API Call via CloudTrail", "source": "aws.ec2", "account": q.Account,
		"time": now, "region": q.Region, "resources": []string{}, "detail": cloudTrail(id, now, q, requestID, rep, err),
	})
	if merr != nil {
		panic("fakeaws: a record is plain JSON: " + merr.Error())
	}
	to := t.to
	return func() error { return to(string(b)) }
}

// cloudTrail is the record as CloudTrail writes it of an EC2 call.
func cloudTrail(id, now string, q *Request, requestID string, rep reply, err error) map[string]any {
	r := map[string]any{
		"eventVersion": "1.10", "eventTime": now, "eventSource": "ec2.amazonaws.com", "eventName": q.Operation,
		"awsRegion": q.Region, "recipientAccountId": q.Account, "eventID": id, "requestID": requestID, "readOnly": false, "eventType": "AwsApiCall",
		"managementEvent": true, "eventCategory": "Management", "sourceIPAddress": q.SourceIP, "userAgent": q.UserAgent,
		"userIdentity": identity(q.Caller), "requestParameters": request(q),
	}
	if err != nil {
		e := asError(err)
		r["errorCode"], r["errorMessage"], r["responseElements"] = "Client."+e.Code, e.Message, nil
		return r
	}
	response := maps.Clone(rep.response)
	response["xmlns"], response["requestId"] = "http://ec2.amazonaws.com/doc/2016-11-15/", requestID
	r["responseElements"] = map[string]any{q.Operation + "Response": response}
	return r
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

// request turns the call's parameters into what CloudTrail makes of them: XML
// as JSON, so one element is an object, several are an array, and scalars are
// coerced.
func request(q *Request) map[string]any {
	tree := map[string]any{}
	for _, k := range slices.Sorted(maps.Keys(q.Form)) {
		if k != "Action" && k != "Version" {
			setAt(tree, strings.Split(k, "."), q.Form.Get(k))
		}
	}
	return map[string]any{q.Operation + "Request": fold(tree)}
}

// setAt puts a value at a path of the tree.
func setAt(tree map[string]any, path []string, value string) {
	if len(path) == 1 {
		tree[path[0]] = coerce(value)
		return
	}
	sub, ok := tree[path[0]].(map[string]any)
	if !ok {
		sub = map[string]any{}
		tree[path[0]] = sub
	}
	setAt(sub, path[1:], value)
}

// fold makes numbered children into one object or an array.
func fold(v any) any {
	tree, ok := v.(map[string]any)
	if !ok {
		return v
	}
	if _, numbered := tree["1"]; !numbered {
		for k := range tree {
			tree[k] = fold(tree[k])
		}
		return tree
	}
	var all []any
	for n := 1; tree[strconv.Itoa(n)] != nil; n++ {
		item, ok := fold(tree[strconv.Itoa(n)]).(map[string]any)
		if !ok {
			item = map[string]any{"content": tree[strconv.Itoa(n)]}
		}
		item["tag"] = n
		all = append(all, item)
	}
	if len(all) == 1 {
		return all[0]
	}
	return all
}

// coerce: `true` and `600` become a boolean and a number even where a text was
// meant.
func coerce(s string) any {
	if s == "true" || s == "false" {
		return s == "true"
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && strconv.FormatInt(n, 10) == s {
		return n
	}
	return s
}

// items is a list: without any it is an empty text, one is itself, several are
// an array.
func items[T any](all []T) any {
	switch len(all) {
	case 0:
		return ""
	case 1:
		return map[string]any{"item": all[0]}
	}
	return map[string]any{"item": all}
}

func unsuccessfulJSON(all []unsuccessful) any {
	var out []any
	for _, u := range all {
		out = append(out, map[string]any{"error": map[string]any{"code": coerce(u.code), "message": u.message}, "resourceId": u.resource})
	}
	return items(out)
}
