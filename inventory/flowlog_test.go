package inventory_test

import (
	"testing"

	"flowkeeper/inventory"
)

func TestRoleOfSession(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ arn, want string }{
		"a session":             {"arn:aws:sts::111122223333:assumed-role/flowkeeper/i-0123456789a", "arn:aws:iam::111122223333:role/flowkeeper"},
		"of another partition":  {"arn:aws-cn:sts::111122223333:assumed-role/flowkeeper/i-0a", "arn:aws-cn:iam::111122223333:role/flowkeeper"},
		"named like a role":     {"arn:aws:sts::111122223333:assumed-role/mallory/role/flowkeeper", "arn:aws:iam::111122223333:role/mallory"},
		"a role, with its path": {"arn:aws:iam::111122223333:role/of/teams/flowkeeper", "arn:aws:iam::111122223333:role/of/teams/flowkeeper"},
		"a user":                {"arn:aws:iam::111122223333:user/x/flowkeeper", "arn:aws:iam::111122223333:user/x/flowkeeper"},
		"a federated user":      {"arn:aws:sts::111122223333:federated-user/bob", "arn:aws:sts::111122223333:federated-user/bob"},
		"of a service not STS":  {"arn:aws:iam::111122223333:assumed-role/flowkeeper/i-0a", "arn:aws:iam::111122223333:assumed-role/flowkeeper/i-0a"},
		"no ARN":                {"assumed-role/flowkeeper/i-0a", "assumed-role/flowkeeper/i-0a"},
		"nothing":               {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := inventory.RoleOfSession(c.arn); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestDeliveryOutageOfARow: OwesNews says whether an alert about the row's delivery is due, OwesDeliveryEnd
// whether the outage of deliveries goes on because of the row.
func TestDeliveryOutageOfARow(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		state                       inventory.State
		protected, failing, alerted bool
		owes, goesOn                bool
	}{
		"it delivers":                     {inventory.Live, true, false, false, false, false},
		"it fails":                        {inventory.Live, true, true, false, true, false},
		"it fails, and that was alerted":  {inventory.Live, true, true, true, false, true},
		"it works again":                  {inventory.Live, true, false, true, true, true},
		"it fails, and is not protected":  {inventory.Live, false, true, false, false, false},
		"it is not protected any more":    {inventory.Live, false, true, true, false, false},
		"it is gone, and failed at last":  {inventory.Gone, true, true, true, false, false},
		"it is gone, and had worked then": {inventory.Gone, true, false, true, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := inventory.Row{State: tt.state, Protected: tt.protected, FailingAlerted: tt.alerted}
			if tt.failing {
				r.DeliverLogsStatus = "FAILED"
			}
			if r.OwesNews() != tt.owes || r.OwesDeliveryEnd() != tt.goesOn {
				t.Errorf("owes news %v, goes on %v; want %v, %v", r.OwesNews(), r.OwesDeliveryEnd(), tt.owes, tt.goesOn)
			}
		})
	}
}
