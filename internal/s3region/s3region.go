package s3region

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Region is the Region of one bucket, if S3 has named it; otherwise it is the client's. The zero
// Region is ready to use. It is safe for concurrent use, and must not be copied after its first use.
type Region struct{ name atomic.Pointer[string] }

// Call makes a call of an S3 client, such as client.GetObject, in Region r. If S3 names another
// Region, it makes the call once more there.
func Call[In, Out any](ctx context.Context, r *Region, do func(context.Context, *In, ...func(*s3.Options)) (*Out, error), in *In) (*Out, error) {
	asked := r.name.Load()
	out, err := do(ctx, in, option(asked))
	there := redirect(err)
	if there == "" || asked != nil && *asked == there {
		return out, err
	}
	r.name.Store(&there)
	return do(ctx, in, option(&there))
}

func option(region *string) func(*s3.Options) {
	return func(o *s3.Options) {
		if region != nil {
			o.Region = *region
		}
	}
}

// redirect returns the Region that S3 names in an error; empty: none.
func redirect(err error) string {
	r, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || r.Response == nil {
		return ""
	}
	switch r.HTTPStatusCode() {
	case http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusBadRequest:
		return r.Response.Header.Get("X-Amz-Bucket-Region")
	}
	return ""
}
