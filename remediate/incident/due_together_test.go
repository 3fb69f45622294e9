package incident

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestWithSharing(t *testing.T) {
	t.Parallel()
	alone := func(id string) Incident { return Incident{FlowLogID: id, State: Open, Known: true} }
	shares := func(id, token string) Incident {
		return Incident{FlowLogID: id, State: Open, Known: true, Call: &SentCall{Token: token}}
	}
	stored := map[string][]Incident{
		SentCalls + "a": {shares("fl-a1", "a"), shares("fl-a2", "a"), shares("fl-a3", "a")},
		SentCalls + "b": {shares("fl-b1", "b")},
	}
	for name, c := range map[string]struct {
		turns []Incident
		most  int
		want  []string
		asked []string // keys, with the limit
	}{
		"none is due":           {nil, 9, nil, nil},
		"none shares":           {[]Incident{alone("fl-1"), alone("fl-2")}, 1, []string{"fl-1", "fl-2"}, nil},
		"one brings the others": {[]Incident{alone("fl-1"), shares("fl-a2", "a")}, 9, []string{"fl-1", "fl-a1", "fl-a2", "fl-a3"}, []string{SentCalls + "a 8"}},
		"a call is read once":   {[]Incident{shares("fl-a1", "a"), shares("fl-a3", "a")}, 9, []string{"fl-a1", "fl-a2", "fl-a3"}, []string{SentCalls + "a 9"}},
		"two calls":             {[]Incident{shares("fl-a1", "a"), shares("fl-b1", "b")}, 9, []string{"fl-a1", "fl-a2", "fl-a3", "fl-b1"}, []string{SentCalls + "a 9", SentCalls + "b 6"}},
		"no further call":       {[]Incident{shares("fl-a1", "a"), shares("fl-b1", "b"), alone("fl-1")}, 3, []string{"fl-a1", "fl-a2", "fl-a3", "fl-1"}, []string{SentCalls + "a 3"}},
		"it is not read itself": {[]Incident{shares("fl-b9", "b")}, 9, []string{"fl-b1", "fl-b9"}, []string{SentCalls + "b 9"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked []string
			due, err := WithSharing(c.turns, c.most, func(key string, limit int) ([]Incident, error) {
				asked = append(asked, fmt.Sprint(key, " ", limit))
				return stored[key][:min(limit, len(stored[key]))], nil
			})
			var ids []string
			for _, i := range due {
				ids = append(ids, i.FlowLogID)
			}
			if err != nil || !slices.Equal(ids, c.want) || !slices.Equal(asked, c.asked) {
				t.Errorf("%v, %v; asked %q", ids, err, asked)
			}
		})
	}
	t.Run("what can't be read is an error", func(t *testing.T) {
		t.Parallel()
		unreadable := errors.New("damaged")
		_, err := WithSharing([]Incident{shares("fl-a1", "a")}, 9, func(string, int) ([]Incident, error) { return nil, unreadable })
		if !errors.Is(err, unreadable) {
			t.Error(err)
		}
	})
}
