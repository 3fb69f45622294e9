// Package configs reads the YAML file of Flowkeeper. It accepts only what it
// knows, and reports all problems of a file together, each with its line, its key
// and the fix.
//
// Load works in this order:
//
//  1. read the file and check each key and the type of each value (walk.go);
//  2. merge the defaults, the file and the FLOWKEEPER_ variables (environment.go, viper);
//  3. read secrets from the files that the configuration names (secrets.go);
//  4. check all values (validate.go, and a file for each section that needs more);
//  5. return a complete Config, or *Problems.
//
// The annotated example flowkeeper.yaml is the source of the manual page and of
// docs/configuration.md; tests compare the three.
//
// The package starts no goroutine and makes no network call. It never prints a
// secret, not even an invalid one (I11).
package configs
