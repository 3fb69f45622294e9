package alert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// RaisedBecause says which facts put the level above the rule's.
func (a Words) RaisedBecause() string {
	var why []string
	for _, fact := range a.RaisedBy {
		why = append(why, cmp.Or(factWords[fact], fact))
	}
	return strings.Join(why, " and ")
}

// factWords say in words which facts package notify raises a level for; a test
// holds them against its constants.
var factWords = map[string]string{
	"root":             "it was the root user",
	"no_mfa":           "a person did it without MFA",
	"whole_vpc":        "a VPC has no other flow log",
	"destination_gone": "what flow logs deliver to is gone",
	"decoy":            "it is a decoy",
}

const maxDeeds = 5 // kinds of calls named

// Before is what the same principal did to flow logs in the hour before.
func (a Words) Before() string {
	var did []string
	worst := slices.Clone(a.Recent)
	slices.SortStableFunc(worst, func(x, y Deeds) int { return cmp.Compare(harm(x.EventName), harm(y.EventName)) })
	for _, d := range worst[:min(len(worst), maxDeeds)] {
		s := d.EventName + " " + times(d.Calls)
		switch {
		case d.Refused == d.Calls:
			s += ", refused"
		case d.Refused > 0:
			s += fmt.Sprintf(", refused %s", times(d.Refused))
		}
		if d.FlowLogs > 0 {
			s += fmt.Sprintf(" (%s)", Plural(d.FlowLogs, "flow log"))
		}
		did = append(did, s)
	}
	more := 0
	for _, d := range worst[min(len(worst), maxDeeds):] {
		more += d.Calls
	}
	if more > 0 {
		did = append(did, "and "+Plural(more, "other call"))
	}
	if len(did) == 0 {
		return ""
	}
	return "in the hour before, the same principal called " + strings.Join(did, "; ")
}

// harm orders calls, the worst first: deletions, what destroys, what changes,
// and what makes.
func harm(event string) int {
	for n, prefix := range []string{"DeleteFlowLogs", "Delete", "Stop", "Disable", "Purge", "Schedule", "Remove", "Untag", "Detach"} {
		if strings.HasPrefix(event, prefix) {
			return n
		}
	}
	if event == "CreateFlowLogs" {
		return 100
	}
	return 50
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// Plural is "1 flow log", or "3 flow logs".
func Plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// ToDo is what is left to people: the alert's own advice, that of its first
// flow log that has some, or how to stop who did it.
func (a Words) ToDo() string {
	if s := cmp.Or(a.Advice, firstAdvice(a.FlowLogs)); s != "" || a.Kind != Deletion && a.Kind != Attempt && a.Kind != Blocked {
		return s
	}
	who := a.Actor
	switch {
	case a.Kind == Blocked:
		return "look up AWS's answer in docs/alerts.md#blocked"
	case a.Repeats != nil && a.Repeats.Several:
		return "see who they were: flowkeeper alerts show " + a.ID + " lists calls; and whether anybody but the EventBridge rule may send to the queue: flowkeeper doctor"
	case a.Level == Informational || who == nil && a.Source != "drift":
		return ""
	case who == nil:
		return "find out who, and whether a trail was stopped: docs/alerts.md"
	case who.Type == "IAMUser" && who.Account == "" && strings.HasPrefix(who.AccessKeyID, "AKIA") && plain(who.AccessKeyID, "") && plain(userName(who.ARN), "-_.@"):
		return fmt.Sprintf("if nobody planned this, stop them: aws iam update-access-key --status Inactive --user-name %s --access-key-id %s", userName(who.ARN), who.AccessKeyID)
	case who.SessionIssuer != "":
		return "if nobody planned this, stop them: revoke the sessions of the role (IAM console, the role, Revoke sessions)"
	}
	return "if nobody planned this, stop them: docs/alerts.md"
}

// ownAdvice is ToDo, but for what the lines of the flow logs say.
func (a Words) ownAdvice() string {
	if a.Advice != "" || firstAdvice(a.FlowLogs) != "" {
		return a.Advice
	}
	return a.ToDo()
}

// userName is the last part of a user's ARN.
func userName(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }

// firstAdvice is that of the first flow log that has one, where a message has
// no room for each.
func firstAdvice(logs []FlowLog) string {
	for _, f := range logs {
		if f.Advice != "" {
			return f.Advice
		}
	}
	return ""
}

// addCommands adds command lines that show more of who did it. People paste them
// into a shell: nothing foreign gets in but what is plainly an ID.
func (a Words) addCommands(t *lines) {
	if a.Kind != Deletion && a.Kind != Attempt && a.Kind != Tamper || a.Actor == nil || !plain(a.Region, "-") {
		return
	}
	happened := a.DeletedAt
	if happened == nil {
		happened = a.EventTime
	}
	about := [][2]string{{"EventId", a.EventID}, {"AccessKeyId", a.Actor.AccessKeyID}}
	if a.Actor.AccessKeyID == "" {
		about[1] = [2]string{"Username", userName(a.Actor.ARN)}
	}
	var commands []string
	for _, x := range about {
		if !plain(x[1], "-_.@") || x[0] == "EventId" && isOwnEvent(x[1]) {
			continue
		}
		c := fmt.Sprintf("aws cloudtrail lookup-events --region %s --lookup-attributes AttributeKey=%s,AttributeValue=%s", a.Region, x[0], x[1])
		if x[0] != "EventId" && happened != nil && !happened.IsZero() {
			c += " --start-time " + happened.UTC().Add(-time.Hour).Format(time.RFC3339)
		}
		commands = append(commands, c)
	}
	if len(commands) == 0 {
		return
	}
	t.add("Look further:")
	for _, c := range commands {
		t.add("  " + c)
	}
}

// plain reports whether a text is letters and digits, and some others that no
// shell takes for more; and no option.
func plain(s, others string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	return s != "" && s[0] != '-' && strings.Trim(s, letters+others) == ""
}

// Tags that say whose a flow log is come first, and alone in texts.
var tellingTags = []string{"Name", "owner", "environment"}

// telling are the tags that say whose it is, as "Name=…, owner=…".
func (f FlowLog) telling() string {
	var out []string
	for _, want := range tellingTags {
		for _, k := range sortedKeys(f.Tags) {
			if strings.EqualFold(k, want) || strings.EqualFold(want, "environment") && strings.EqualFold(k, "env") {
				out = append(out, k+"="+Clean(f.Tags[k], 60))
			}
		}
	}
	return strings.Join(out, ", ")
}

// format of flow logs that all have the same.
func (a Words) format() string {
	if a.Kind != Deletion || len(a.FlowLogs) == 0 {
		return ""
	}
	f := a.FlowLogs[0].LogFormat
	if slices.ContainsFunc(a.FlowLogs, func(x FlowLog) bool { return x.LogFormat != f }) {
		return "several"
	}
	return Clean(f, MaxField)
}
