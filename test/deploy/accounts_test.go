package deploy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// organizationUnit is the OU of all accounts except the management account, which is directly below the root.
const organizationUnit = "ou-ab12-34cdefgh"

// lists answers the calls by which Flowkeeper finds the accounts, one account on a page. Only the administrators of
// the management account, and the role of flowkeeper-list.yaml in it, may make them.
func (o *fakeOrganization) lists(w http.ResponseWriter, r *http.Request, caller, call string, body []byte) (known bool) {
	var in struct {
		ParentID  string `json:"ParentId"`
		NextToken string
	}
	err := json.Unmarshal(body, &in)
	var key string
	var items []any
	switch {
	case call == "ListRoots":
		key, items = "Roots", []any{map[string]string{"Id": organizationRoot, "Name": "Root"}}
	case call == "ListAccounts":
		key, items = "Accounts", o.described(append([]string{o.management}, o.accounts...)...)
	case call == "ListAccountsForParent" && in.ParentID == organizationRoot:
		key, items = "Accounts", o.described(o.management)
	case call == "ListAccountsForParent" && in.ParentID == organizationUnit:
		key, items = "Accounts", o.described(o.accounts...)
	case call == "ListOrganizationalUnitsForParent" && in.ParentID == organizationRoot:
		key, items = "OrganizationalUnits", []any{map[string]string{"Id": organizationUnit, "Name": "Workloads"}}
	case call == "ListOrganizationalUnitsForParent" && in.ParentID == organizationUnit:
		key = "OrganizationalUnits"
	default:
		return false
	}
	if err == nil {
		err = o.mayList(r.Context(), caller)
	}
	n, _ := strconv.Atoi(in.NextToken) // empty, and so 0, for the first page
	out := map[string]any{key: items[min(n, len(items)):min(n+1, len(items))]}
	if n+1 < len(items) {
		out["NextToken"] = strconv.Itoa(n + 1)
	}
	answer(w, out, err)
	return true
}

// described are accounts as AWS describes them.
func (o *fakeOrganization) described(accounts ...string) (out []any) {
	for _, id := range accounts {
		out = append(out, map[string]string{"Id": id, "Name": nameOf(id), "State": "ACTIVE", "Arn": "arn:aws:organizations::" + o.management + ":account/o-a1b2c3d4e5/" + id})
	}
	return out
}

// nameOf is the name that the organisation has for an account.
func nameOf(account string) string { return "name-of-" + account }

// mayList returns an error for callers that AWS would refuse. caller is the number of an account (its administrator
// calls), or the access key of a session.
func (o *fakeOrganization) mayList(ctx context.Context, caller string) error {
	if caller == o.management {
		return nil
	}
	who, err := newPlace(o.inst, caller, region).query(ctx, "sts", url.Values{"Action": {"GetCallerIdentity"}, "Version": {"2011-06-15"}})
	if err != nil {
		return err
	}
	if want := "arn:aws:sts::" + o.management + ":assumed-role/flowkeeper-list/"; !bytes.Contains(who, []byte(want)) {
		return refusal{"AccessDeniedException", fmt.Sprintf("%s is not of %s", who, want)}
	}
	return nil
}

// sts refuses to assume a role that does not exist, or that does not trust the caller's account with this external
// ID. LocalStack would let everybody assume a role of any name.
func (o *fakeOrganization) sts(w http.ResponseWriter, r *http.Request, caller string, body []byte, form url.Values) {
	if form.Get("Action") == "AssumeRole" {
		if err := o.mayAssume(r.Context(), caller, form.Get("RoleArn"), form.Get("ExternalId")); err != nil {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>`)
			xml.EscapeText(w, []byte(err.Error())) // an error means that the client is gone
			fmt.Fprint(w, `</Message></Error></ErrorResponse>`)
			return
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	o.pass.ServeHTTP(w, r)
}

func (o *fakeOrganization) mayAssume(ctx context.Context, caller, arn, externalID string) error {
	part := strings.SplitN(arn, ":", 6)
	if len(part) != 6 {
		return fmt.Errorf("%q is no ARN", arn)
	}
	text, err := newPlace(o.inst, part[4], region).query(ctx, "iam", url.Values{
		"Action": {"GetRole"}, "Version": {"2010-05-08"}, "RoleName": {strings.TrimPrefix(part[5], "role/")}})
	if err != nil {
		return err
	}
	var role struct {
		Trust string `xml:"GetRoleResult>Role>AssumeRolePolicyDocument"`
	}
	if err := xml.Unmarshal(text, &role); err != nil {
		return err
	}
	trust, err := url.PathUnescape(role.Trust)
	if err != nil {
		return err
	}
	var p struct {
		Statement []struct {
			statement
			Principal struct{ AWS string }
		}
	}
	if err := json.Unmarshal([]byte(trust), &p); err != nil {
		return err
	}
	for _, s := range p.Statement {
		id := s.Condition["StringEquals"]["sts:ExternalId"]
		if s.Effect == "Allow" && strings.HasPrefix(s.Principal.AWS, "arn:aws:iam::"+caller+":") && (id == nil || slices.Contains(id, externalID)) {
			return nil
		}
	}
	return fmt.Errorf("%s does not trust account %s with the external ID %q: %s", arn, caller, externalID, trust)
}
