package detection

import "flowkeeper/internal/cloudtrail"

// RuleOf is the rule that a record falls under, whatever it names; false
// where it falls under none. The same question, asked of the Sigma files, has
// the same answer (test/sigma), but where AWS answered with 200 and did nothing of
// what was asked: the files can't see inside an answer.
func RuleOf(r cloudtrail.Record) (Rule, bool) {
	if r.EventSource == cloudtrail.EC2 {
		f, ok := Judge(r)
		switch {
		case ok && f.Kind == Created:
			return ruleOf(createdFile), true
		case ok && (f.Kind == Deleted || f.Kind == Attempted):
			return f.Rule, true
		}
		return Rule{}, false
	}
	if r.ErrorCode != "" {
		return Rule{}, false
	}
	return tamperRule(r.EventSource, r.EventName)
}
