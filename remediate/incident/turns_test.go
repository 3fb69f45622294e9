package incident

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestPick(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		due   Due[string]
		turns Turns
		want  []string
	}{
		"nothing":                             {Due[string]{}, Turns{Creates: 5, Retries: 1, Tags: 1, Others: 5}, nil},
		"all have room":                       {Due[string]{FirstTry: {"f"}, TriedBefore: {"a"}, LackingTags: {"t"}, NotPending: {"b"}, OfUnknown: {"u"}}, Turns{Creates: 5, Retries: 1, Tags: 1, Others: 5}, []string{"f", "a", "t", "b", "u"}},
		"retries keep their places":           {Due[string]{FirstTry: {"f1", "f2", "f3"}, TriedBefore: {"a1", "a2"}}, Turns{Creates: 3, Retries: 1}, []string{"f1", "f2", "a1"}},
		"retries have what is left free":      {Due[string]{FirstTry: {"f1"}, TriedBefore: {"a1", "a2", "a3"}}, Turns{Creates: 3, Retries: 1}, []string{"f1", "a1", "a2"}},
		"no retry is due":                     {Due[string]{FirstTry: {"f1", "f2", "f3"}}, Turns{Creates: 2, Retries: 1}, []string{"f1", "f2"}},
		"more retries than creates":           {Due[string]{FirstTry: {"f1"}, TriedBefore: {"a1", "a2"}}, Turns{Creates: 1, Retries: 2}, []string{"a1", "a2"}},
		"the pace allows none":                {Due[string]{FirstTry: {"f1"}, TriedBefore: {"a1"}, NotPending: {"b"}}, Turns{Creates: -1, Others: 1}, []string{"b"}},
		"unknown ones have what others leave": {Due[string]{NotPending: {"b1", "b2"}, OfUnknown: {"u1", "u2"}}, Turns{Others: 3}, []string{"b1", "b2", "u1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tt.due.Pick(tt.turns); !slices.Equal(got, tt.want) {
				t.Errorf("it takes up %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTurnClassOf(t *testing.T) {
	t.Parallel()
	tags := map[string]string{"team": "net"}
	for name, tt := range map[string]struct {
		i    Incident
		want TurnClass
	}{
		"new":                       {Incident{State: Open, Known: true}, FirstTry},
		"new, requested":            {Incident{State: Open, Known: true, Requested: true}, FirstTry},
		"tried":                     {Incident{State: Open, Known: true, Tried: 1}, TriedBefore},
		"shown alive":               {Incident{State: Open, Known: true, TimesAlive: 1}, TriedBefore},
		"blocked":                   {Incident{State: Blocked, Known: true}, TriedBefore},
		"its call is in doubt":      {Incident{State: Open, Known: true, Call: &SentCall{Token: "T"}}, FirstTry},
		"restored":                  {Incident{State: Restored, Known: true, Tried: 1}, NotPending},
		"restored, and lacks tags":  {Incident{State: Restored, Known: true, MissingTags: tags}, LackingTags},
		"AWS has refused its tags":  {Incident{State: Restored, Known: true, MissingTags: tags, Attempts: 1}, NotPending},
		"verified, with tags noted": {Incident{State: Verified, Known: true, MissingTags: tags}, NotPending},
		"closed":                    {Incident{State: Closed, Known: true}, NotPending},
		"unknown":                   {Incident{State: Open}, OfUnknown},
		"unknown, tried":            {Incident{State: Open, Tried: 1}, OfUnknown},
		"unknown, and over":         {Incident{State: Closed}, OfUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := TurnClassOf(tt.i); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestPastTurns(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		i    Incident
		want int
	}{
		"new":                    {Incident{}, 0},
		"tried":                  {Incident{Tried: 2, Attempts: 1}, 2},
		"shown alive":            {Incident{TimesAlive: 3}, 3},
		"tried, and shown alive": {Incident{Tried: 1, TimesAlive: 1}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := PastTurns(tt.i); got != tt.want {
				t.Errorf("%d, want %d", got, tt.want)
			}
		})
	}
}

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
