package answer

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"flowkeeper/remediate/incident"
)

// WrongAccount is implemented by the error of credentials that act in another
// account than the scope's (I13).
type WrongAccount interface{ WrongAccount() bool }

// OfCreate classifies what CreateFlowLogs answered. A failure may come as an error
// or as a 200 with Unsuccessful. An answer without an ID and without a failure is no success.
func OfCreate(out *ec2.CreateFlowLogsOutput, err error) incident.Answer {
	switch {
	case err != nil:
		return OfError(err)
	case len(out.FlowLogIds) > 0:
		return incident.Answer{Class: incident.Succeeded, ID: out.FlowLogIds[0]}
	case len(out.Unsuccessful) > 0:
		return ofItems(out.Unsuccessful)
	}
	return incident.Answer{Class: incident.TryAgain, Message: "CreateFlowLogs answered with neither a flow log nor an error"}
}

// OfDryRun classifies what CreateFlowLogs answered to a dry run: [incident.Succeeded] if the
// call would be allowed, even if a flow log is in its way; otherwise as [OfCreate] does.
func OfDryRun(out *ec2.CreateFlowLogsOutput, err error) incident.Answer {
	allowed := incident.Answer{Class: incident.Succeeded}
	if errorCode(err) == "DryRunOperation" {
		return allowed
	}
	a := OfCreate(out, err)
	switch a.Class {
	case incident.Succeeded, incident.AlreadyThere, incident.TokenMismatch:
		return allowed
	}
	return a
}

// OfCreation classifies what a CreateFlowLogs call for several resources answered. ids are the
// IDs of the flow logs that it made. They are not matched to resources: AWS documents no order.
func OfCreation(out *ec2.CreateFlowLogsOutput, err error) (a incident.CreationAnswer, ids []string) {
	if err != nil || len(out.FlowLogIds)+len(out.Unsuccessful) == 0 {
		refused := OfCreate(out, err)
		return incident.CreationAnswer{Refused: &refused}, nil
	}
	a.Items = map[string]incident.Answer{}
	for _, item := range out.Unsuccessful {
		if id := aws.ToString(item.ResourceId); id != "" {
			a.Items[id] = ofItems([]types.UnsuccessfulItem{item})
		}
	}
	return a, out.FlowLogIds
}

// ofItems classifies each item of Unsuccessful, and returns the class that comes first in
// order, with all messages. So the resource counts as gone only if each item says so.
func ofItems(items []types.UnsuccessfulItem) incident.Answer {
	order := map[incident.Class]int{incident.AlreadyThere: 0, incident.TokenMismatch: 1, incident.NeedsPerson: 2, incident.TagRefused: 3, incident.RoleSlow: 4, incident.TryAgain: 5, incident.ResourceAbsent: 6}
	var worst incident.Answer
	var words []string
	for n, item := range items {
		a := incident.Answer{Class: incident.TryAgain, Message: "CreateFlowLogs answered that it failed, and not why"}
		if e := item.Error; e != nil {
			a = classify(aws.ToString(e.Code), aws.ToString(e.Message))
		}
		if n == 0 || order[a.Class] < order[worst.Class] {
			worst = a
		}
		if !slices.Contains(words, a.Message) {
			words = append(words, a.Message)
		}
	}
	worst.Message, worst.NoEffect = incident.Bound(strings.Join(words, "; ")), true
	return worst
}

// OfError classifies any error of an EC2 call.
func OfError(err error) incident.Answer {
	var wrong WrongAccount
	if errors.As(err, &wrong) && wrong.WrongAccount() {
		return incident.Answer{Class: incident.NeedsPerson, Reason: incident.Credentials, Message: incident.Bound(err.Error()),
			Advice: "these credentials act in another account: fix accounts[].role_arn or the credentials of the service"}
	}
	throttled := IsThrottle(err)
	if http, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && (http.HTTPStatusCode() >= 500 || http.HTTPStatusCode() == 429) {
		return incident.Answer{Class: incident.TryAgain, Message: incident.Bound(wordsOfAWS(err)), NoEffect: throttled, Throttled: throttled}
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		a := classify(api.ErrorCode(), api.ErrorMessage())
		a.NoEffect, a.Throttled = true, throttled
		return a
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return incident.Answer{Class: incident.TryAgain, Message: "AWS did not answer in time"}
	}
	return incident.Answer{Class: incident.TryAgain, Message: incident.Bound(err.Error())}
}

