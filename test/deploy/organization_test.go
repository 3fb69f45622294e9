package deploy_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"

	"flowkeeper/test/localstack"
)

// TestNobodyElsesAccountSends: no policy lets other accounts send to the queue, bus or topic, except accounts of
// the organisation; and AWS services only for one resource of ours.
func TestNobodyElsesAccountSends(t *testing.T) {
	t.Parallel()
	everybody, services := 0, 0
	for _, file := range templates {
		resources := at(template(t, file), "Resources")
		for name, r := range pairs(resources) {
			if !strings.HasSuffix(at(r, "Type").Value, "Policy") { // for example a role, whose trust is another matter
				continue
			}
			walk(r, func(n *yaml.Node) {
				if effect := at(n, "Effect"); effect == nil || effect.Value != "Allow" {
					return
				}
				principal := at(n, "Principal")
				switch {
				case principal == nil:
				case principal.Value == "*":
					everybody++
					if id := at(n, "Condition", "StringEquals", "aws:PrincipalOrgID"); id == nil || id.Tag != "!Ref" || id.Value != "OrganizationId" {
						t.Errorf("%s, %s allows everybody, want only the organisation", file, name)
					}
				case at(principal, "Service") != nil:
					services++
					if at(n, "Condition", "ArnEquals", "aws:SourceArn") == nil {
						t.Errorf("%s, %s allows %s without aws:SourceArn, so for anybody", file, name, at(principal, "Service").Value)
					}
				}
			})
		}
	}
	if everybody != 2 || services != 5 {
		t.Errorf("%d statements for the organisation and %d for services, want 2 and 5", everybody, services)
	}
}

// TestTheQueueKnowsTheRoleOfMembersRules: rules of member accounts send directly to the queue with a role. The
// queue's policy names that role exactly as the members' template does.
func TestTheQueueKnowsTheRoleOfMembersRules(t *testing.T) {
	t.Parallel()
	name := at(template(t, "flowkeeper-member.yaml"), "Resources", "ForwardRole", "Properties", "RoleName")
	want := "arn:${AWS::Partition}:iam::*:role/" + name.Value
	allowed, spared := 0, 0
	for _, s := range at(template(t, "flowkeeper.yaml"), "Resources", "QueuePolicy", "Properties", "PolicyDocument", "Statement").Content {
		if s.Tag == "!If" {
			s = s.Content[1]
		}
		if arn := at(s, "Condition", "ArnLike", "aws:PrincipalArn"); arn != nil && arn.Value == want && at(s, "Effect").Value == "Allow" {
			allowed++
		}
		walk(at(s, "Condition", "ArnNotEquals", "aws:PrincipalArn"), func(n *yaml.Node) {
			if n.Value == want {
				spared++
			}
		})
	}
	if allowed != 1 || spared != 1 {
		t.Errorf("%s is allowed in %d statements and exempt from %d that deny, want one each", want, allowed, spared)
	}
}

// TestTheOwnRoleMayBeAssumed: in the queue's account Flowkeeper assumes its own role, even if the roles of the
// other accounts have another name. That role trusts itself, and its policy allows to assume it.
func TestTheOwnRoleMayBeAssumed(t *testing.T) {
	t.Parallel()
	role := at(template(t, "flowkeeper.yaml"), "Resources", "Role", "Properties")
	own := "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/" + at(role, "RoleName").Value
	trusted, allowed := false, false
	walk(at(role, "AssumeRolePolicyDocument"), func(n *yaml.Node) { trusted = trusted || n.Value == own })
	walk(at(role, "Policies"), func(n *yaml.Node) {
		if sid := at(n, "Sid"); sid != nil && sid.Value == "ActInTheOrganization" {
			walk(at(n, "Resource"), func(n *yaml.Node) { allowed = allowed || n.Value == own })
		}
	})
	if !trusted || !allowed {
		t.Errorf("%s trusts itself: %v, may assume itself: %v", own, trusted, allowed)
	}
}

