package fakeawstest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"flowkeeper/internal/fakeaws"
)

// organizationID is the ID of the one organisation of a World.
const organizationID = "o-fake123456"

// organization answers the calls of AWS Organizations that list accounts, in its JSON 1.1
// protocol. There is one organisation, with one root.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccounts.html and
// the pages next to it.
type organization struct {
	users *fakeaws.IAM

	mu         sync.Mutex // guards what follows
	management string     // account; empty: there is no organisation
	delegated  map[string]bool
	units      []orgUnit // the root first
	accounts   []orgAccount
	page       int
	onlyStatus bool
	hidden     bool
}

type orgUnit struct{ id, name, parent string }

type orgAccount struct{ id, name, parent, state string }

// Root is the ID of the root of the organisation.
const Root = "r-fake"

// AddOrganization makes an organisation with a management account, which is in the root.
func (w *World) AddOrganization(management, name string) {
	o := w.org
	o.mu.Lock()
	defer o.mu.Unlock()
	o.management, o.delegated = management, map[string]bool{}
	o.units = []orgUnit{{id: Root, name: "Root"}}
	o.accounts = []orgAccount{{management, name, Root, "ACTIVE"}}
}

// DelegateOrganization makes an account a delegated administrator, which may list too.
func (w *World) DelegateOrganization(account string) {
	w.org.mu.Lock()
	defer w.org.mu.Unlock()
	w.org.delegated[account] = true
}

// AddUnit makes an OU beneath another one or the root, and returns its ID.
func (w *World) AddUnit(parent, name string) (id string) {
	o := w.org
	o.mu.Lock()
	defer o.mu.Unlock()
	id = fmt.Sprintf("ou-fake-%08d", len(o.units))
	o.units = append(o.units, orgUnit{id, name, parent})
	return id
}

// AddAccount makes an ACTIVE account in an OU or the root. If the account exists already, it
// moves there and gets the name.
func (w *World) AddAccount(parent, account, name string) {
	w.RemoveAccount(account)
	w.org.mu.Lock()
	defer w.org.mu.Unlock()
	w.org.accounts = append(w.org.accounts, orgAccount{account, name, parent, "ACTIVE"})
}

// RemoveAccount has an account leave the organisation.
func (w *World) RemoveAccount(account string) {
	w.org.mu.Lock()
	defer w.org.mu.Unlock()
	w.org.accounts = slices.DeleteFunc(w.org.accounts, func(a orgAccount) bool { return a.id == account })
}

// SetAccountState sets an account's state, for example ACTIVE or SUSPENDED.
func (w *World) SetAccountState(account, state string) {
	w.org.mu.Lock()
	defer w.org.mu.Unlock()
	for n := range w.org.accounts {
		if w.org.accounts[n].id == account {
			w.org.accounts[n].state = state
		}
	}
}

// SetOrganizationPage sets how many accounts or OUs a page has; 0: 20, as in AWS. With a size, the
// first page of each list is empty: AWS says that a page may be empty although others follow.
func (w *World) SetOrganizationPage(size int) {
	w.org.mu.Lock()
	defer w.org.mu.Unlock()
	w.org.page = size
}

// OnlyStatus describes accounts without State, which is newer than Status, as older emulators do.
func (w *World) OnlyStatus() {
	w.org.mu.Lock()
	defer w.org.mu.Unlock()
	w.org.onlyStatus = true
}

// orgInput has the input fields of all operations.
type orgInput struct {
	ParentId, NextToken string
	MaxResults          int
}

// Parse implements Service.
func (o *organization) Parse(q *fakeaws.Request) error {
	service, operation, _ := strings.Cut(q.HTTP.Header.Get("X-Amz-Target"), ".")
	if service != "AWSOrganizationsV20161128" {
		return fakeaws.Errorf("UnknownOperationException", "%s is no operation of Organizations", service)
	}
	q.Operation = operation
	return nil
}

// Refuse implements Service.
func (o *organization) Refuse(out http.ResponseWriter, _ *fakeaws.Request, e *fakeaws.Error) {
	o.write(out, e.Status, map[string]string{"__type": e.Code, "Message": e.Message})
}

func (o *organization) write(out http.ResponseWriter, status int, v any) {
	out.Header().Set("Content-Type", "application/x-amz-json-1.1")
	out.WriteHeader(status)
	json.NewEncoder(out).Encode(v) //nolint:errcheck // the client is gone
}