// OfTags classifies what CreateTags answered, called for flow logs that exist. err is nil if AWS has set the tags.
func OfTags(err error) incident.Answer {
	if err == nil {
		return incident.Answer{Class: incident.Succeeded}
	}
	a := OfError(err)
	if strings.Contains(errorCode(err), "NotFound") {
		return incident.Answer{Class: incident.ResourceAbsent, Message: a.Message, NoEffect: true} // the flow log was just made, and CreateTags does not find it yet
	}
	switch a.Reason {
	case incident.Permission:
		if DeniedAction(a.Message) == "" {
			a.Advice = "allow ec2:CreateTags as TagWhatIsRestored in deploy/iam-policy.json does: on flow logs with the tag " + incident.RestoredFrom
		}
	case incident.Invalid, incident.Refused:
		a.Advice = "AWS refuses to tag a flow log that exists: set its tags by hand (aws ec2 create-tags)"
	}
	return a
}

// wordsOfAWS are AWS's code and message alone, if the error has them: the text that the SDK
// puts around them does not help a person.
func wordsOfAWS(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorCode() != "" && api.ErrorMessage() != "" {
		return api.ErrorCode() + ": " + api.ErrorMessage()
	}
	return err.Error()
}

// classify finds the class for AWS's code and message. If the code says nothing (just "400"), the
// message decides. Codes:
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
// https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-troubleshooting.html
func classify(code, message string) incident.Answer {
	a := incident.Answer{Message: incident.Bound(withoutEncoded(strings.TrimPrefix(code+": "+message, ": ")))}
	low := strings.ToLower(code + " " + message)
	has := func(words ...string) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(low, w) })
	}
	block := func(reason incident.Reason, advice string) incident.Answer {
		a.Class, a.Reason, a.Advice = incident.NeedsPerson, reason, advice
		return a
	}
	denied, named := deniedBy(message)
	switch {
	case has("flowlogalreadyexists"), has("existing flow log with the same"):
		a.Class = incident.AlreadyThere
	case has("idempotentparametermismatch"):
		a.Class = incident.TokenMismatch
	case clockSkew(code, low):
		a.Class = incident.TryAgain
		a.Advice = "AWS does not accept the time of the request: see that this machine's clock is right (NTP)"
	case isThrottle(code), transient(code), has("incorrectstate", "service", "linked role"):
		a.Class = incident.TryAgain
	case has("notfound") && resourceCode(low):
		a.Class = incident.ResourceAbsent
	case has("assume given iam role"):
		a.Class, a.Reason = incident.RoleSlow, incident.Role
		a.Advice = "let vpc-flow-logs.amazonaws.com assume the delivery role: its trust policy may name the old flow log's ID"
	case has("taglimitexceeded"), has("tagpolicy"), has("tag polic"), has("invalidtag"), has("too many tags"):
		a.Class = incident.TagRefused
		a.Advice = "AWS refuses this flow log's own tags: a tag policy may have changed"
		if key := refusedTagKey.FindStringSubmatch(message); key != nil {
			a.Advice = "AWS refuses the tag " + incident.Bound(key[1]) + " that the flow log had: change the tag policy"
		}
	case has("flowlogslimitexceeded"):
		return block(incident.Limit, "the account's limit of flow logs per resource is reached: delete what is not needed or ask AWS for more")
	case named:
		a.Denied = denied.action
		return block(incident.Permission, denied.advice())
	case has("logdestinationpermissionissue"):
		return block(incident.Destination, "the bucket's policy has no room for another statement (20 KB): let delivery.logs.amazonaws.com write to the whole bucket in one statement, and take away those of single flow logs")
	case has("access denied for logdestination"):
		return block(incident.Destination, "the destination's own policy refuses delivery: let delivery.logs.amazonaws.com write there")
	case has("logdestination", "does not exist"), has("logdestination", "undeliverable"), has("bucket", "does not exist"):
		return block(incident.Destination, "make the destination again under the same name, or close the incident: `flowkeeper inventory release ID`")
	case accountAdvice(code) != "":
		return block(incident.Account, accountAdvice(code))
	case credentialCode(code):
		return block(incident.Credentials, "AWS refuses these credentials: renew them. AWS answers so, too, where the Region is not enabled in the account, and where this machine's clock is wrong")
	case has("unauthorizedoperation"), has("accessdenied"), has("not authorized"):
		return block(incident.Permission, "AWS does not say which action it refuses: allow ec2:CreateFlowLogs, ec2:DescribeFlowLogs, ec2:CreateTags, logs:CreateLogDelivery and iam:PassRole (deploy/iam-policy.json), and see that no service control policy denies them; the encoded message in CloudTrail's record tells more (aws sts decode-authorization-message)")
	case strings.HasPrefix(code, "Invalid"), strings.HasPrefix(code, "Missing"), strings.HasPrefix(code, "Malformed"), strings.HasPrefix(code, "Unsupported"), code == "UnknownParameter", code == "ValidationError":
		return block(incident.Invalid, "AWS refuses these parameters: `flowkeeper restore ID --dry-run` shows the call")
	default:
		return block(incident.Refused, "`flowkeeper restore ID --dry-run` shows the call that AWS answers so")
	}
	return a
}

