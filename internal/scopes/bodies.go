package scopes

import (
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// plainBodies hides from net/http that the SDK's request bodies implement io.WriterTo. If
// net/http calls WriteTo after the answer has begun, the body returns io.EOF (smithy-go
// 1.28.8, safeWriteToReadCloser), net/http closes the connection, and the answer of a call
// that had its effect is lost. That is more frequent the nearer the server is.
type plainBodies struct{ inner aws.HTTPClient }

// Do implements aws.HTTPClient.
func (c plainBodies) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return c.inner.Do(r)
}
