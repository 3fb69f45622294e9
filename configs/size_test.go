package configs

import "testing"

func TestSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Size{"1GiB": 1 << 30, "64MiB": 64 << 20, "1536KiB": 1536 << 10, "5B": 5, "0B": 0} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			if got, ok := parseSize(text); !ok || got != want || got.String() != text {
				t.Errorf("%d, %v, written as %s; want %d", got, ok, got, want)
			}
		})
	}
	for _, text := range []string{"", "GiB", "1", "1GB", "-1MiB", "1.5GiB", "010MiB", "1 GiB", "99999999999GiB"} {
		if got, ok := parseSize(text); ok {
			t.Errorf("%q is read as %d, want an error", text, got)
		}
	}
}