// clockSkew reports whether AWS refuses a request because of its time stamp. Services use
// different words for that; EC2 may also answer just AuthFailure.
func clockSkew(code, low string) bool {
	switch code {
	case "RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture":
		return true
	case "InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure":
		return containsAny(low, "signature expired", "not yet current", "is now earlier than", "is still later than")
	}
	return false
}

func containsAny(s string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s, w) })
}

// accountAdvice says what to do about a code that means the whole account; empty
// for others.
func accountAdvice(code string) string {
	switch code {
	case "OptInRequired":
		return "the account is not subscribed to EC2 in this Region, or the Region is not enabled in it: enable the Region, or finish the account's sign-up"
	case "Blocked":
		return "AWS has blocked the account: ask AWS Support"
	case "PendingVerification":
		return "AWS is still verifying the account: ask AWS Support if that lasts"
	case "AccountSuspended", "AccountProblem", "AccountDisabled":
		return "the account is suspended, or AWS has disabled this for it: see the account's billing and ask AWS Support"
	}
	return ""
}

// IsThrottle reports whether AWS throttled a call.
func IsThrottle(err error) bool { return isThrottle(errorCode(err)) }

// errorCode is AWS's error code; empty if the error has none.
func errorCode(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

func isThrottle(code string) bool {
	return strings.Contains(code, "Throttl") || code == "RequestLimitExceeded" || code == "TooManyRequestsException" || code == "SlowDown"
}

// transient reports whether a code comes with 5xx, or means that waiting helps.
func transient(code string) bool {
	switch code {
	case "InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable", "InternalServerError", "RequestTimeout",
		"OperationAborted", "ConcurrentModification", "ResourceConflict", "PriorRequestNotComplete":
		return true
	}
	return strings.HasPrefix(code, "5")
}

// resourceCode reports whether a text in lower case has a …NotFound code of a resource type that
// flow logs record; AWS's spelling varies in case (docs/aws.md, "Creating flow logs").
func resourceCode(low string) bool {
	return containsAny(low, "invalidvpcid.", "invalidsubnetid.", "invalidnetworkinterfaceid.", "invalidtransitgateway", "invalidnatgateway", "natgatewaynotfound")
}

func credentialCode(code string) bool {
	switch code {
	case "AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidSignatureException", "ExpiredToken", "ExpiredTokenException", "MissingAuthenticationToken":
		return true
	}
	return false
}
