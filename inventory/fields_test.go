package inventory

import (
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Every field that AWS describes is copied into FlowLog or dropped for a reason: when the SDK
// has a new one, it must be added to one of the lists (docs/aws.md, "Describing flow logs").
func TestEveryDescribedFieldIsClassified(t *testing.T) {
	t.Parallel()
	classified := map[string]map[string]string{
		"FlowLog": {
			"CreationTime": "copied: when an adopted one was made", "DeliverCrossAccountRole": "copied",
			"DeliverLogsErrorMessage": "copied: advice", "DeliverLogsPermissionArn": "copied", "DeliverLogsStatus": "copied: verification",
			"DestinationOptions": "copied", "FlowLogId": "copied", "FlowLogStatus": "copied: equivalence asks for ACTIVE",
			"LogDestination": "copied", "LogDestinationType": "copied", "LogFormat": "copied", "LogGroupName": "copied",
			"MaxAggregationInterval": "copied", "ResourceId": "copied", "TagFieldSpecifications": "copied", "Tags": "copied", "TrafficType": "copied",
		},
		"DestinationOptionsResponse":    {"FileFormat": "copied", "HiveCompatiblePartitions": "copied", "PerHourPartition": "copied"},
		"TagFieldSpecificationResponse": {"ResourceType": "copied", "TagKeys": "copied"},
	}
	for _, typ := range []reflect.Type{
		reflect.TypeFor[types.FlowLog](), reflect.TypeFor[types.DestinationOptionsResponse](), reflect.TypeFor[types.TagFieldSpecificationResponse](),
	} {
		known := classified[typ.Name()]
		for f := range fieldsOf(typ) {
			if known[f] == "" {
				t.Errorf("types.%s has a new field %s: copy it, or say here why not", typ.Name(), f)
			}
			delete(known, f)
		}
		for f := range known {
			t.Errorf("types.%s has no field %s any more", typ.Name(), f)
		}
	}
}

func fieldsOf(typ reflect.Type) map[string]bool {
	out := map[string]bool{}
	for f := range typ.Fields() {
		if f.IsExported() {
			out[f.Name] = true
		}
	}
	return out
}
