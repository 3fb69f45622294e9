package logfile_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"runtime"
	"testing"

	"flowkeeper/internal/logfile"
)

// large returns a log file that inflates to the given number of megabytes, with one record that may matter.
func large(t *testing.T, megabytes int) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := io.WriteString(z, `{"Records":[`+deletion)
	record := []byte("," + other)
	for n := 0; err == nil && n < megabytes<<20; n += len(record) {
		_, err = z.Write(record)
	}
	if err == nil {
		_, err = io.WriteString(z, "]}")
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestScanNeedsTheSameMemoryForAnyFile: all that Scan allocates for a file is at most 1 MiB, however large the file is.
// The test is not parallel, because it counts the allocations of the whole process.
func TestScanNeedsTheSameMemoryForAnyFile(t *testing.T) {
	for _, megabytes := range []int{1, 48} {
		file := large(t, megabytes)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		found := 0
		sum, err := logfile.Scan(bytes.NewReader(file), logfile.Limits{}, func([]byte) error { found++; return nil })
		runtime.ReadMemStats(&after)
		if err != nil || found != 1 || sum.Inflated < int64(megabytes)<<20 {
			t.Fatalf("%d, %+v, %v", found, sum, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("allocated %d bytes for a file of %d MB, want 1 MiB at most", n, megabytes)
		}
	}
}
