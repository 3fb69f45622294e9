package alert

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// ToDo says what people have to do: the alert's own advice, or else the advice of the first
// flow log that has any, or else how to stop the caller.
func (a Words) ToDo() string {
	always := a.Kind == Deletion || a.Kind == Attempt || a.Kind == Blocked // something is to be done about these
	if s := cmp.Or(a.Advice, firstAdvice(a.FlowLogs)); s != "" || !always {
		return s
	}
	who := a.Actor
	switch {
	case a.Kind == Blocked:
		return "look up AWS's answer in docs/alerts.md#blocked"
	case a.Repeats != nil && a.Repeats.Several:
		return "find out who they are: flowkeeper alerts show " + a.ID + " lists calls. Check whether only the EventBridge rule may send to the queue: flowkeeper doctor"
	case a.Level == Informational || who == nil && a.Source != sourceDrift:
		return ""
	case who == nil:
		return "find out who did it, and whether somebody stopped a trail: docs/alerts.md#deletion"
	case who.hasLongTermKey() && who.Account == "" && plain(who.AccessKeyID, "") && plain(userName(who.ARN), "-_.@"):
		return fmt.Sprintf("if nobody planned this, deactivate the access key: aws iam update-access-key --status Inactive --user-name %s --access-key-id %s", userName(who.ARN), who.AccessKeyID)
	case who.SessionIssuer != "":
		return "if nobody planned this, revoke the sessions of the role (IAM console, the role, Revoke sessions)"
	}
	return "if nobody planned this, stop the caller: docs/alerts.md#deletion"
}

// ownAdvice is ToDo without the advice that the lines about the flow logs contain.
func (a Words) ownAdvice() string {
	if a.Advice != "" || firstAdvice(a.FlowLogs) != "" {
		return a.Advice
	}
	return a.ToDo()
}

// firstAdvice is the advice of the first flow log that has any, for messages without room
// for the advice of each.
func firstAdvice(logs []FlowLog) string {
	for _, f := range logs {
		if f.Advice != "" {
			return f.Advice
		}
	}
	return ""
}

// addCommands adds command lines that show more about the caller. People paste them into a
// shell, so text from outside is used only if it is a plain ID.
func (a Words) addCommands(t *lines) {
	if !a.aboutCall() || a.Actor == nil || !plain(a.Region, "-") {
		return
	}
	var commands []string
	lookUp := func(attribute, value, since string) {
		if plain(value, "-_.@") {
			commands = append(commands, fmt.Sprintf("aws cloudtrail lookup-events --region %s --lookup-attributes AttributeKey=%s,AttributeValue=%s%s", a.Region, attribute, value, since))
		}
	}
	if !isOwnEvent(a.EventID) {
		lookUp("EventId", a.EventID, "")
	}
	since := ""
	if at := a.happenedAt(); at != nil {
		since = " --start-time " + at.UTC().Add(-time.Hour).Format(time.RFC3339)
	}
	if a.Actor.AccessKeyID != "" {
		lookUp("AccessKeyId", a.Actor.AccessKeyID, since)
	} else {
		lookUp("Username", userName(a.Actor.ARN), since)
	}
	t.list("To investigate", commands)
}

// userName is the last part of a user's ARN.
func userName(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }

// plain reports whether a text has only letters, digits and the other characters given,
// and does not start like an option, so that a shell does not interpret it.
func plain(s, others string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	return s != "" && s[0] != '-' && strings.Trim(s, letters+others) == ""
}
