package doctor

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const passRole = "iam:PassRole"

// deliveryServices are those to which a delivery role may be passed: one is enough.
var deliveryServices = []string{"vpc-flow-logs.amazonaws.com", "delivery.logs.amazonaws.com"}

// passRoles judges each delivery role of protected flow logs.
func (a *account) passRoles(ctx context.Context) (out []finding) {
	all, err := a.trials()
	roles := map[string][]trial{}
	for _, t := range all {
		if t.target.Role != "" && t.target.Type != "s3" {
			roles[t.target.Role] = append(roles[t.target.Role], t)
		}
	}
	switch {
	case len(roles) == 0 && err != nil:
		return findings(finding{Skipped, errorText(err), ""})
	case len(roles) == 0:
		return findings(fine("no protected flow log has a delivery role"))
	}
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		out = addNew(out, a.mayPass(ctx, role, roles[role]))
	}
	return out
}

func (a *account) mayPass(ctx context.Context, role string, trials []trial) finding {
	fix := fmt.Sprintf(`allow: {"Effect":"Allow","Action":"iam:PassRole","Resource":%q,"Condition":{"StringEquals":{"iam:PassedToService":["%s"]}}}`, role, strings.Join(deliveryServices, `","`))
	for _, t := range trials {
		if t.lacks == passRole {
			return finding{Fail, "a restore with " + role + " would be refused: " + t.answer.Message, fix}
		}
	}
	var doubt finding
	for _, service := range deliveryServices {
		allowed, f := a.may(ctx, role, question{action: passRole, resources: []string{role}, region: trials[0].region, context: map[string]string{"iam:PassedToService": service}})
		if allowed {
			return fine("%s to %s", role, service)
		}
		doubt = cmp.Or(doubt, f)
	}
	if doubt.status != "" {
		return doubt
	}
	who, _ := a.self() // it was asked about
	return finding{Fail, who + " may not pass " + role + " to log delivery", fix}
}
