package replay

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"flowkeeper/internal/recordsource"
)

// manyFiles writes more files than are read at the same time, with one deletion each.
func manyFiles(t *testing.T) (names []string) {
	t.Helper()
	dir := t.TempDir()
	for n := range 3 * readers {
		name := filepath.Join(dir, fmt.Sprintf("%02d.json", n))
		record := fmt.Sprintf(`{"eventVersion":"1.10","eventID":"e-%d","eventTime":"2026-03-01T12:00:00Z","eventType":"AwsApiCall","eventCategory":"Management",`+
			`"managementEvent":true,"eventSource":"ec2.amazonaws.com","eventName":"DeleteFlowLogs","awsRegion":"eu-west-1","recipientAccountId":"111122223333",`+
			`"requestParameters":{"DeleteFlowLogsRequest":{"FlowLogId":{"tag":1,"content":"fl-%d"}}},"responseElements":{"DeleteFlowLogsResponse":{"unsuccessful":""}}}`, n, n)
		if err := os.WriteFile(name, []byte(record), 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

// TestReadIsInOrder: the results come in the order of the files. If a file is missing, its error comes in its place.
func TestReadIsInOrder(t *testing.T) {
	t.Parallel()
	names := manyFiles(t)
	missing := filepath.Join(t.TempDir(), "missing.json")
	names = slices.Insert(names, 5, missing)
	r := &Reader{Finder: &recordsource.Finder{}, Raw: true}
	var got []string
	for x := range r.Read(t.Context(), names) {
		if (x.Err != nil) != (x.Where == missing) || (x.Err == nil) != (len(x.Raw) > 0) {
			t.Errorf("%s%s: error %v and %d bytes; want an error for the missing file only, and bytes for all others", x.File, x.Where, x.Err, len(x.Raw))
		}
		if n := r.Findings + r.Unread; n != len(got)+1 {
			t.Errorf("%d results are counted with result %d", n, len(got)+1)
		}
		got = append(got, x.File+x.Where)
	}
	if !slices.Equal(got, names) {
		t.Errorf("%q", got)
	}
}

// TestReadEnds: once the loop over the results or ctx has ended, no more files are read.
func TestReadEnds(t *testing.T) {
	t.Parallel()
	names := manyFiles(t)
	for name, goOn := range map[string]func(cancel func()) bool{
		"by the loop": func(func()) bool { return false },
		"by ctx":      func(cancel func()) bool { cancel(); return true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r := &Reader{Finder: &recordsource.Finder{}}
			for range r.Read(ctx, names) {
				if !goOn(cancel) {
					break
				}
			}
			if files := r.Files.Load(); r.Findings != 1 || int(files) == len(names) {
				t.Errorf("%d findings, want one; %d of %d files were read, want fewer", r.Findings, files, len(names))
			}
		})
	}
}
