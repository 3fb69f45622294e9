// Teeth shows that the simulation notices broken promises: it breaks one promise
// of Flowkeeper at a time, by a patch that is laid over the sources at build time,
// and expects the simulation to fail each time.
//
// Each patch names its file and the text that it replaces (teeth.go), so a change
// of that text must change the patch, too. Nothing in the work tree is written.
package main
