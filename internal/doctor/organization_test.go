package doctor

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"flowkeeper/configs"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/internal/organization"
	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
)

// TestWhatToDoInAnAccountOfTheOrganization: a fix in an account of the organisation names the account, the Region, and
// the template that creates the missing rule, permission or role there.
func TestWhatToDoInAnAccountOfTheOrganization(t *testing.T) {
	t.Parallel()
	const queueAccount, main = "111122223333", "999988887777"
	m := &machine{Doctor: &Doctor{Config: configs.Config{Queue: configs.Queue{URL: queueARN}}}, names: func() map[string]string {
		return map[string]string{"333344445555": "search-prod", main: "main", queueAccount: "security"}
	}}
	home := inventory.Scope{Account: queueAccount, Region: "eu-west-1"}
	q := &queue{QueueRef: configs.QueueRef{Account: queueAccount, Region: "eu-west-1", Name: "flowkeeper"}, machine: m, attrs: func() (map[string]string, error) { return nil, nil }}
	r := &routes{queue: q, home: &subject{machine: m, scope: home}}
	of := func(account, region string) *subject {
		return &subject{machine: m, routes: r, discovered: true, scope: inventory.Scope{Account: account, Region: region}, account: scopes.Account{ID: account, RoleARN: "arn:aws:iam::" + account + ":role/flowkeeper"}}
	}
	management := of(main, "us-east-1")
	management.management = true
	configured := of("333344445555", "us-east-1")
	configured.discovered = false
	for name, c := range map[string]struct {
		s                    *subject
		rule, grant, deploys string
	}{
		"a member": {of("333344445555", "us-east-1"), "in account search-prod (333344445555), Region us-east-1: the StackSet's instance of deploy/cloudformation/flowkeeper-member.yaml makes the rule flowkeeper-forward",
			"in account search-prod (333344445555): allow ec2:CreateTags to arn:aws:iam::333344445555:role/flowkeeper (TagWhatIsRestored in the StackSet's instance of deploy/cloudformation/flowkeeper-member.yaml), and see",
			"in account search-prod (333344445555): deploy deploy/cloudformation/flowkeeper-member.yaml"},
		"the management account": {management, "in account main (999988887777), Region us-east-1: the stack of deploy/cloudformation/flowkeeper-member.yaml makes the rule flowkeeper-forward",
			"in account main (999988887777): allow ec2:CreateTags to arn:aws:iam::999988887777:role/flowkeeper (TagWhatIsRestored in the stack of deploy/cloudformation/flowkeeper-member.yaml)",
			"in account main (999988887777): deploy deploy/cloudformation/flowkeeper-member.yaml"},
		"where the queue is": {of(queueAccount, "eu-west-1"), "aws events put-rule --name flowkeeper --region eu-west-1",
			"in account security (111122223333): allow ec2:CreateTags to arn:aws:iam::111122223333:role/flowkeeper (TagWhatIsRestored in the stack of deploy/cloudformation/flowkeeper.yaml)",
			"in account security (111122223333): deploy deploy/cloudformation/flowkeeper.yaml"},
		"the queue's account, elsewhere": {of(queueAccount, "us-east-1"), "in account security (111122223333), Region us-east-1: the StackSet's instance of deploy/cloudformation/flowkeeper-member.yaml makes the rule flowkeeper-forward",
			"TagWhatIsRestored in the stack of deploy/cloudformation/flowkeeper.yaml", "deploy deploy/cloudformation/flowkeeper.yaml"},
		"configured": {configured, "aws events put-rule --name flowkeeper --region us-east-1", "allow ec2:CreateTags (TagWhatIsRestored in deploy/iam-policy.json)", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.s.noRule(); got.status != Fail || !strings.HasPrefix(got.fix, c.rule) {
				t.Errorf("%+v", got)
			}
			if got := c.s.grant(createTags, "TagWhatIsRestored"); !strings.Contains(got, c.grant) {
				t.Error(got)
			}
			if got := c.s.fixRole(); !strings.Contains(got, c.deploys) {
				t.Error(got)
			}
		})
	}
	const notSet = "organization.external_id is not set"
	if got := of("333344445555", "us-east-1").fixRole(); !strings.Contains(got, notSet) {
		t.Errorf("without an external ID: %s", got)
	}
	m.Config.Organization.ExternalID = "as-in-the-trust-policy"
	if got := of("333344445555", "us-east-1").fixRole(); !strings.Contains(got, "with organization.external_id") || strings.Contains(got, notSet) {
		t.Errorf("with an external ID: %s", got)
	}
	if got := of(queueAccount, "us-east-1").fixRole(); strings.Contains(got, "external") {
		t.Errorf("the role of the queue's account demands no external ID: %s", got)
	}
	var asked []string
	a := accountOf(recorder{[]string{passRole}, &asked}, trial{target: delivery.Target{Type: "cloud-watch-logs", Role: "arn:aws:iam::333344445555:role/delivery"}, answer: succeeded})
	a.id, a.subjects[0].machine, a.subjects[0].discovered = "333344445555", m, true
	if got := a.passRoles(t.Context()); len(got) != 1 || !strings.HasPrefix(got[0].fix, `in account search-prod (333344445555): name it in DeliveryRoleName or DeliveryRoleArns of the StackSet's instance of deploy/cloudformation/flowkeeper-member.yaml, which allows then: {"Effect":"Allow"`) {
		t.Errorf("%+v", got)
	}
}