// TestRolesOfAnOrganizationAreOne: listing accounts needs the same permissions in the file for a setup by hand, in
// the daemon's own role, and in the role of the management account. The same holds for reading log files, where
// people who replay have these permissions, too.
func TestRolesOfAnOrganizationAreOne(t *testing.T) {
	t.Parallel()
	list := []string{"organizations:ListAccounts", "organizations:ListAccountsForParent", "organizations:ListOrganizationalUnitsForParent", "organizations:ListRoots"}
	same(t, "flowkeeper-list.yaml", allowedIn(t, "flowkeeper-list.yaml", "Role", "Policies"), list)
	same(t, "flowkeeper-log-files.yaml", allowedIn(t, "flowkeeper-log-files.yaml", "Role", "Policies"), []string{"kms:Decrypt", "s3:GetObject"})
	byHand := map[string]statement{}
	for _, s := range readPolicy(t, "iam-policy.json").Statement {
		byHand[s.Sid] = s
	}
	same(t, "iam-policy.json", sorted(byHand["OnlyWithAnOrganizationInItsAdministrator"].Action), list)
	decrypt := oneOrMore{"s3.*.amazonaws.com"}
	for _, s := range slices.Concat(readPolicy(t, "iam-policy.json").Statement, readPolicy(t, "iam-policy-replay.json").Statement) {
		if slices.Contains(s.Action, "kms:Decrypt") && !slices.Equal(s.Condition["StringLike"]["kms:ViaService"], decrypt) {
			t.Errorf("%s allows kms:Decrypt for more than S3 objects", s.Sid)
		}
	}
}

