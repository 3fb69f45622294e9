package inventory

import (
	"fmt"
	"reflect"
	"testing"
)

// TestDigestsStay: digests are those of earlier versions. Otherwise the digests in state files would not match, and a
// refresh would write every row again.
func TestDigestsStay(t *testing.T) {
	t.Parallel()
	all := FlowLog{Settings: Settings{
		ResourceID: "vpc-1", TrafficType: "ALL", LogDestinationType: "s3", LogDestination: "arn:aws:s3:::logs/ü<&>\u2028\"\\\x7f", LogGroupName: "/vpc",
		DeliverLogsPermissionARN: "arn:aws:iam::111122223333:role/flow-logs", DeliverCrossAccountRole: "arn:aws:iam::222233334444:role/far",
		LogFormat: "${version} ${account-id}", MaxAggregationInterval: 600,
		DestinationOptions:     &DestinationOptions{FileFormat: "parquet", HiveCompatiblePartitions: true},
		TagFieldSpecifications: []TagFieldSpecification{{"vpc", []string{"Name", "team"}}},
		Tags:                   map[string]string{"Name": "a b", "team": "sec\xff"},
	}}
	failing := all
	failing.DeliverLogsStatus = "FAILED"
	for want, f := range map[string]FlowLog{
		"ab33cb2499b3cf673ea11a30d90bb664": all,
		"aa33cb2499b3cf673ea11a30d90bb664": failing,
		"d06eeff6ac6de3552b185555a7430191": {Settings: Settings{ResourceID: "vpc-1"}},
	} {
		if got := fmt.Sprintf("%x", f.Digest()); got != want {
			t.Errorf("the digest of %+v is %s, want %s", f.Settings, got, want)
		}
	}
}

// TestEverySettingIsInTheDigest: no setting can be changed without a refresh noticing.
func TestEverySettingIsInTheDigest(t *testing.T) {
	t.Parallel()
	everyField(t, func(s *Settings) any { return s })
	everyField(t, func(s *Settings) any { s.DestinationOptions = &DestinationOptions{}; return s.DestinationOptions })
	everyField(t, func(s *Settings) any {
		s.TagFieldSpecifications = make([]TagFieldSpecification, 1)
		return &s.TagFieldSpecifications[0]
	})
}

// everyField sets each field of a part of the settings in turn: the digest must change.
func everyField(t *testing.T, part func(*Settings) any) {
	for f := range reflect.TypeOf(part(&Settings{})).Elem().Fields() {
		before, s := Settings{ResourceID: "vpc-1"}, Settings{ResourceID: "vpc-1"}
		part(&before)
		v := reflect.ValueOf(part(&s)).Elem().FieldByIndex(f.Index)
		switch v.Kind() {
		case reflect.Bool:
			v.SetBool(true)
		case reflect.String:
			v.SetString("x")
		case reflect.Int32:
			v.SetInt(1)
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		case reflect.Map:
			v.Set(reflect.ValueOf(map[string]string{"x": ""}))
		default:
			t.Fatalf("%s is a %s: say here how it is set", f.Name, v.Kind())
		}
		if (FlowLog{Settings: s}).Digest() == (FlowLog{Settings: before}).Digest() {
			t.Errorf("%s is not in the digest", f.Name)
		}
	}
}
