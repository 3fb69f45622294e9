package scopes

import (
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// plainBodies hides from net/http that the SDK's request bodies can write
// themselves (io.WriterTo). Asked to once the answer has begun, they return
// io.EOF (smithy-go 1.28.8, safeWriteToReadCloser), which net/http takes for a
// broken connection: it closes it, and the answer, of a call that had its
// effect, is lost. The nearer the server, the more often.
type plainBodies struct{ inner aws.HTTPClient }

// Do implements aws.HTTPClient.
func (c plainBodies) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return c.inner.Do(r)
}
