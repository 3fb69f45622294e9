package alert

import (
	"cmp"
	"strings"
)

// Names are the names that people have given to accounts and resources. They are text from
// outside: whoever may rename an account or tag a resource chooses them. A missing key has
// no known name; the zero value has no names.
type Names struct {
	Accounts  map[string]string // by the account's number
	Resources map[Resource]string
}

// Resource is the resource whose traffic a flow log records.
type Resource struct{ Account, Region, ID string }

// MaxName limits a name, in characters. AWS's own limits are 50 of an account's name, and
// 256 of the value of a tag.
const MaxName = 128

// titleName is how much of a name a title shows, in characters.
const titleName = 40

// WithAccount is an account as people read it: payments-prod (111122223333). Without a name
// it is the number alone. The last brackets always contain the number: brackets in a name are
// replaced, so that a name can't look like another account.
func WithAccount(account, name string) string {
	if account == "" || name == "" {
		return account
	}
	return withoutBrackets(name) + " (" + account + ")"
}

// WithResource is a resource as people read it: vpc-0123456789abcdef0 (payments). Without a
// name it is the ID alone.
func WithResource(id, name string) string {
	if id == "" || name == "" {
		return id
	}
	return id + " (" + withoutBrackets(name) + ")"
}

func withoutBrackets(name string) string {
	return Clean(strings.NewReplacer("(", "[", ")", "]").Replace(name), MaxName)
}

// Mentions are the accounts and the resources that the alert names, each once or more often.
func (a Alert) Mentions() (accounts []string, resources []Resource) {
	accounts = append(accounts, a.Account)
	if a.Actor != nil {
		accounts = append(accounts, a.Actor.Account)
	}
	for _, logs := range [][]FlowLog{a.FlowLogs, a.FailedFlowLogs} {
		for _, f := range logs {
			accounts = append(accounts, f.Account)
			resources = append(resources, f.resource(a))
		}
	}
	return accounts, resources
}

// resource is the flow log's resource; a is its alert.
func (f FlowLog) resource(a Alert) Resource {
	return Resource{Account: cmp.Or(f.Account, a.Account), Region: cmp.Or(f.Region, a.Region), ID: f.ResourceID}
}

// WriteNamed sets the names of the alert's accounts and resources, and writes the alert with them.
// An account or resource without a name in known keeps the name that it has.
func (a *Alert) WriteNamed(known Names) {
	name := func(to *string, account string) {
		if n := known.Accounts[account]; n != "" && account != "" {
			*to = n
		}
	}
	*a = a.clean() // no list or actor is shared with the caller any more
	name(&a.AccountName, a.Account)
	if a.Actor != nil {
		name(&a.Actor.AccountName, a.Actor.Account)
	}
	for _, logs := range [][]FlowLog{a.FlowLogs, a.FailedFlowLogs} {
		for n := range logs {
			f := &logs[n]
			name(&f.AccountName, f.Account)
			if r := known.Resources[f.resource(*a)]; r != "" {
				f.ResourceName = r
			}
		}
	}
	a.Write()
}
