package notify_test

import (
	"slices"
	"testing"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

func TestActorFacts(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	p := incident.Policy{Rules: []incident.Rule{{Principal: "arn:aws:iam::111122223333:user/deploy", Action: incident.Wait}}}
	for name, tt := range map[string]struct {
		actor *alert.Actor
		want  []string
	}{
		"nobody is known":        {nil, nil},
		"root with MFA":          {&alert.Actor{Type: "Root", MFA: &yes}, []string{alert.ByRoot}},
		"root without MFA":       {&alert.Actor{Type: "Root", MFA: &no}, []string{alert.ByRoot, alert.NoMFA}},
		"a user with MFA":        {&alert.Actor{Type: "IAMUser", MFA: &yes}, nil},
		"a user without MFA":     {&alert.Actor{Type: "IAMUser", MFA: &no}, []string{alert.NoMFA}},
		"a long-term access key": {&alert.Actor{Type: "IAMUser", AccessKeyID: "AKIAIOSFODNN7EXAMPLE"}, []string{alert.NoMFA}},
		"a session of a role":    {&alert.Actor{Type: "AssumedRole", MFA: &no}, nil},
		"a rule names the user":  {&alert.Actor{Type: "IAMUser", MFA: &no, ARN: "arn:aws:iam::111122223333:user/deploy"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := notify.ActorFacts(p, scope.Account, tt.actor); !slices.Equal(got, tt.want) {
				t.Errorf("the facts are %q, want %q", got, tt.want)
			}
		})
	}
}
