package remediate_test

import (
	"net/http"
	"testing"
)

// TestEachObservationTakesAToken: the pace counts each DescribeFlowLogs call of a restore, also the one after a create
// that was refused because of a flow log on the resource. Otherwise more calls would be sent than AWS allows.
func TestEachObservationTakesAToken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		flowLogs int
		refuse   func(*scene)
	}{
		"the create succeeds":      {1, func(*scene) {}},
		"a shared create succeeds": {2, func(*scene) {}},
		"FlowLogAlreadyExists":     {1, func(s *scene) { s.world.Fail("CreateFlowLogs", 1, "FlowLogAlreadyExists", http.StatusBadRequest) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ids := protected(t, c.flowLogs)
			c.refuse(s)
			calls, before := s.answering(&calls{}), s.r.DescribesLeft(scope)
			s.attackAndReconcile(ids...)
			if taken, sent := before-s.r.DescribesLeft(scope), int(calls.describes.Load()); taken != sent || sent == 0 {
				t.Errorf("%d tokens were taken for %d calls", taken, sent)
			}
		})
	}
}
