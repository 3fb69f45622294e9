package roff_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowkeeper/test/roff"
)

// TestPage: roff takes nothing in a text for one of its requests.
func TestPage(t *testing.T) {
	t.Parallel()
	p := roff.New("a-b", 5, "tells of x", "hand")
	p.Section("words")
	p.Words(".first 'second' `--bold` back\\slash")
	p.Words("again…")
	p.Verbatim(".x", "  - y")
	p.Term("`t` \"q\"", ".means")
	p.SeeAlso("c(1)", "d-e(5)")
	want := `.\" Written by hand: don't edit.
.TH A\-B 5 "" "" Flowkeeper
.SH NAME
a\-b \- tells of x
.SH WORDS
\&.first \(aqsecond\(aq \fB\-\-bold\fR back\eslash
.PP
again...
.PP
.RS 4
.EX
\&.x
  \- y
.EE
.RE
.TP
\fBt\fR \(dqq\(dq
\&.means
.SH SEE ALSO
.BR c (1),
.BR d\-e (5)
`
	if d := cmp.Diff(want, p.String()); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
