package answer

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"flowkeeper/remediate/incident"
)

const (
	linkedRole = "arn:aws:iam::111122223333:role/aws-service-role/delivery.logs.amazonaws.com/AWSServiceRoleForLogDelivery"
	ourUser    = "User: arn:aws:sts::111122223333:assumed-role/flowkeeper/i-1 is not authorized to perform: "
)

// TestAdviceRepeatsWhatAWSNamed: the advice has the action, the resource and the kind of policy that AWS's answer
// names.
func TestAdviceRepeatsWhatAWSNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code, message string
		reason        incident.Reason
		says, saysNot []string
	}{
		"service-linked role": {"400", ourUser + "iam:CreateServiceLinkedRole on resource: " + linkedRole + " because no identity-based policy allows the iam:CreateServiceLinkedRole action", incident.Permission,
			[]string{"allow iam:CreateServiceLinkedRole on " + linkedRole, "delivery.logs.amazonaws.com"}, []string{"ec2:CreateFlowLogs"}},
		"no colon, no resource": {"AccessDenied", "Unable to create because user is not authorized to perform iam:CreateServiceLinkedRole", incident.Permission,
			[]string{"allow iam:CreateServiceLinkedRole"}, []string{"ec2:CreateFlowLogs"}},
		"pass role": {"UnauthorizedOperation", "You are not authorized to perform this operation. " + ourUser + "iam:PassRole on resource: arn:aws:iam::111122223333:role/deliver because no identity-based policy allows the iam:PassRole action. Encoded authorization failure message: " + strings.Repeat("Ab3-_", 300), incident.Permission,
			[]string{"allow iam:PassRole on arn:aws:iam::111122223333:role/deliver", "iam:PassedToService vpc-flow-logs.amazonaws.com"}, nil},
		"service control policy": {"UnauthorizedOperation", ourUser + "ec2:CreateFlowLogs on resource: arn:aws:ec2:eu-west-1:111122223333:vpc-flow-log/* with an explicit deny in a service control policy: arn:aws:organizations::999988887777:policy/o-1/service_control_policy/p-1", incident.Permission,
			[]string{"service control policy denies ec2:CreateFlowLogs on arn:aws:ec2:eu-west-1:111122223333:vpc-flow-log/*"}, []string{"allow ec2"}},
		"boundary": {"AccessDeniedException", ourUser + "logs:CreateLogDelivery on resource: * because no permissions boundary allows the logs:CreateLogDelivery action", incident.Permission,
			[]string{"no permissions boundary allows logs:CreateLogDelivery on *"}, nil},
		"own deny": {"UnauthorizedOperation", ourUser + "ec2:CreateTags on resource: arn:aws:ec2:eu-west-1:111122223333:vpc-flow-log/* with an explicit deny in an identity-based policy", incident.Permission,
			[]string{"denies ec2:CreateTags on arn:aws:ec2:eu-west-1:111122223333:vpc-flow-log/*"}, nil},
		"tags of a create": {"UnauthorizedOperation", ourUser + "ec2:CreateTags on resource: arn:aws:ec2:eu-west-1:111122223333:vpc-flow-log/* because no identity-based policy allows the ec2:CreateTags action", incident.Permission,
			[]string{"allow ec2:CreateTags on arn:aws:ec2:eu-west-1:111122223333:vpc-flow-log/*", "TagWhatIsMade"}, []string{"TagWhatIsRestored"}},
		"tags of an existing one": {"UnauthorizedOperation", ourUser + "ec2:CreateTags on resource: arn:aws:ec2:eu-west-1:111122223333:vpc-flow-log/fl-0a1 because no identity-based policy allows the ec2:CreateTags action", incident.Permission,
			[]string{"allow ec2:CreateTags on arn:aws:ec2:eu-west-1:111122223333:vpc-flow-log/fl-0a1", "TagWhatIsRestored", incident.RestoredFrom}, []string{"TagWhatIsMade"}},
		"nothing named": {"UnauthorizedOperation", "You are not authorized to perform this operation. Encoded authorization failure message: " + strings.Repeat("Ab3-_", 300), incident.Permission,
			[]string{"does not say which action", "decode-authorization-message"}, nil},
		"bucket policy full": {"LogDestinationPermissionIssueException", "", incident.Destination, []string{"20 KB"}, []string{"parameters"}},
		"tag policy":         {"TagPolicyViolation", "The tag policy does not allow the specified value for the following tag key: 'CostCenter'.", "", []string{"CostCenter"}, nil},
		"not subscribed":     {"OptInRequired", "You are not subscribed to this service.", incident.Account, []string{"enable the Region"}, []string{"parameters"}},
		"blocked":            {"Blocked", "This account is currently blocked.", incident.Account, []string{"AWS Support"}, nil},
		"verification":       {"PendingVerification", "Your request for accessing resources in this region is being validated", incident.Account, []string{"verifying"}, nil},
		"suspended":          {"AccountSuspended", "", incident.Account, []string{"billing"}, nil},
		"credentials":        {"AuthFailure", "AWS was not able to validate the provided access credentials", incident.Credentials, []string{"Region is not enabled", "clock"}, nil},
		"unknown":            {"QuantumFlux", "The flux is not coherent.", incident.Refused, nil, []string{"parameters", "allow", "policy"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := classify(c.code, c.message)
			if a.Reason != c.reason {
				t.Errorf("reason %q, want %q", a.Reason, c.reason)
			}
			for _, want := range c.says {
				if !strings.Contains(a.Advice, want) {
					t.Errorf("the advice %q does not say %q", a.Advice, want)
				}
			}
			for _, not := range c.saysNot {
				if strings.Contains(a.Advice, not) {
					t.Errorf("the advice %q says %q, which it must not", a.Advice, not)
				}
			}
			if !strings.Contains(a.Message, c.code) || strings.Contains(a.Message, "Ab3-") {
				t.Errorf("the message %q lacks the code %s, or has the encoded part", a.Message, c.code)
			}
		})
	}
}

