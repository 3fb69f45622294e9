package inventory

import (
	"fmt"
	"testing"
)

func TestRecipientOf(t *testing.T) {
	t.Parallel()
	for destination, want := range map[string]struct {
		recipient Recipient
		approval  string
	}{
		"arn:aws:s3:::b":                                   {"s3:::b", "arn:aws:s3:::b"},
		"arn:aws:s3:::b/some/$(prefix)":                    {"s3:::b", "arn:aws:s3:::b"},
		"arn:aws-cn:s3:::b/x":                              {"s3:::b", "arn:aws-cn:s3:::b"},
		"arn:aws:logs:eu-west-1:1:log-group:/vpc/a":        {"account:1", "arn:aws:logs:eu-west-1:1:log-group:/vpc/a"},
		"arn:aws:logs:eu-west-1:1:log-group:`reboot`":      {"account:1", ""},
		"arn:aws:firehose:eu-west-1:2:deliverystream/flow": {"account:2", "arn:aws:firehose:eu-west-1:2:deliverystream/flow"},
		"arn:aws:new:::thing":                              {"arn:aws:new:::thing", "arn:aws:new:::thing"},
		"b":                                                {"b", ""},
		"":                                                 {"", ""},
	} {
		t.Run(fmt.Sprintf("%q", destination), func(t *testing.T) {
			t.Parallel()
			if got := RecipientOf(destination); got != want.recipient {
				t.Errorf("%q", got)
			}
			if got := ApprovalOf(destination); got != want.approval {
				t.Errorf("%q", got)
			}
		})
	}
}
