// Teeth shows that the simulation notices broken promises. It breaks one promise of Flowkeeper at a time, with a patch of
// the sources that only the build sees (go test -overlay), and expects the simulation to fail.
//
// Each patch names a file and the text that it replaces (teeth.go). Whoever changes that text must change the patch, too.
// Nothing in the work tree is written.
package main
