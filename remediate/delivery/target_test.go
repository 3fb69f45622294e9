package delivery_test

import (
	"fmt"
	"slices"
	"testing"

	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
)

// TestKeyOf: ARNs that name the same resource have the same key.
func TestKeyOf(t *testing.T) {
	t.Parallel()
	for arn, want := range map[string]delivery.ResourceKey{
		"arn:aws:s3:::b":                                       "s3:::b",
		"arn:aws:s3:::b/prefix":                                "s3:::b",
		"arn:aws-cn:logs:cn-north-1:1:log-group:g:*":           "logs:cn-north-1:1:g",
		"arn:aws:logs:eu-west-1:1:log-group:g":                 "logs:eu-west-1:1:g",
		"arn:aws:iam::1:role/of/teams/deliver":                 "iam::1:deliver",
		"arn:aws:events:eu-west-1:1:rule/default/r":            "events:eu-west-1:1:rule/r",
		"arn:aws:events:eu-west-1:1:rule/other/r":              "events:eu-west-1:1:rule/other/r",
		"arn:aws:firehose:eu-west-1:1:deliverystream/flow-log": "firehose:eu-west-1:1:deliverystream/flow-log",
		"arn:aws:s3:::":                                        "",
		"a name":                                               "",
		"":                                                     "",
	} {
		t.Run(fmt.Sprintf("%q", arn), func(t *testing.T) {
			t.Parallel()
			if got := delivery.KeyOf(arn); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

// TestTargetOf: flow logs have different targets if, and only if, their restores depend on
// different things.
func TestTargetOf(t *testing.T) {
	t.Parallel()
	scope := inventory.Scope{Account: "1", Region: "eu-west-1"}
	of := func(s inventory.Settings) delivery.Target {
		return delivery.TargetOf(inventory.FlowLog{Scope: scope, Settings: s})
	}
	plain := inventory.Settings{LogDestinationType: "s3", LogDestination: "arn:aws:s3:::b", DeliverCrossAccountRole: "arn:aws:iam::2:role/there"}
	alike, ecs, tags := plain, plain, plain
	alike.TrafficType, alike.LogFormat = "REJECT", "${version} ${srcaddr}"
	ecs.LogFormat = "${ecs-cluster-arn}"
	tags.TagFieldSpecifications = []inventory.TagFieldSpecification{{ResourceType: "instance"}, {ResourceType: "something-new"}}
	if of(plain) != of(alike) || of(plain).Compare(of(alike)) != 0 {
		t.Errorf("the targets differ: %+v, %+v", of(plain), of(alike))
	}
	if of(plain) == of(ecs) || of(plain).Compare(of(ecs)) == 0 || of(ecs).FieldKinds() != "ECS fields" {
		t.Errorf("the targets are equal, or the kinds of fields are wrong: %+v, %+v", of(plain), of(ecs))
	}
	if got := of(tags); !got.Tags() || got.FieldKinds() != "EC2 tags, other tags" {
		t.Errorf("%+v", got)
	}
	if got, want := of(plain).Keys(), []delivery.ResourceKey{"s3:::b", "iam::2:there"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := of(plain).Use("iam::2:there"); got != delivery.CrossRoleUse {
		t.Errorf("%q", got)
	}
}
