package term_test

import (
	"fmt"
	"os"

	"flowkeeper/internal/term"
)

func ExampleOutput_Table() {
	out := term.Output{Stdout: os.Stdout, Stderr: os.Stderr, Columns: 40, Terminal: true}
	t := out.Table(term.Whole("FLOW LOG"), term.Whole("REGION").OrDrop(1), term.CutTo(12, "STATE"))
	for _, row := range [][]any{
		{"fl-000000a1", "eu-west-1", "live"},
		{"fl-000000b2", "us-east-1", "gone 5 min ago: released"},
	} {
		t.Add(nil, row...)
	}
	t.Flush()
	if err := out.Flush(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// FLOW LOG     REGION     STATE
	// fl-000000a1  eu-west-1  live
	// fl-000000b2  us-east-1  gone 5 min ago:…
}
