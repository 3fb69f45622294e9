package alert_test

import (
	"encoding/json"
	"strings"
	"testing"

	"flowkeeper/alert"
	"flowkeeper/alert/alerttest"
)

var known = alert.Names{
	Accounts: map[string]string{"111122223333": "payments-prod", "444455556666": "audit"},
	Resources: map[alert.Resource]string{
		{Account: "111122223333", Region: "eu-west-1", ID: "vpc-0aaa"}: "main",
		{Account: "444455556666", Region: "eu-west-1", ID: "vpc-0aaa"}: "another",
	},
}

func TestAnAlertHasNames(t *testing.T) {
	t.Parallel()
	a := alerttest.Deletion()
	a.Actor.Account = "444455556666"
	other := a.FlowLogs[0]
	other.Account = "444455556666"
	a.FlowLogs = append(a.FlowLogs, other)
	a.Write()
	id, key, shared := a.ID, a.DedupKey, a
	a.WriteNamed(known)
	if a.ID != id || a.DedupKey != key {
		t.Errorf("names have changed the ID to %s or the key to %s", a.ID, a.DedupKey)
	}
	if shared.FlowLogs[0].ResourceName != "" || shared.Actor.AccountName != "" {
		t.Error("WriteNamed changed what its caller still holds")
	}
	for _, want := range []string{
		"Where: account payments-prod (111122223333), Region eu-west-1",
		"fl-0aaaaaaaaaaaaaaa1 of vpc-0aaa (main) to ",
		"fl-0aaaaaaaaaaaaaaa1 of vpc-0aaa (another) in audit (444455556666) to ",
		", account audit (444455556666)",
	} {
		if !strings.Contains(a.Text, want) {
			t.Errorf("the text lacks %q:\n%s", want, a.Text)
		}
	}
	if want := "Deleted: 2 flow logs by user/mallory in payments-prod (111122223333) eu-west-1"; a.Title != want {
		t.Errorf("title %q, want %q", a.Title, want)
	}
	a.FlowLogs = a.FlowLogs[:1]
	a.Write()
	if want := "Deleted: the flow log of vpc-0aaa (main) by user/mallory in payments-prod (111122223333) eu-west-1"; a.Title != want {
		t.Errorf("title %q, want %q", a.Title, want)
	}
	data, _ := json.Marshal(a)
	for _, want := range []string{`"account":"111122223333","account_name":"payments-prod"`, `"account":"444455556666","account_name":"audit"`, `"resource_id":"vpc-0aaa","resource_name":"main"`} {
		if !strings.Contains(string(data), want) {
			t.Errorf("the JSON lacks %s: %s", want, data)
		}
	}
}

func TestWithoutNamesNothingChanges(t *testing.T) {
	t.Parallel()
	a := alerttest.Deletion()
	a.Write()
	before, _ := json.Marshal(a)
	a.WriteNamed(alert.Names{Accounts: map[string]string{"999988887777": "other", "": "nobody's"}})
	after, _ := json.Marshal(a)
	if string(before) != string(after) {
		t.Errorf("%s\n%s", before, after)
	}
}

// TestI12ANameLooksLikeNoOtherAccount: an attacker who may rename an account, or tag a VPC, can't make an alert look as
// if it were about another account.
func TestI12ANameLooksLikeNoOtherAccount(t *testing.T) {
	t.Parallel()
	if got, want := alert.WithAccount("111122223333", "audit (444455556666)"), "audit [444455556666] (111122223333)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := alert.WithResource("vpc-0aaa", "x) in audit (444455556666"), "vpc-0aaa (x] in audit [444455556666)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, text := range append(alerttest.Hostile, strings.Repeat("(", 10_000)) {
		a := alerttest.Deletion()
		a.WriteNamed(alert.Names{
			Accounts:  map[string]string{"111122223333": text},
			Resources: map[alert.Resource]string{{Account: "111122223333", Region: "eu-west-1", ID: "vpc-0aaa"}: text},
		})
		alerttest.Printable(t, a.Title, false)
		alerttest.Printable(t, a.Text, true)
		if !strings.Contains(a.Title, " (111122223333) eu-west-1") || len([]rune(a.Title)) > alert.MaxTitle {
			t.Errorf("title %q", a.Title)
		}
		if n := len([]rune(a.AccountName)); n > alert.MaxName {
			t.Errorf("a name of %d characters, want %d at most", n, alert.MaxName)
		}
	}
}

func TestNoNameNoBrackets(t *testing.T) {
	t.Parallel()
	for _, got := range []string{alert.WithAccount("", "x"), alert.WithResource("", "x")} {
		if got != "" {
			t.Errorf("%q, want nothing", got)
		}
	}
	if alert.WithAccount("1", "") != "1" || alert.WithResource("vpc-1", "") != "vpc-1" {
		t.Error("without a name there is more than the ID")
	}
}
