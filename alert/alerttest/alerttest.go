package alerttest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"flowkeeper/alert"
)

// UnknownKind is not a kind of alert.
const UnknownKind alert.Kind = "unknown-kind"

// Kinds are all kinds of alerts, and UnknownKind.
var Kinds = []alert.Kind{
	alert.Deletion, alert.Attempt, alert.Restored, alert.Blocked, alert.Closed, alert.Flapping, alert.Decoy,
	alert.Tamper, alert.Pipeline, alert.Destination, alert.Test, UnknownKind,
}

// Hostile are texts that do harm if a terminal or a page shows them as they are.
var Hostile = []string{
	"\x1b[2J\x1b]0;owned\x07", "\x9b31mred", "line\r\nX-Injected: 1", "tab\tand\vand\fand\b",
	"\u202egpj.exe", "\u2066isolated\u2069", "\u200bzero\u200dwidth\ufeff", "\u2028line\u2029paragraph",
	"\x00nul", "\x7fdel", "\u0085next", "broken \xff\xfe utf8 \xed\xa0\x80", "\U000e0041tag", "\ue000private",
}

// To are the names of the sinks that each alert goes to.
type To []string

// For returns all of them.
func (t To) For(alert.Alert) []string { return slices.Clone(t) }

// At parses a time in RFC 3339; it panics if s is not one.
func At(s string) alert.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return alert.Time{Time: t}
}

// Deletion is a complete alert as package remediate makes it, before Alert.Write.
func Deletion() alert.Alert {
	return alert.Alert{
		ID: alert.ID("test", "deletion"), DedupKey: alert.DedupKey("111122223333/eu-west-1", "e1"),
		Time: At("2026-03-01T12:02:28Z"), Kind: alert.Deletion, Level: alert.High,
		Rule:    &alert.Rule{ID: "0f5c", Title: "AWS VPC Flow Logs Deleted"},
		Account: "111122223333", Region: "eu-west-1", EventID: "e1", Source: "event",
		DeletedAt: new(At("2026-03-01T12:02:26Z")),
		Actor: &alert.Actor{
			Type: "IAMUser", ARN: "arn:aws:iam::111122223333:user/mallory", AccessKeyID: "AKIAEXAMPLE",
			MFA: new(false), SourceIP: "198.51.100.7", UserAgent: "aws-cli/2.17",
		},
		FlowLogs: []alert.FlowLog{{
			FlowLogID: "fl-0aaaaaaaaaaaaaaa1", ResourceID: "vpc-0aaa", State: "open",
			Destination: "arn:aws:s3:::flow-logs", Tags: map[string]string{"team": "net"},
		}},
	}
}

// MassDeletion is the alert of one call that deletes n flow logs, after Alert.Write. The
// function each may change each flow log.
func MassDeletion(n int, each func(*alert.FlowLog)) alert.Alert {
	a := Deletion()
	a.FlowLogs = nil
	for k := range n {
		f := alert.FlowLog{FlowLogID: fmt.Sprintf("fl-%017x", k), ResourceID: fmt.Sprintf("vpc-%017x", k), State: "open", Destination: "arn:aws:s3:::flow-logs"}
		each(&f)
		a.FlowLogs = append(a.FlowLogs, f)
	}
	a.Write()
	return a
}

// HugeTags is the deletion of 60 flow logs, each with 50 tags of 380 bytes.
func HugeTags() alert.Alert {
	return MassDeletion(60, func(f *alert.FlowLog) {
		f.LogFormat, f.Tags = "${version}", map[string]string{}
		for m := range 50 {
			f.Tags[fmt.Sprintf("k%02d-%s", m, strings.Repeat("k", 120))] = strings.Repeat("v", 256)
		}
	})
}

// Fill sets every string of the alert to text, so that tests cover fields that are added
// later, too. Lists get three elements.
func Fill(a *alert.Alert, text string) { fill(reflect.ValueOf(a).Elem(), text) }

func fill(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Pointer:
		if v.Type().Elem().Kind() == reflect.Struct {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), text)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
		for i := range 3 {
			fill(v.Index(i), text)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf(text), reflect.ValueOf(text))
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[alert.Time]() {
			return
		}
		for _, field := range v.Fields() {
			fill(field, text)
		}
	}
}

// Printable fails the test if a text is not valid UTF-8 or has characters that are not
// printable. Line breaks are allowed only if lines is set.
func Printable(t interface{ Fatalf(string, ...any) }, s string, lines bool) {
	if !utf8.ValidString(s) {
		t.Fatalf("not UTF-8: %q", s)
	}
	for _, r := range s {
		if !unicode.IsPrint(r) && (r != '\n' || !lines) {
			t.Fatalf("%U passes in %q", r, s)
		}
	}
}
