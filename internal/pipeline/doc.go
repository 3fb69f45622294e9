// Package pipeline alerts of what fails on the way of an event, or in a refresh: once when a part
// fails, and once when it works again.
//
// An [Outage] is about one part. The state file remembers its alert, so that the daemon that is
// started next alerts of its end. A [Graded] outage is high or medium, by what it affects. [Places] are
// outages of one kind in many accounts and Regions: a few have an alert each, and one alert stands for
// all others.
//
// The package decides when there is an alert. Its caller decides what is tried, and what counts as a
// failure. Places.Run is one goroutine, which its caller starts; the package starts none.
package pipeline
