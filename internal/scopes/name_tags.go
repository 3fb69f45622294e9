package scopes

import "flowkeeper/inventory"

// Tags returns the client of a scope that tags are asked of: the same as EC2's, with the same
// verified credentials (I13).
func (f *Fleet) Tags(s inventory.Scope) (inventory.TagDescriber, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	c, ok := f.clients[s]
	return c, ok
}