// TestDepartures: a finding names the accounts that have departed and still have protected flow logs. Several accounts
// share one finding.
func TestDepartures(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for departed, want := range map[int][]string{
		0: nil,
		1: {"account member-0 (000000000000) is not protected since 2026-03-01T12:00:00Z: it is not in the organisation any more; 2 flow logs there are neither watched nor restored"},
		4: {"4 accounts are not protected any more: member-0 (000000000000), member-1 (000000000001), member-2 (000000000002), member-3 (000000000003); 8 flow logs there are neither watched nor restored"},
		12: {"12 accounts are not protected any more: member-0 (000000000000), member-1 (000000000001), member-2 (000000000002), member-3 (000000000003), member-4 (000000000004), " +
			"member-5 (000000000005), member-6 (000000000006), member-7 (000000000007), member-8 (000000000008), member-9 (000000000009), 2 more (flowkeeper accounts list); 24 flow logs there are neither watched nor restored"},
	} {
		t.Run(fmt.Sprint(departed, " accounts"), func(t *testing.T) {
			t.Parallel()
			names := map[string]string{}
			facts := stateFacts{protected: map[inventory.Scope]int{}, members: []organization.Member{{Account: organization.Account{ID: "999999999999"}}, {Account: organization.Account{ID: "888888888888"}, LeftAt: at, Why: organization.Left}}}
			facts.protected[inventory.Scope{Account: "999999999999", Region: "eu"}] = 1
			for n := range departed {
				id := fmt.Sprintf("%012d", n)
				names[id] = fmt.Sprint("member-", n)
				facts.members = append(facts.members, organization.Member{Account: organization.Account{ID: id}, LeftAt: at, Why: organization.Left})
				facts.protected[inventory.Scope{Account: id, Region: "eu"}], facts.protected[inventory.Scope{Account: id, Region: "us"}] = 1, 1
			}
			var got []string
			for _, f := range (&machine{names: func() map[string]string { return names }}).judgeDepartures(facts) {
				if got = append(got, f.detail); f.status != Warn {
					t.Errorf("%+v", f)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q", got)
			}
		})
	}
}

// TestManyUnitsAreListed: 300 OUs take 600 calls to Organizations, which together take longer than any other check may.
// The listing must still end.
func TestManyUnitsAreListed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := fakeawstest.New(fakeawstest.Options{Latency: 100 * time.Millisecond})
		w.AddOrganization("999988887777", "main")
		for n := range 300 {
			w.AddUnit(fakeawstest.Root, fmt.Sprint("unit ", n))
		}
		c := w.User("999988887777", "flowkeeper", true)
		d := &Doctor{
			Config: configs.Config{Organization: configs.Organization{RoleName: "flowkeeper", Exclude: []string{"ou-fake-00000001"}}},
			AWS: aws.Config{Region: "eu-west-1", HTTPClient: w.HTTPClient(),
				Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, "")},
		}
		l, err := newMachine(t.Context(), d).listing()
		if err != nil || len(l.Accounts) != 1 || l.NoPaths != nil {
			t.Errorf("%+v, %v", l, err)
		}
	})
}
