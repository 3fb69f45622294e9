package daemon

// alertSenders are the senders of all sinks: for code that adds alerts to the outbox, and for a sender that must wake
// the others. It is safe for concurrent use.
type alertSenders struct{ d *Daemon }

// Wake has every sender read the outbox again, which may have new alerts. It never blocks.
func (s alertSenders) Wake() {
	for _, one := range s.d.senders {
		one.Wake()
	}
}

// sinkTries counts the tries to send to sinks, and makes each one a task that the watchdog sees. It implements
// sink.Tries.
type sinkTries struct{ d *Daemon }

// Begin notes that a try begins, and returns the function that notes its end.
func (t sinkTries) Begin(name string) (ended func(error)) {
	done := t.d.progress.Task("alert "+name, maxSilence)
	return func(err error) {
		done()
		t.d.meters.Tried(name, err)
	}
}
