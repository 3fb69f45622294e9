package alert_test

import (
	"slices"
	"strings"
	"testing"

	"flowkeeper/alert"
)

// TestWho: every kind of identity that CloudTrail records has a name wherever an alert says
// who made a call, and the alert says who uses a role.
func TestWho(t *testing.T) {
	t.Parallel()
	const store = "arn:aws:identitystore::111122223333:identitystore/d-1"
	for name, c := range map[string]struct {
		actor       alert.Actor
		title, text string
	}{
		"IAM user": {alert.Actor{Type: "IAMUser", ARN: "arn:aws:iam::111122223333:user/mallory", UserName: "mallory", PrincipalID: "AIDA"}, "user/mallory", "IAMUser arn:aws:iam::111122223333:user/mallory"},
		"role session with everything": {alert.Actor{Type: "AssumedRole", ARN: "arn:aws:sts::111122223333:assumed-role/ci/x", SessionIssuer: "arn:aws:iam::111122223333:role/ci", PrincipalID: "AROA:x", SourceIdentity: "alice", WebIdentity: "arn:aws:iam::111122223333:oidc-provider/token.example (sub=repo:a/b)", OnBehalfOf: "u-1"},
			"assumed-role/ci/x", "AssumedRole arn:aws:sts::111122223333:assumed-role/ci/x, on behalf of u-1, source identity alice, web identity arn:aws:iam::111122223333:oidc-provider/token.example (sub=repo:a/b)"},
		"role session without its ARN": {alert.Actor{Type: "AssumedRole", SessionIssuer: "arn:aws:iam::111122223333:role/ci", PrincipalID: "AROA:x"}, "role/ci", "AssumedRole arn:aws:iam::111122223333:role/ci"},
		"SAML user":                    {alert.Actor{Type: "SAMLUser", UserName: "alice", PrincipalID: "x:alice", WebIdentity: "https://idp.example"}, "SAMLUser alice", "SAMLUser alice, web identity https://idp.example"},
		"IdentityCenter user":          {alert.Actor{Type: "IdentityCenterUser", Account: "111122223333", OnBehalfOf: "544894e8-80c1-707f-60e3-3ba6510dfac1", IdentityStore: store}, "IdentityCenterUser 544894e8-80c1-707f-60e3-3ba6510dfac1", "IdentityCenterUser 544894e8-80c1-707f-60e3-3ba6510dfac1, account 111122223333"},
		"another account":              {alert.Actor{Type: "AWSAccount", Account: "999900001111", PrincipalID: "AROAEXAMPLE:session"}, "AWSAccount AROAEXAMPLE:session of 999900001111", "AWSAccount AROAEXAMPLE:session, account 999900001111"},
		"service":                      {alert.Actor{Type: "AWSService", InvokedBy: "cloudformation.amazonaws.com", Via: "cloudformation.amazonaws.com"}, "AWSService cloudformation.amazonaws.com", "AWSService cloudformation.amazonaws.com"},
		"AWS itself":                   {alert.Actor{InvokedBy: "AWS Internal", Account: "111122223333"}, "AWS Internal", "AWS Internal, account 111122223333"},
		"user named like an ARN":       {alert.Actor{Type: "SAMLUser", UserName: "arn:aws:iam::111122223333:role/ci"}, "SAMLUser arn:aws:iam::111122223333:role/ci", "SAMLUser arn:aws:iam::111122223333:role/ci"},
		"only a user name like an ARN": {alert.Actor{UserName: "arn:aws:iam::111122223333:role/ci"}, `"arn:aws:iam::111122223333:role/ci"`, `"arn:aws:iam::111122223333:role/ci"`},
		"only a source identity":       {alert.Actor{SourceIdentity: "alice"}, "alice", "alice"},
		"only an access key":           {alert.Actor{AccessKeyID: "AKIAEXAMPLE"}, "access key AKIAEXAMPLE", "access key AKIAEXAMPLE"},
		"only an account":              {alert.Actor{Type: "AWSAccount", Account: "999900001111"}, "AWSAccount 999900001111", "AWSAccount 999900001111"},
		"only a type":                  {alert.Actor{Type: "Unknown"}, "Unknown", "Unknown"},
		"only an IP address":           {alert.Actor{SourceIP: "198.51.100.7"}, "unknown", "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := alert.Alert{Kind: alert.Deletion, Level: alert.High, Account: "111122223333", Region: "eu-west-1", Actor: &c.actor, FlowLogs: []alert.FlowLog{{FlowLogID: "fl-00000001", ResourceID: "vpc-1"}}}
			a.Write()
			if want := "Deleted: the flow log of vpc-1 by " + c.title + " in 111122223333 eu-west-1"; a.Title != want {
				t.Errorf("title %q, want %q", a.Title, want)
			}
			key := ""
			if c.actor.AccessKeyID != "" && !strings.Contains(c.text, c.actor.AccessKeyID) {
				key = ", access key " + c.actor.AccessKeyID
			}
			if !strings.Contains("\n"+a.Text+"\n", "\nWho: "+c.text+key+"\n") {
				t.Errorf("the text lacks %q:\n%s", c.text+key, a.Text)
			}
			if who := a.Words().Who(); who != c.text+key {
				t.Errorf("a pager says %q, want %q", who, c.text+key)
			}
			if fact := (alert.Fact{Question: "Who", Answer: c.text + key}); !slices.Contains(a.Words().Facts(alert.MaxField), fact) {
				t.Errorf("the facts lack %q: %q", fact, a.Words().Facts(alert.MaxField))
			}
		})
	}
}

func TestPrincipal(t *testing.T) {
	t.Parallel()
	const role, session = "arn:aws:iam::111122223333:role/ci", "arn:aws:sts::111122223333:assumed-role/ci/x"
	for name, c := range map[string]struct {
		actor *alert.Actor
		want  string
	}{
		"nobody":             {nil, ""},
		"a session":          {&alert.Actor{ARN: session, SessionIssuer: role}, role},
		"a session's issuer": {&alert.Actor{SessionIssuer: role}, role},
		"a user":             {&alert.Actor{ARN: "arn:aws:iam::111122223333:user/mallory", UserName: "mallory"}, "arn:aws:iam::111122223333:user/mallory"},
		"other names only":   {&alert.Actor{UserName: role, PrincipalID: role, SourceIdentity: role}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.actor.Principal(); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
