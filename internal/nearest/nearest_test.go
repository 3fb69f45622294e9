package nearest

import (
	"fmt"
	"slices"
	"testing"
)

func TestID(t *testing.T) {
	t.Parallel()
	ids := []string{"vpc-0123456789abcdef0", "vpc-0123456789abcdef7", "vpc-0aaaaaaaaaaaaaaaa", "vpc-0bbbbbbbb"}
	for wrong, want := range map[string]string{
		"vpc-0aaaaaaaaaaaaaaab": "vpc-0aaaaaaaaaaaaaaaa", // one character is wrong
		"vpc-0bbbb":             "vpc-0bbbbbbbb",         // the end is missing
		"vpc-0123456789abc":     "",                      // two IDs begin so
		"vpc-0aaaaaaaaaaaaabbb": "",                      // too many characters are wrong
		"":                      "",
	} {
		t.Run(fmt.Sprintf("%q", wrong), func(t *testing.T) {
			t.Parallel()
			if got := ID(wrong, ids); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	known := []string{"approve", "export", "import", "list"}
	for wrong, want := range map[string][]string{
		"ixport": {"export", "import"}, "exprt": {"export"}, "Lst": {"list"}, "frobnicate": nil, "": nil,
	} {
		t.Run(fmt.Sprintf("%q", wrong), func(t *testing.T) {
			t.Parallel()
			if got := Words(wrong, known); !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

func TestWord(t *testing.T) {
	t.Parallel()
	words := []string{"account", "json", "limit", "region", "since", "sink", "state"}
	for wrong, want := range map[string]string{
		"jsn": "json", "JSON": "json", "statee": "state", "accuont": "account", "regoin": "region", "kind": "", "jsno": "json", "snik": "sink", "ision": "", "colour": "", "x": "", "": "",
	} {
		t.Run(wrong, func(t *testing.T) {
			t.Parallel()
			if got := Word(wrong, words); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}
