package daemon

import (
	"testing"
	"testing/synctest"
	"time"

	"flowkeeper/inventory"
)

// TestARefreshThatHasEndedDoesNotHang: it may end in the very moment in which its
// time is over. A scope that seems to hang counts for nothing until its next refresh.
func TestARefreshThatHasEndedDoesNotHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inventory.Scope{Account: "111122223333", Region: "eu-west-1"}
		r := &refreshes{slots: make(chan struct{}, 1), scopes: map[inventory.Scope]*scopeRefreshes{}}
		st := r.state(s)
		release, ok := r.occupy(t.Context(), s)
		if !ok {
			t.Fatal("no slot")
		}
		r.mu.Lock()
		time.Sleep(slotPatience) // the timer fires, and waits for mu
		st.timer = nil           // as release does
		r.mu.Unlock()
		release()
		synctest.Wait()
		if st.hangs {
			t.Error("it hangs, and has ended")
		}
		if release, ok = r.occupy(t.Context(), s); !ok {
			t.Fatal("its slot is not free")
		}
		time.Sleep(slotPatience)
		synctest.Wait()
		if !st.hangs || len(r.slots) != 0 {
			t.Error("one without an answer does not hang, or keeps its slot")
		}
		release()
	})
}