// wholeOrganization types the commands and uses the configuration of docs/organization.md as they are: it sets up
// an organisation, lets Flowkeeper find its three accounts and protect them in two Regions, and takes everything
// down again. The StackSet gives each account and Region the same template and parameters, even the account and
// Region of the queue, where everything exists already; the management account gets them, too. The log files are in
// another account.
func wholeOrganization(t *testing.T, inst *localstack.Instance, binary string) {
	home, member, management, trail := somewhere(inst), somewhere(inst), somewhere(inst), somewhere(inst)
	far := "us-east-1"
	bucket := "org-trail-" + trail.account
	organization, seen := newOrganization(t, inst, management.account, home.account, member.account)
	alerts := newReceiver(t)
	p := openPages(t, []string{"organization.md", "setup.md"}, seen.Endpoint, "111122223333", home.account, "999900001111", management.account,
		"999988887777", trail.account, "org-trail", bucket, "https://alerts.example.com/flowkeeper", alerts.url)
	p.values = p.section(t, "sh 1. Values", 1)
	all := []*place{home, home.in(far), member, member.in(far), management, management.in(far), trail}

	made, configuration := setUp(t, p, binary, home, management, trail, bucket)
	if !alerts.have(`"test"`) {
		t.Errorf("no test alert arrived")
	}
	for _, p := range []*place{home, member, management} {
		if want := `"arn:aws:iam::` + p.account + `:role/flow-logs-delivery"`; !strings.Contains(p.rolePolicy(t), want) {
			t.Errorf("Flowkeeper may not pass %s: %s", want, p.rolePolicy(t))
		}
	}
	for p, want := range map[*place]string{
		all[1]: ":event-bus/default", all[2]: ":sqs:" + region + ":" + home.account + ":flowkeeper", all[3]: ":event-bus/default",
		all[4]: ":sqs:" + region + ":" + home.account + ":flowkeeper", all[5]: ":event-bus/default",
	} {
		if got := p.forwardsTo(t); !strings.HasSuffix(got, want) {
			t.Errorf("%s/%s forwards to %s, want %s", p.account, p.region, got, want)
		}
	}
	if got := home.forwardsTo(t); got != "" {
		t.Errorf("in the queue's own account and Region a rule forwards to %s: each event would come back to it without end", got)
	}

	places := all[:6]
	lost := map[*place]string{}
	for _, p := range places {
		lost[p] = p.createFlowLog(t)
	}
	if organization.mayList(t.Context(), home.account) == nil || organization.mayAssume(t.Context(), home.account, "arn:aws:iam::"+member.account+":role/flowkeeper", "another") == nil {
		t.Error("anybody may list the accounts, or assume the roles: so it proves nothing that Flowkeeper may")
	}
	d := startDaemon(t, binary, newPlace(seen, home.account, region), configuration)
	for _, p := range places {
		await(t, func() error { return d.knows(lost[p]) })
	}
	p.command(t, "flowkeeper", d.shell("accounts"))
	out := p.types(t, home.account, p.section(t, "sh 5. Is it right?", 2)[1])
	for a, path := range map[*place]string{home: "Root/Workloads", member: "Root/Workloads", management: "Root"} {
		if !regexp.MustCompile(nameOf(a.account) + ` +` + a.account + ` +` + path + ` +works +eu-west-1, us-east-1 +2 `).MatchString(out) {
			t.Errorf("the list lacks account %s, or shows it in another way than this test expects:\n%s", a.account, out)
		}
	}
	for _, p := range places {
		p.attack(t, lost[p])
	}
	for _, p := range places {
		await(t, func() error { return p.restored(t, lost[p]) })
	}
	await(t, func() error { return home.empty(t, made["QueueUrl"]) })
	for _, p := range places {
		await(t, so("an alert about "+lost[p], func() bool { return alerts.have(lost[p], nameOf(p.account)) }))
	}
	d.stop(t)

	before := map[string]bool{}
	for _, p := range all {
		for kind := range p.traces(t) {
			before[kind] = true
		}
	}
	if len(before) != len(queries)+4 {
		t.Errorf("traces found only %v before the takedown, so it can't tell what is left behind", before)
	}
	takeDown(t, p, organization, home, member, management, trail)
	for _, p := range all {
		if left := p.traces(t); len(left) > 0 {
			t.Errorf("%s/%s: left behind: %v", p.account, p.region, left)
		}
	}
	if left := organization.left(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestADelegatedAdministratorRunsStackSets: a delegated administrator for StackSets uses the same commands; CALL_AS
// tells AWS so. Only the management account may activate trusted access. No flow log has a delivery role here.
func TestADelegatedAdministratorRunsStackSets(t *testing.T) {
	t.Parallel()
	organization, seen := newOrganization(t, &localstack.Instance{Endpoint: "http://127.0.0.1:9"}, management) // without other accounts, so without stacks
	organization.delegates(other)
	p := openPages(t, []string{"organization.md"}, seen.Endpoint, "CALL_AS=SELF", "CALL_AS=DELEGATED_ADMIN", "DELIVERY_ROLE=flow-logs-delivery", "DELIVERY_ROLE=")
	p.values = p.section(t, "sh 1. Values", 1)
	allAccounts, down := p.section(t, "sh 3. All accounts", 3), p.section(t, "sh Take it down", 7)
	if out, err := p.try(t.Context(), other, allAccounts[0]); err == nil {
		t.Errorf("the delegated administrator activated the trusted access: %s", out)
	}
	p.types(t, management, allAccounts[0])
	p.types(t, other, allAccounts[1])
	if given := organization.given(); given["QueueAccount"] != own || given["DeliveryRoleName"] != "" {
		t.Errorf("the StackSet has the parameters %v", given)
	}
	p.types(t, other, p.section(t, "sh 5. Is it right?", 2)[0])
	p.types(t, other, p.section(t, "sh Later", 1)[0])
	if out := p.types(t, other, down[3]); strings.TrimSpace(out) != "SUCCEEDED" {
		t.Errorf("the instances are deleted, and the page's commands say\n%s", out)
	}
	p.types(t, other, down[4])
	if left := organization.left(); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

// TestNotificationsThatCannotBeReadStay: S3 replaces all notifications of a bucket at once. If the page's commands
// can't read those of others on the bucket of the log files, they must not write any.
func TestNotificationsThatCannotBeReadStay(t *testing.T) {
	t.Parallel()
	p := openPages(t, []string{"organization.md"}, "")
	logFiles := p.section(t, "sh EventBridge, log files, or both", 3)
	p.values = []string{p.section(t, "sh 1. Values", 1)[0], logFiles[0], "set +e +o pipefail"} // as in the shell of most people
	for name, block := range map[string]string{"set up": logFiles[1], "take down": p.section(t, "sh Take it down", 7)[6]} {
		for get, want := range map[string]bool{
			"exit 255": false,
			"exit 0":   true, // the answer for a bucket without notifications is empty
			"echo TOPICCONFIGURATIONS arn:aws:sns:eu-west-1:444455556666:others": false, // no JSON: some people set the CLI's output to text
			`case "$*" in *" --output json"*) exit 0 ;; *) exit 255 ;; esac`:     true,
		} {
			p.command(t, "aws", `case $2 in get-*) `+get+` ;; put-*) echo put ;; esac`) // other commands succeed
			if out := p.types(t, "111122223333", block+"true"); strings.Contains(out, "put") != want {
				t.Errorf("%s: the notifications are read with %s, and written: %v", name, get, !want)
			}
		}
	}
}

// setUp types the page's commands. It returns the outputs of the main stack, and the configuration that the page
// lets people write.
func setUp(t *testing.T, p *page, binary string, home, management, trail *place, bucket string) (made outputs, configuration string) {
	t.Helper()
	p.types(t, home.account, p.section(t, "sh 2. The queue's account", 1)[0])
	for _, block := range p.section(t, "sh 3. All accounts", 3) {
		p.types(t, management.account, block)
	}

	trail.createBucket(t, bucket)
	trail.notifiesAnother(t, bucket)
	blocks := p.section(t, "sh EventBridge, log files, or both", 3)
	p.values = append(p.values, blocks[0])
	p.types(t, trail.account, blocks[1])
	_, again, _ := strings.Cut(blocks[1], "aws s3api")
	p.types(t, trail.account, "aws s3api"+again) // a second time, which must replace the entry
	p.types(t, home.account, blocks[2])
	made, err := home.settled(t.Context(), "flowkeeper", "UPDATE_COMPLETE")
	must(t, err)

	byHand := p.names.Replace(p.section(t, "yaml 4. Flowkeeper", 1)[0])
	logFiles := p.names.Replace(p.section(t, "yaml EventBridge, log files, or both", 1)[0])
	whole := merged(t, made["Configuration"], byHand, logFiles)
	file := filepath.Join(p.folder, "flowkeeper.yaml")
	must(t, os.WriteFile(file, []byte(whole), 0o600))
	p.command(t, "flowkeeper", fmt.Sprintf(`exec %q "$@" --config %q`, binary, file))
	p.types(t, home.account, p.section(t, "sh 4. Flowkeeper", 1)[0])
	if out := p.types(t, management.account, p.section(t, "sh 5. Is it right?", 2)[0]); strings.TrimSpace(out) != "" {
		t.Errorf("not current:\n%s", out)
	}

	scp := p.section(t, "sh Service control policies", 2)
	p.types(t, management.account, "aws organizations enable-policy-type --root-id $ROOT --policy-type SERVICE_CONTROL_POLICY")
	p.types(t, management.account, scp[0])
	p.types(t, management.account, scp[1])
	p.types(t, management.account, strings.Replace(scp[1], "ou-abcd-11112222", "$ROOT", 1)) // the page says to attach it to the root later

	return made, whole
}

// takeDown types the page's commands. If a role can't be deleted at first, the commands must report that, and the
// role must be useless by then: the role that it trusts is deleted before.
func takeDown(t *testing.T, p *page, organization *fakeOrganization, home, member, management, trail *place) {
	t.Helper()
	blocks := p.section(t, "sh Take it down", 7)
	const machine, policies, queue, instances, stackSet, rest, logFiles = 0, 1, 2, 3, 4, 5, 6
	p.types(t, home.account, blocks[machine])
	if log := string(read(t, filepath.Join(p.path, "systemctl.log"))); !strings.HasSuffix(log, "disable --now flowkeeper\n") {
		t.Errorf("systemctl was called with %s", log)
	}
	p.types(t, management.account, blocks[policies])
	p.types(t, home.account, blocks[queue])
	if left := home.traces(t); slices.Contains(left["iam ListRoles"], "flowkeeper") || len(left["sqs ListQueues"]) > 0 {
		t.Errorf("the queue's account still has %v when the other accounts lose their roles", left)
	}

	organization.fails(member.account)
	if out := p.types(t, management.account, blocks[instances]); !strings.Contains(out, "SUCCEEDED") || !strings.Contains(out, member.account) {
		t.Errorf("a role could not be deleted, and the page's commands say only:\n%s", out)
	}
	if out, err := p.try(t.Context(), management.account, blocks[stackSet]); err == nil {
		t.Errorf("a StackSet with instances was deleted:\n%s", out)
	}
	if member.traces(t)["iam ListRoles"] == nil {
		t.Error("the role that could not be deleted is gone: this test shows nothing")
	}
	organization.fails("")
	if out := p.types(t, management.account, blocks[instances]); strings.TrimSpace(out) != "SUCCEEDED" {
		t.Errorf("nothing is in the way, and the page's commands say\n%s", out)
	}
	p.types(t, management.account, blocks[stackSet])
	p.types(t, management.account, blocks[rest])
	p.types(t, trail.account, blocks[logFiles])
	if got := trail.notified(t, "org-trail-"+trail.account); len(got) != 1 || got[0] != "another" {
		t.Errorf("the bucket has the notifications %v, want only the other one, as before", got)
	}
}

// receiver gets alerts of a webhook.
type receiver struct {
	url string

	mu     sync.Mutex
	bodies []string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
		r.mu.Lock()
		defer r.mu.Unlock()
		if err == nil {
			r.bodies = append(r.bodies, string(body))
		}
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// have reports whether one of the alerts has all these texts.
func (r *receiver) have(texts ...string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.bodies, func(body string) bool {
		return !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(body, text) })
	})
}

// merged is one configuration of several texts, as people merge them: by key.
func merged(t *testing.T, texts ...string) string {
	t.Helper()
	whole := map[string]any{}
	for _, text := range texts {
		part := map[string]any{}
		must(t, yaml.Unmarshal([]byte(text), &part))
		for key, value := range part {
			if there, ok := whole[key].(map[string]any); ok {
				maps.Copy(there, value.(map[string]any))
			} else {
				whole[key] = value
			}
		}
	}
	out, err := yaml.Marshal(whole)
	must(t, err)
	return string(out)
}
