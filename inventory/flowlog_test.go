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
