// Package python gives tests a Python with pinned packages.
package python
