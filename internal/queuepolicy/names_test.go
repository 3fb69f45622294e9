package queuepolicy

import (
	"slices"
	"testing"
)

// TestRules: Rules returns the rules that a condition lets send: by an Allow that names them, or by a Deny that spares
// them.
func TestRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		effect, operator, arn string
		want                  []string
	}{
		{"Allow", "ArnEquals", ruleARN, []string{ruleARN}},
		{"Allow", "ForAnyValue:StringLike", ruleARN, []string{ruleARN}},
		{"Allow", "ArnLikeIfExists", ruleARN, []string{ruleARN}},
		{"Deny", "ArnNotEquals", ruleARN, []string{ruleARN}},
		{"Deny", "ArnEquals", ruleARN, nil},
		{"Allow", "ArnNotEquals", ruleARN, nil},
		{"Allow", "ArnEquals", topicARN, nil},
	} {
		policy := `{"Statement":{"Effect":"` + c.effect + `","Principal":"*","Action":"sqs:SendMessage","Resource":"*","Condition":{"` + c.operator + `":{"aws:SourceArn":"` + c.arn + `"}}}}`
		t.Run(c.effect+" "+c.operator+" "+c.arn, func(t *testing.T) {
			if got := Rules(policy); !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	odd := `{"Statement":[{"Principal":"me"},{"Effect":"Allow","Principal":"*","Condition":{"ArnEquals":{"aws:SourceArn":"` + ruleARN + `"}}}]}`
	if got := Rules(odd); !slices.Equal(got, []string{ruleARN}) {
		t.Errorf("%q, though only the first statement can't be read", got)
	}
	if got := Rules("{"); got != nil {
		t.Errorf("%q from a text that is no policy", got)
	}
}