// Answer implements Service.
func (o *organization) Answer(out http.ResponseWriter, q *fakeaws.Request) error {
	var in orgInput
	d := json.NewDecoder(io.LimitReader(q.HTTP.Body, 1<<16))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return fakeaws.Errorf("InvalidInputException", "%v", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	// https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccounts.html#API_ListAccounts_Errors:
	// "only from the management account or a member account that is a delegated administrator".
	if !slices.ContainsFunc(o.accounts, func(a orgAccount) bool { return a.id == q.Account }) {
		return fakeaws.Errorf("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
	}
	if q.Account != o.management && !o.delegated[q.Account] || o.users.IsDenied(q.Caller, "organizations:"+q.Operation) {
		return fakeaws.Errorf("AccessDeniedException", "User: %s is not authorized to perform: organizations:%s on resource: *", q.ARN, q.Operation)
	}
	answer, err := o.do(q, in)
	if err == nil {
		o.write(out, http.StatusOK, answer)
	}
	return err
}

func (o *organization) do(q *fakeaws.Request, in orgInput) (any, error) {
	parent := in.ParentId
	if strings.HasSuffix(q.Operation, "ForParent") && !slices.ContainsFunc(o.units, func(u orgUnit) bool { return u.id == parent }) {
		return nil, fakeaws.Errorf("ParentNotFoundException", "You specified parent that doesn't exist.")
	}
	var list []map[string]any
	name := "Accounts"
	switch q.Operation {
	case "ListAccounts", "ListAccountsForParent":
		for _, a := range o.accounts {
			if !o.hidden && (q.Operation == "ListAccounts" || a.parent == parent) {
				list = append(list, o.describe(a))
			}
		}
	case "ListRoots":
		name, list = "Roots", o.children("", "root")
	case "ListOrganizationalUnitsForParent":
		name, list = "OrganizationalUnits", o.children(parent, "ou")
	default:
		return nil, fakeaws.Errorf("UnknownOperationException", "this fake has no operation %s", q.Operation)
	}
	return o.pageOf(name, list, in)
}

func (o *organization) children(parent, kind string) (out []map[string]any) {
	for _, u := range o.units {
		if u.parent == parent {
			out = append(out, map[string]any{"Id": u.id, "Name": u.name, "Arn": "arn:aws:organizations::" + o.management + ":" + kind + "/" + organizationID + "/" + u.id})
		}
	}
	return out
}

// describe returns an account with State, and with Status for the older states that have one.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_Account.html
func (o *organization) describe(a orgAccount) map[string]any {
	out := map[string]any{"Id": a.id, "Name": a.name, "Email": a.id + "@example.com", "JoinedMethod": "CREATED",
		"Arn": "arn:aws:organizations::" + o.management + ":account/" + organizationID + "/" + a.id}
	if !o.onlyStatus {
		out["State"] = a.state
	}
	if slices.Contains([]string{"ACTIVE", "SUSPENDED", "PENDING_CLOSURE"}, a.state) {
		out["Status"] = a.state
	}
	return out
}

// pageOf returns a page of a list. MaxResults is 1 to 20; clients must not rely on the form of a token.
func (o *organization) pageOf(name string, list []map[string]any, in orgInput) (any, error) {
	const most = 20
	if in.MaxResults < 0 || in.MaxResults > most {
		return nil, fakeaws.Errorf("InvalidInputException", "You provided a value that is outside of the range of MaxResults.")
	}
	size, from := cmp.Or(o.page, in.MaxResults, most), 0
	if in.NextToken != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(in.NextToken, "after-"))
		if err != nil || n < 0 || n > len(list) {
			return nil, fakeaws.Errorf("InvalidInputException", "You provided an invalid token.")
		}
		from = n
	} else if o.page > 0 {
		return map[string]any{name: []any{}, "NextToken": "after-0"}, nil
	}
	end := min(from+size, len(list))
	out := map[string]any{name: append([]map[string]any{}, list[from:end]...)}
	if end < len(list) {
		out["NextToken"] = fmt.Sprint("after-", end)
	}
	return out, nil
}

// HideAccounts makes every list of accounts empty.
func (w *World) HideAccounts() {
	w.org.mu.Lock()
	defer w.org.mu.Unlock()
	w.org.hidden = true
}