// TestOfTags: whatever the reason for which AWS refuses a CreateTags call, the advice is about tags, not about a
// create.
func TestOfTags(t *testing.T) {
	t.Parallel()
	const restored = "TagWhatIsRestored"
	for name, c := range map[string]struct {
		code, message string
		class         incident.Class
		says          string
	}{
		"nothing named": {"UnauthorizedOperation", "You are not authorized to perform this operation.", incident.NeedsPerson, restored},
		"named":         {"UnauthorizedOperation", ourUser + "ec2:CreateTags on resource: arn:aws:ec2:eu-west-1:111122223333:vpc-flow-log/fl-0a1 with an explicit deny in a service control policy", incident.NeedsPerson, "service control policy denies ec2:CreateTags"},
		"invalid":       {"InvalidParameterValue", "Tag keys can't be empty", incident.NeedsPerson, "aws ec2 create-tags"},
		"tag policy":    {"TagPolicyViolation", "The tag policy does not allow the specified value for the following tag key: 'CostCenter'.", incident.TagRefused, "CostCenter"},
		"throttled":     {"RequestLimitExceeded", "", incident.TryAgain, ""},
		"not there yet": {"InvalidFlowLogId.NotFound", "The flow log ID 'fl-0a1' does not exist", incident.ResourceAbsent, ""},
		"not known":     {"QuantumFlux", "The flux is not coherent.", incident.NeedsPerson, "aws ec2 create-tags"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := OfTags(&smithy.GenericAPIError{Code: c.code, Message: c.message})
			if a.Class != c.class || !strings.Contains(a.Advice, c.says) || strings.Contains(a.Advice, "restore ID") {
				t.Errorf("%+v", a)
			}
		})
	}
}

// TestTryAgainCodesAreTriedAgain: an error that passes by itself needs no person. If a wrong clock is the cause, the
// advice says so.
func TestTryAgainCodesAreTriedAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code, message string
		clock         bool
	}{
		{"OperationAborted", "A conflicting conditional operation is currently in progress against this resource. Please try again.", false},
		{"IncorrectState", "The Service Linked Role is not yet available. Please try again.", false},
		{"RequestExpired", "Request has expired.", true},
		{"RequestTimeTooSkewed", "The difference between the request time and the current time is too large.", true},
		{"SignatureDoesNotMatch", "Signature expired: 20260301T120000Z is now earlier than 20260301T121450Z (20260301T121950Z - 5 min.)", true},
		{"InvalidSignatureException", "Signature not yet current: 20260301T120000Z is still later than 20260301T114500Z (20260301T113000Z + 15 min.)", true},
	} {
		t.Run(c.code, func(t *testing.T) {
			t.Parallel()
			a := classify(c.code, c.message)
			if a.Class != incident.TryAgain {
				t.Errorf("class %s", a.Class)
			}
			if strings.Contains(a.Hinted(), "clock") != c.clock {
				t.Errorf("%q names the clock: %v, want %v", a.Hinted(), !c.clock, c.clock)
			}
		})
	}
	if a := classify("SignatureDoesNotMatch", "The request signature we calculated does not match"); a.Class != incident.NeedsPerson || a.Reason != incident.Credentials {
		t.Errorf("a wrong secret: class %s %q, want a person and credentials", a.Class, a.Reason)
	}
	if a := classify("IncorrectState", "The flow log is in no state for this"); a.Class != incident.NeedsPerson {
		t.Errorf("another state: class %s, want a person", a.Class)
	}
}

// TestEachItemOfUnsuccessfulIsRead: an item that needs a person counts, even if it comes after others. An item that
// says "not found" does not close the incident if another item says something else.
func TestEachItemOfUnsuccessfulIsRead(t *testing.T) {
	t.Parallel()
	item := func(code, message string) types.UnsuccessfulItem {
		return types.UnsuccessfulItem{Error: &types.UnsuccessfulItemError{Code: aws.String(code), Message: aws.String(message)}}
	}
	gone, denied := item("InvalidVpcID.NotFound", "no such VPC"), item("400", "Access Denied for LogDestination: b")
	for name, c := range map[string]struct {
		items []types.UnsuccessfulItem
		class incident.Class
		says  string
	}{
		"refused behind an internal error": {[]types.UnsuccessfulItem{item("500", "Internal"), denied}, incident.NeedsPerson, "Access Denied"},
		"behind one without an error":      {[]types.UnsuccessfulItem{{}, denied}, incident.NeedsPerson, "Access Denied"},
		"gone beside a refusal":            {[]types.UnsuccessfulItem{gone, denied}, incident.NeedsPerson, "no such VPC"},
		"gone beside an internal error":    {[]types.UnsuccessfulItem{gone, item("InternalError", "")}, incident.TryAgain, "no such VPC"},
		"gone":                             {[]types.UnsuccessfulItem{gone}, incident.ResourceAbsent, "no such VPC"},
		"without an error":                 {[]types.UnsuccessfulItem{{}}, incident.TryAgain, "not why"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if a := OfCreate(&ec2.CreateFlowLogsOutput{Unsuccessful: c.items}, nil); a.Class != c.class || !strings.Contains(a.Message, c.says) {
				t.Errorf("class %s %q", a.Class, a.Message)
			}
		})
	}
}
