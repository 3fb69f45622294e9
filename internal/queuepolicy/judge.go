package queuepolicy

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"flowkeeper/alert"
)

// Status of a policy.
type Status string

const (
	OK      Status = "ok"
	Warn    Status = "warn"
	Fail    Status = "fail"
	Unknown Status = "unknown" // a person has to read it
)

// Verdict about a policy.
type Verdict struct {
	Status    Status
	Text, Fix string // Fix is empty where Better may have one
}

// Sources are what is known of those who use the queue.
type Sources struct {
	Rules  []string          // ARNs of the rules that the policy must let send
	ByRole map[string]string // ARNs of the rules that send as a role of theirs, with that role's
	All    bool              // whether every scope could be asked for its rules
	Ours   []string          // the accounts that are watched, and the queue's
	Self   string            // the account of our own credentials, which receive
	Us     string            // their user, or their role without its path; empty: not known
}

// Judge judges a queue's policy. It must allow exactly those rules or topics to send that
// bring events, because messages are not authenticated. No principal outside the own accounts
// may receive, because Flowkeeper does not get a message that another one receives; and it must not
// deny that to us.
func Judge(text, queueARN string, known Sources) Verdict {
	if text == "" {
		return Verdict{Fail, "the queue has no policy, so that no rule can send to it", ""}
	}
	p, err := readPolicy(text)
	if err != nil {
		return Verdict{Unknown, "can't tell: the policy can't be read: " + err.Error(), ""}
	}
	v := p.judgeSenders(queueARN, known)
	for _, x := range []Verdict{p.judgeReceivers(queueARN, []string{partsOf(queueARN).AccountID, known.Self}), p.judgeOwn(queueARN, known)} {
		switch {
		case rank(x.Status) > rank(v.Status):
			v = x
		case x.Status == Fail:
			v.Text += "; " + x.Text
		}
	}
	return v
}

// readStatements names the statements that a person has to read.
func readStatements(statements []string, why string) Verdict {
	slices.Sort(statements)
	return Verdict{Unknown, "can't tell: read " + alert.Clean(strings.Join(slices.Compact(statements), " and "), 200) + " of the queue's policy: " + why,
		"compare it with deploy/queue-policy.json, all statements of which are judged"}
}

// rank orders statuses: of several the one with the highest rank counts.
func rank(s Status) int { return slices.Index([]Status{OK, Unknown, Warn, Fail}, s) }

// partsOf parses an ARN. All parts are empty if the text is none.
func partsOf(text string) arn.ARN {
	parts, _ := arn.Parse(text)
	return parts
}
