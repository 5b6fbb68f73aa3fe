package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// healthcheckTimeout is less than what container engines give a health check.
const healthcheckTimeout = 2 * time.Second

// healthcheck asks a program that runs beside this one, at the address where it
// listens, whether it is ready. The error says why it is not, in its own words.
// It is for images that have nothing else to ask with.
func healthcheck(ctx context.Context, listen string) error {
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listen+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	defer resp.Body.Close()
	const most = 4 << 10
	text, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("health check: not ready: %s", strings.TrimSpace(string(text)))
	}
	return nil
}
