package remediate_test

import (
	"net/http"
	"testing"
)

// TestEachObservationTakesAToken: the pace counts each DescribeFlowLogs call of a restore, except the one after a create
// that was refused because of a flow log on the resource: with many decoys, first attempts would wait for tokens.
func TestEachObservationTakesAToken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		flowLogs int
		refuse   func(*scene)
		free     int // calls without a token
	}{
		"the create succeeds":      {1, func(*scene) {}, 0},
		"a shared create succeeds": {2, func(*scene) {}, 0},
		"FlowLogAlreadyExists":     {1, func(s *scene) { s.world.Fail("CreateFlowLogs", 1, "FlowLogAlreadyExists", http.StatusBadRequest) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ids := protected(t, c.flowLogs)
			c.refuse(s)
			calls, before := s.answering(&calls{}), s.r.DescribesLeft(scope)
			s.attackAndReconcile(ids...)
			if taken, sent := before-s.r.DescribesLeft(scope), int(calls.describes.Load()); taken != sent-c.free || sent == c.free {
				t.Errorf("%d tokens were taken for %d calls", taken, sent)
			}
		})
	}
}
