package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// do sends r until there is an answer, and decodes that of success into out.
//
// No answer, 429 and 503 are tried again: a read changes nothing, and a write has
// an idempotency key. A request that has none and must not be carried out twice
// is repeated only when it was not carried out, see again. The waits grow from a
// tenth of a second, or are what Retry-After says; a wait that does not fit into
// the client's patience ends it at once. The error is an *Error, that of the last
// try.
func (c *Client) do(ctx context.Context, r *request, out any) error {
	if r.refusal != nil {
		return r.refusal
	}
	bounded, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	var last *Error
	body, err := backoff.Retry(ctx, func() ([]byte, error) {
		var body []byte
		if body, last = c.try(bounded, r); last == nil {
			return body, nil
		}
		return nil, again(r, last)
	}, backoff.WithBackOff(waits()), backoff.WithMaxTries(c.tries), backoff.WithMaxElapsedTime(c.patience))
	if err == nil {
		last = c.decode(r, body, out)
	} else if cause := context.Cause(ctx); cause != nil && last.Status == 0 {
		last = noAnswer(cause)
	} else if cause != nil {
		last.cause = cause
	}
	if last == nil {
		return nil
	}
	last.IdempotencyKey = r.header.Get(headerIdempotencyKey)
	return last
}

func waits() backoff.BackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = 100 * time.Millisecond
	b.Multiplier = 2
	b.MaxInterval = 2 * time.Second
	return b
}

// again returns err as the retry loop wants it: permanent, with the wait that
// the server asked for, or as it is. Of a server that is starting or asked too
// often it is known that it did nothing.
func again(r *request, err *Error) error {
	switch {
	case err.Untrusted():
		return backoff.Permanent(err)
	case err.Status == http.StatusTooManyRequests, err.Code == CodeStarting:
	case r.once && !err.Unsent():
		return backoff.Permanent(err)
	case err.Code == CodeNoAnswer, err.Status == http.StatusServiceUnavailable:
	default:
		return backoff.Permanent(err)
	}
	if err.RetryAfter > 0 {
		return &backoff.RetryAfterError{Duration: err.RetryAfter}
	}
	return err
}

// try sends r once and returns the body of success.
func (c *Client) try(ctx context.Context, r *request) ([]byte, *Error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	address := c.base + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, address, bytes.NewReader(r.body))
	if err != nil {
		return nil, refused(CodeMalformed, "", err.Error())
	}
	req.Header = r.header.Clone()
	req.Header.Set("Accept", "application/json, "+problemType)
	c.sign(req)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, noAnswer(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.maxAnswer+1))
	switch {
	case err != nil:
		return nil, noAnswer(fmt.Errorf("the answer broke off: %w", err))
	case int64(len(body)) > c.maxAnswer:
		e := unexpected(resp, nil)
		e.Detail = fmt.Sprintf("the answer is larger than %d bytes", c.maxAnswer)
		return nil, e
	case resp.StatusCode/100 != 2:
		return nil, problemOf(resp, body)
	case !json.Valid(body):
		return nil, unexpected(resp, body)
	}
	return body, nil
}

// sign says who asks.
func (c *Client) sign(req *http.Request) {
	req.Header.Set("User-Agent", c.userAgent)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
}

// decode reads the body of a success. Fields that this client does not know are
// left out: the API may grow.
func (c *Client) decode(r *request, body []byte, out any) *Error {
	if err := json.Unmarshal(body, out); err != nil {
		return &Error{Type: "about:blank", Title: "Unexpected answer", Code: CodeUnexpected, Detail: "the answer is not one of this API: " + err.Error(), cause: err}
	}
	if r.keep != nil {
		r.keep.Write(body)
	}
	return nil
}

// retryAfter reads the header of that name: seconds, or a time.
func retryAfter(text string) time.Duration {
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}
