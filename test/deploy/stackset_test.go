package deploy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"flowkeeper/test/localstack"
)

// fakeOrganization is a proxy before LocalStack that adds what LocalStack lacks, as AWS documents it:
// service-managed StackSets, AWS Organizations (its policies here, its accounts in accounts_test.go), and roles
// that only the principals in their trust policy can assume. It passes other calls on.
type fakeOrganization struct {
	inst       *localstack.Instance
	pass       *httputil.ReverseProxy
	management string
	accounts   []string // without the management account, which a StackSet skips

	mu         sync.Mutex
	delegated  string // another account that runs StackSets; empty: none
	activated  bool
	set        *stackSet
	operations []operation
	policies   map[string]*scp // by ID
	policyType bool
	failing    string // an account whose stacks can't be deleted
}

// fails lets deletions of stacks in an account fail from now on; empty: in none.
func (o *fakeOrganization) fails(account string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failing = account
}

// delegates lets another account run StackSets.
func (o *fakeOrganization) delegates(account string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.delegated = account
}

// given are the parameters that the StackSet was given.
func (o *fakeOrganization) given() map[string]string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.set.parameters)
}

type stackSet struct {
	template   string
	parameters map[string]string
	instances  []*stackInstance
}

type stackInstance struct {
	*place
	stack, status, reason string
}

// operation is one of the StackSet. It is running when somebody first asks, and has ended when somebody asks again.
type operation struct {
	status string
	asked  bool
}

type scp struct {
	ID      string `json:"Id"`
	Name    string
	targets []string
}

const organizationRoot = "r-ab12"

// newOrganization returns an organisation of a management account and others, and a LocalStack whose endpoint is
// the organisation's proxy.
func newOrganization(t *testing.T, inst *localstack.Instance, management string, accounts ...string) (*fakeOrganization, *localstack.Instance) {
	t.Helper()
	to, err := url.Parse(inst.Endpoint)
	must(t, err)
	o := &fakeOrganization{inst: inst, management: management, accounts: accounts, policies: map[string]*scp{}}
	o.pass = &httputil.ReverseProxy{ErrorLog: log.New(t.Output(), "", 0), Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}}
	server := httptest.NewServer(o)
	t.Cleanup(server.Close)
	return o, &localstack.Instance{Endpoint: server.URL}
}

// left are the StackSet and the policies that still exist.
func (o *fakeOrganization) left() (out []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.set != nil {
		out = append(out, "the StackSet")
	}
	for _, p := range o.policies {
		out = append(out, p.Name)
	}
	return out
}

// refusal is an error that AWS answers.
type refusal struct{ code, message string }

func (r refusal) Error() string { return r.code + ": " + r.message }

