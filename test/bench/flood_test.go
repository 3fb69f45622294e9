package bench_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// BenchmarkFlood: before the message of a true deletion, the queue has records that name ten unknown flow logs
// each. It measures how long it takes until the true deletion is alerted and restored, with the flood and without
// it.
func BenchmarkFlood(b *testing.B) {
	for _, records := range []int{0, 300} {
		b.Run(fmt.Sprint("records=", records), func(b *testing.B) {
			s := newBed(b, 0)
			id := s.plant(1)[0]
			s.about = id
			ctx, stop := context.WithCancel(within(b, 5*time.Minute))
			ready, done := make(chan struct{}), make(chan error, 1)
			go func() { done <- s.flowkeeper(ctx, ready) }()
			<-ready
			forged := make([]string, 0, records)
			for n := range records {
				forged = append(forged, deletionOfUnknown(n))
			}
			began := time.Now()
			for _, body := range forged {
				must(b, s.world.Send(s.queue, body))
			}
			s.world.Remove(account, region, id)
			must(b, s.world.Send(s.queue, deletion(id)))
			restored := s.nthCreate(ctx, 0).Sub(began)
			alerted := s.nextPage(ctx).Sub(began)
			stop()
			must(b, <-done)
			b.Logf("after %d records of %d unknown flow logs each: restored after %.0f ms, alerted after %.0f ms", records, unknownInEach, ms(restored), ms(alerted))
			b.ReportMetric(ms(restored), "ms-restored")
			b.ReportMetric(ms(alerted), "ms-alerted")
			b.ReportMetric(0, "ns/op")
		})
	}
}

const unknownInEach = 10

// deletionOfUnknown is a record that names flow logs that never existed.
func deletionOfUnknown(n int) string {
	items := make([]string, 0, unknownInEach)
	for k := range unknownInEach {
		items = append(items, fmt.Sprintf(`{"tag":%d,"content":"fl-%017x"}`, k+1, 0xf00000000+unknownInEach*n+k))
	}
	body := deletion(fmt.Sprint("unknown-", n))
	return strings.Replace(body, fmt.Sprintf(`{"tag":1,"content":"unknown-%d"}`, n), "["+strings.Join(items, ",")+"]", 1)
}
