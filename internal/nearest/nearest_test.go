package nearest

import "testing"

func TestWord(t *testing.T) {
	t.Parallel()
	words := []string{"account", "json", "limit", "region", "since", "state"}
	for wrong, want := range map[string]string{
		"jsn": "json", "JSON": "json", "statee": "state", "accuont": "account", "regoin": "region", "colour": "", "x": "", "": "",
	} {
		t.Run(wrong, func(t *testing.T) {
			t.Parallel()
			if got := Word(wrong, words); got != want {
				t.Errorf("%q instead of %q", got, want)
			}
		})
	}
}
