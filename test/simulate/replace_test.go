package simulate

import "testing"

// TestNobodyMakesTheSameReplacementTwice: if two replacements are to make the same flow log, only one makes it,
// whether AWS allows doubles or not. Else a double would not prove that a daemon is wrong.
func TestNobodyMakesTheSameReplacementTwice(t *testing.T) {
	t.Parallel()
	for name, allowed := range map[string]bool{"AWS refuses doubles": false, "AWS allows doubles": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlay(7, t.TempDir(), 1, false)
			defer p.end()
			p.allowsDoubles = allowed
			p.world.AllowDuplicates(allowed)
			old := p.replaceable(p.terraform)[0]
			create := p.wanted[targetOf(old)]
			create.TrafficType = "ACCEPT"
			for range 2 {
				p.unfinished = append(p.unfinished, replacing{by: p.terraform, remove: []target{targetOf(old)}, create: create})
			}
			for len(p.unfinished) > 0 {
				p.finish()
			}
			made := 0
			for _, f := range p.here() {
				if targetOf(f) == targetOf(create) {
					made++
				}
			}
			if made != 1 {
				t.Errorf("%d flow logs at %v, want 1", made, targetOf(create))
			}
		})
	}
}
