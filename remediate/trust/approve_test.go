package trust

import (
	"reflect"
	"strings"
	"testing"

	"flowkeeper/inventory"
)

func TestHeldFor(t *testing.T) {
	t.Parallel()
	here, there := inventory.Scope{Account: "111122223333", Region: "eu-west-1"}, inventory.Scope{Account: "444455556666", Region: "us-east-1"}
	row := func(id string, s inventory.Scope, destination string) inventory.Row {
		f := inventory.FlowLog{ID: id, Scope: s}
		f.LogDestinationType, f.LogDestination = "s3", "arn:aws:s3:::"+destination
		return inventory.Row{FlowLog: f}
	}
	held := []inventory.Row{row("fl-1", here, "evil/a"), row("fl-2", here, "other"), row("fl-3", there, "evil"), row("fl-4", here, "evil")}
	evil, other, nobody := inventory.RecipientOf("arn:aws:s3:::evil"), inventory.RecipientOf("arn:aws:s3:::other/b"), inventory.RecipientOf("arn:aws:s3:::nobody")
	type ids = map[inventory.Scope][]string
	for name, tt := range map[string]struct {
		recipients []inventory.Recipient
		trusted    inventory.Recipient
		want       ids // nil: an error
	}{
		"all prefixes and scopes":        {[]inventory.Recipient{evil}, "", ids{here: {"fl-1", "fl-4"}, there: {"fl-3"}}},
		"two recipients":                 {[]inventory.Recipient{other, evil}, "", ids{here: {"fl-2", "fl-1", "fl-4"}, there: {"fl-3"}}},
		"trusted, and some are held":     {[]inventory.Recipient{other}, other, ids{here: {"fl-2"}}},
		"trusted before":                 {[]inventory.Recipient{nobody}, nobody, ids{}},
		"nothing delivers there":         {[]inventory.Recipient{nobody}, "", nil},
		"nothing delivers to one of two": {[]inventory.Recipient{evil, nobody}, evil, nil},
		"no recipient":                   {nil, "", ids{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := heldFor(tt.recipients, held, map[inventory.Recipient]bool{tt.trusted: true})
			if refused := err != nil && strings.Contains(err.Error(), nobody.String()) && strings.Contains(err.Error(), "inventory list --held"); refused != (tt.want == nil) || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%v, %v; want %v", got, err, tt.want)
			}
		})
	}
}