func (o *fakeOrganization) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	caller, region, service := signer(r)
	if !slices.Contains([]string{"cloudformation", "organizations", "sts"}, service) {
		o.pass.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if service == "organizations" {
		o.organizations(w, r, caller, body)
		return
	}
	form, err := url.ParseQuery(string(body))
	if service == "sts" {
		o.sts(w, r, caller, body, form)
		return
	}
	call := o.call(form.Get("Action"))
	if err != nil || call == nil {
		r.Body = io.NopCloser(bytes.NewReader(body))
		o.pass.ServeHTTP(w, r)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	out := ""
	if err = o.mayCall(caller, form); err == nil {
		out, err = call(r.Context(), region, form)
	}
	var refused refusal
	switch action := form.Get("Action"); {
	case errors.As(err, &refused):
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>`, refused.code, refused.message)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	default:
		fmt.Fprintf(w, `<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult></%[1]sResponse>`, action, out)
	}
}

// mayCall refuses calls about StackSets by an account that does not run them, or whose CallAs is wrong.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStackSet.html (CallAs)
func (o *fakeOrganization) mayCall(caller string, form url.Values) error {
	as := form.Get("CallAs")
	switch {
	case caller == o.management && (as == "" || as == "SELF"):
		return nil
	case caller == o.delegated && as == "DELEGATED_ADMIN" && form.Get("Action") != "ActivateOrganizationsAccess":
		return nil
	}
	return refusal{"ValidationError", fmt.Sprintf("account %s may not call %s as %q", caller, form.Get("Action"), as)}
}

// signer returns who signed a request, and for which Region and service.
func signer(r *http.Request) (account, region, service string) {
	_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	parts := strings.Split(scope, "/")
	if len(parts) < 5 {
		return "", "", ""
	}
	return parts[0], parts[2], parts[3]
}

type stackSetCall = func(ctx context.Context, region string, form url.Values) (answer string, err error)

func (o *fakeOrganization) call(action string) stackSetCall {
	switch action {
	case "ActivateOrganizationsAccess":
		return func(context.Context, string, url.Values) (string, error) {
			o.activated = true
			return "", nil
		}
	case "CreateStackSet":
		return o.createStackSet
	case "UpdateStackSet":
		return o.updateStackSet
	case "CreateStackInstances":
		return o.createStackInstances
	case "ListStackInstances":
		return o.listStackInstances
	case "DeleteStackInstances":
		return o.deleteStackInstances
	case "DescribeStackSetOperation":
		return o.describeStackSetOperation
	case "DeleteStackSet":
		return o.deleteStackSet
	}
	return nil
}

func (o *fakeOrganization) createStackSet(_ context.Context, _ string, form url.Values) (string, error) {
	switch {
	case !o.activated:
		return "", refusal{"ValidationError", "You must enable organizations access to operate a service managed stack set"}
	case form.Get("PermissionModel") != "SERVICE_MANAGED" || form.Get("AutoDeployment.Enabled") != "true":
		return "", refusal{"ValidationError", "this test wants all accounts, the new ones too"}
	case !slices.Contains(members(form, "Capabilities.member.%d"), "CAPABILITY_NAMED_IAM"):
		return "", refusal{"InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_NAMED_IAM]"}
	case o.set != nil:
		return "", refusal{"NameAlreadyExistsException", "there is one"}
	}
	o.set = newStackSet(form)
	return "<StackSetId>set</StackSetId>", nil
}

func newStackSet(form url.Values) *stackSet {
	set := &stackSet{template: form.Get("TemplateBody"), parameters: map[string]string{}}
	values := members(form, "Parameters.member.%d.ParameterValue")
	for i, key := range members(form, "Parameters.member.%d.ParameterKey") {
		set.parameters[key] = values[i]
	}
	return set
}

// updateStackSet only accepts what the StackSet has already, and updates no stacks.
func (o *fakeOrganization) updateStackSet(_ context.Context, _ string, form url.Values) (string, error) {
	updated := newStackSet(form)
	switch {
	case o.set == nil:
		return "", refusal{"StackSetNotFoundException", "there is none"}
	case !slices.Contains(members(form, "Capabilities.member.%d"), "CAPABILITY_NAMED_IAM"):
		return "", refusal{"InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_NAMED_IAM]"}
	case updated.template != o.set.template || !maps.Equal(updated.parameters, o.set.parameters):
		return "", refusal{"ValidationError", "this test updates a StackSet to what it is"}
	}
	return o.operate(form, func(*stackInstance) error { return nil }, nil)
}

// members are the values of a list parameter, such as Regions.member.%d.
func members(form url.Values, name string) (out []string) {
	for n := 1; form.Has(fmt.Sprintf(name, n)); n++ {
		out = append(out, form.Get(fmt.Sprintf(name, n)))
	}
	return out
}

// targets are the Regions that a call is about, in all accounts.
func (o *fakeOrganization) targets(form url.Values) (regions []string, err error) {
	regions = members(form, "Regions.member.%d")
	units := members(form, "DeploymentTargets.OrganizationalUnitIds.member.%d")
	if o.set == nil {
		return nil, refusal{"StackSetNotFoundException", "StackSet " + form.Get("StackSetName") + " not found"}
	}
	if len(regions) == 0 || !slices.Equal(units, []string{organizationRoot}) {
		return nil, refusal{"ValidationError", fmt.Sprintf("Regions %v, units %v", regions, units)}
	}
	return regions, nil
}

func (o *fakeOrganization) createStackInstances(ctx context.Context, _ string, form url.Values) (string, error) {
	regions, err := o.targets(form)
	if err != nil {
		return "", err
	}
	for _, account := range o.accounts {
		for _, region := range regions {
			o.set.instances = append(o.set.instances, &stackInstance{place: newPlace(o.inst, account, region), stack: "StackSet-flowkeeper-member-0123"})
		}
	}
	return o.operate(form, func(i *stackInstance) error {
		_, err := i.create(ctx, i.stack, o.set.template, o.set.parameters)
		i.status = "CURRENT"
		return err
	}, regions)
}

func (o *fakeOrganization) deleteStackInstances(ctx context.Context, _ string, form url.Values) (string, error) {
	regions, err := o.targets(form)
	if err != nil {
		return "", err
	}
	return o.operate(form, func(i *stackInstance) error {
		if form.Get("RetainStacks") == "true" {
			i.status = ""
			return nil
		}
		if i.account == o.failing {
			return errors.New("role flowkeeper: Cannot delete entity, must detach all policies first")
		}
		err := i.delete(ctx, i.stack)
		i.status = ""
		return err
	}, regions)
}

// operate calls do for all instances in some Regions at the same time. An instance for which it fails is
// INOPERABLE; one whose status do made empty is deleted.
func (o *fakeOrganization) operate(form url.Values, do func(*stackInstance) error, regions []string) (string, error) {
	var all sync.WaitGroup
	for _, i := range o.set.instances {
		if slices.Contains(regions, i.region) {
			all.Go(func() {
				i.reason = ""
				if err := do(i); err != nil {
					i.status, i.reason = "INOPERABLE", err.Error()
				}
			})
		}
	}
	all.Wait()
	failed := 0
	for _, i := range o.set.instances {
		if i.reason != "" {
			failed++
		}
	}
	tolerated, err := strconv.Atoi(form.Get("OperationPreferences.FailureTolerancePercentage"))
	if err != nil {
		return "", err
	}
	o.set.instances = slices.DeleteFunc(o.set.instances, func(i *stackInstance) bool { return i.status == "" })
	status := "SUCCEEDED" // even with failures, as long as they are tolerated
	if failed*100 > tolerated*len(o.set.instances) {
		status = "FAILED"
	}
	o.operations = append(o.operations, operation{status: status})
	return fmt.Sprintf("<OperationId>operation-%d</OperationId>", len(o.operations)-1), nil
}

func (o *fakeOrganization) describeStackSetOperation(_ context.Context, _ string, form url.Values) (string, error) {
	n, err := strconv.Atoi(strings.TrimPrefix(form.Get("OperationId"), "operation-"))
	if err != nil || n < 0 || n >= len(o.operations) {
		return "", refusal{"OperationNotFoundException", form.Get("OperationId")}
	}
	status := "RUNNING"
	if o.operations[n].asked {
		status = o.operations[n].status
	}
	o.operations[n].asked = true
	return "<StackSetOperation><Status>" + status + "</Status></StackSetOperation>", nil
}

func (o *fakeOrganization) listStackInstances(context.Context, string, url.Values) (string, error) {
	if o.set == nil {
		return "", refusal{"StackSetNotFoundException", "there is none"}
	}
	var out strings.Builder
	for _, i := range o.set.instances {
		out.WriteString("<member><Account>" + i.account + "</Account><Region>" + i.region + "</Region><Status>" + i.status + "</Status><StatusReason>")
		if err := xml.EscapeText(&out, []byte(i.reason)); err != nil {
			return "", err
		}
		out.WriteString("</StatusReason></member>")
	}
	return "<Summaries>" + out.String() + "</Summaries>", nil
}

func (o *fakeOrganization) deleteStackSet(context.Context, string, url.Values) (string, error) {
	if o.set != nil && len(o.set.instances) > 0 {
		return "", refusal{"StackSetNotEmptyException", "StackSet is not empty"}
	}
	o.set = nil
	return "", nil
}

// organizations answers the calls about accounts, and those about policies.
func (o *fakeOrganization) organizations(w http.ResponseWriter, r *http.Request, caller string, body []byte) {
	_, call, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if o.lists(w, r, caller, call, body) {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var in struct {
		PolicyID      string `json:"PolicyId"`
		TargetID      string `json:"TargetId"`
		Name, Content string
	}
	err := json.Unmarshal(body, &in)
	var out any = struct{}{}
	switch p := o.policies[in.PolicyID]; {
	case err != nil:
	case caller != o.management:
		err = refusal{"AccessDeniedException", "this is not the management account"}
	case in.PolicyID != "" && p == nil:
		err = refusal{"PolicyNotFoundException", in.PolicyID}
	case call == "EnablePolicyType":
		o.policyType = true
	case !o.policyType:
		err = refusal{"PolicyTypeNotEnabledException", "for this root"}
	case call == "CreatePolicy":
		for _, other := range o.policies {
			if other.Name == in.Name {
				err = refusal{"DuplicatePolicyException", in.Name}
			}
		}
		if len(in.Content) > maxSCP || !json.Valid([]byte(in.Content)) {
			err = refusal{"MalformedPolicyDocumentException", "exceeds the maximum policy size, or is not JSON"}
		}
		if err == nil {
			p := &scp{ID: fmt.Sprintf("p-%08d", len(o.policies)), Name: in.Name}
			o.policies[p.ID] = p
			out = map[string]any{"Policy": map[string]any{"PolicySummary": p}}
		}
	case call == "ListPolicies":
		list := []*scp{{ID: "p-FullAWSAccess", Name: "FullAWSAccess"}}
		for _, p := range o.policies {
			list = append(list, p)
		}
		out = map[string]any{"Policies": list}
	case call == "AttachPolicy":
		p.targets = append(p.targets, in.TargetID)
	case call == "ListTargetsForPolicy":
		list := []map[string]string{}
		for _, id := range p.targets {
			list = append(list, map[string]string{"TargetId": id})
		}
		out = map[string]any{"Targets": list}
	case call == "DetachPolicy":
		p.targets = slices.DeleteFunc(p.targets, func(id string) bool { return id == in.TargetID })
	case call == "DeletePolicy" && len(p.targets) > 0:
		err = refusal{"PolicyInUseException", p.Name}
	case call == "DeletePolicy":
		delete(o.policies, in.PolicyID)
	default:
		err = refusal{"UnknownOperationException", call}
	}
	answer(w, out, err)
}

// answer answers as Organizations does.
func answer(w http.ResponseWriter, out any, err error) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if refused, ok := errors.AsType[refusal](err); ok {
		w.WriteHeader(http.StatusBadRequest)
		out = map[string]string{"__type": refused.code, "Message": refused.message}
	} else if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := json.NewEncoder(w).Encode(out); err != nil {
		return // an error means that the client is gone
	}
}
