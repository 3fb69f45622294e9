package localstack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// CreateLogGroup makes a CloudWatch log group. It sends the request itself, because one call is not worth a
// module. LocalStack reads account and Region from the scope of the signature, and does not check the
// signature.
func (i *Instance) CreateLogGroup(ctx context.Context, account, region, name string) error {
	body, err := json.Marshal(map[string]string{"logGroupName": name})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, i.Endpoint, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "Logs_20140328.CreateLogGroup")
	req.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/20260101/%s/logs/aws4_request, SignedHeaders=host, Signature=0", account, region))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("create log group %s: %w", name, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // for the error only
		return fmt.Errorf("create log group %s: %s: %s", name, resp.Status, text)
	}
	return nil
}
