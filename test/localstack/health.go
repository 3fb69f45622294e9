package localstack

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// health asks once whether LocalStack answers, and has every service that the tests use: "available" if it is
// not loaded yet, else "running".
func health(ctx context.Context, endpoint string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/_localstack/health", nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	defer resp.Body.Close()
	var answer struct {
		Services map[string]string `json:"services"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return fmt.Errorf("answered %s, but not as LocalStack does: %w", resp.Status, err)
	}
	var missing []string
	for _, s := range services {
		if state := answer.Services[s]; state != "available" && state != "running" {
			missing = append(missing, s)
		}
	}
	if missing != nil {
		return fmt.Errorf("LocalStack answers, but without %s; its SERVICES must hold %s",
			strings.Join(missing, ", "), strings.Join(services, ","))
	}
	return nil
}

// freeAddress is a loopback address that nothing listened on a moment ago.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}
