package incident

import (
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
		"all have room":                       {Due[string]{First: []string{"f"}, Again: []string{"a"}, Tags: []string{"t"}, Back: []string{"b"}, Unknown: []string{"u"}}, Turns{Creates: 5, Retries: 1, Tags: 1, Others: 5}, []string{"f", "a", "t", "b", "u"}},
		"retries keep their places":           {Due[string]{First: []string{"f1", "f2", "f3"}, Again: []string{"a1", "a2"}}, Turns{Creates: 3, Retries: 1}, []string{"f1", "f2", "a1"}},
		"retries have what is left free":      {Due[string]{First: []string{"f1"}, Again: []string{"a1", "a2", "a3"}}, Turns{Creates: 3, Retries: 1}, []string{"f1", "a1", "a2"}},
		"no retry is due":                     {Due[string]{First: []string{"f1", "f2", "f3"}}, Turns{Creates: 2, Retries: 1}, []string{"f1", "f2"}},
		"more retries than creates":           {Due[string]{First: []string{"f1"}, Again: []string{"a1", "a2"}}, Turns{Creates: 1, Retries: 2}, []string{"a1", "a2"}},
		"the pace allows none":                {Due[string]{First: []string{"f1"}, Again: []string{"a1"}, Back: []string{"b"}}, Turns{Creates: -1, Others: 1}, []string{"b"}},
		"unknown ones have what others leave": {Due[string]{Back: []string{"b1", "b2"}, Unknown: []string{"u1", "u2"}}, Turns{Others: 3}, []string{"b1", "b2", "u1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tt.due.Pick(tt.turns); !slices.Equal(got, tt.want) {
				t.Errorf("it takes up %q, want %q", got, tt.want)
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
