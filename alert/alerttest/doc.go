// Package alerttest has the alerts and the foreign texts for the tests of package alert and
// of its sinks. Only tests import it. It keeps no state: each function makes a new value.
package alerttest
