package remediate_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"flowkeeper/internal/fakeaws"
)

// TestFirstAttemptsGoByTheAgeOfTheLineage: when the pace allows few creates, a replacement
// comes as early as its root would; and what delivers to a later destination comes last,
// however old it is by then.
func TestFirstAttemptsGoByTheAgeOfTheLineage(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	unlike := func(n int) func(*fakeaws.FlowLog) {
		return func(f *fakeaws.FlowLog) { f.LogFormat = fmt.Sprintf("${version} %d", n) }
	}
	old := s.plant("vpc-old", unlike(1))
	s.refresh()
	s.sleep(time.Hour)
	s.world.AddDestination("arn:aws:s3:::later")
	late := s.plant("vpc-late", func(f *fakeaws.FlowLog) { unlike(2)(f); f.LogDestination = "arn:aws:s3:::later" })
	s.refresh()
	_, err := s.r.Approve(t.Context(), []string{"arn:aws:s3:::later"})
	s.must(err)
	s.sleep(time.Hour)
	young := s.plant("vpc-young", unlike(3))
	s.refresh()
	s.sleep(time.Hour)
	s.hear(s.attack(old))
	s.pass(20 * time.Minute)
	replacement := s.here("vpc-old")[0].ID
	before := s.creates()
	s.r.Parallel = func(_ int, tasks ...func() error) (err error) {
		for _, task := range tasks { // in their order
			err = errors.Join(err, task())
		}
		return err
	}
	s.hear(s.attack(late, young, replacement))
	s.pass(time.Minute)
	var order []string
	for _, c := range s.world.Calls("CreateFlowLogs")[before:] {
		order = append(order, c.Form.Get("ResourceId.1"))
	}
	if got := fmt.Sprint(order); got != "[vpc-old vpc-young vpc-late]" {
		t.Errorf("created in this order: %s", got)
	}
}
