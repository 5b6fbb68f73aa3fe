// Package client owns the Go client of the HTTP API and of the bus: typed calls
// for enterprises, peers, trusted servers and tokens, the commands of the bus for
// both ways, refusals as errors, and retries that cannot do anything twice.
//
// It imports nothing else of the project, so that any program may use it; the
// command line is one of them. What a Client sends arrives at internal/httpapi,
// what a Bus sends at internal/bus. See Commander for what they have in common.
package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// The defaults of New.
const (
	// DefaultTimeout bounds one try; the server gives up on its own before that.
	DefaultTimeout = 15 * time.Second
	// DefaultPatience bounds all tries of one call together with the waits in
	// between.
	DefaultPatience = 20 * time.Second
	// DefaultTries is how often a call is tried.
	DefaultTries = 4

	maxAnswer = 32 << 20
	maxIdle   = 90 * time.Second

	dialTimeout = 5 * time.Second
)

// Client talks to one server. It is safe for concurrent use. Every error of a
// call is an *Error.
type Client struct {
	base      string // scheme, host and path prefix, without a trailing slash
	http      *http.Client
	token     string
	userAgent string
	timeout   time.Duration
	patience  time.Duration
	tries     uint
	maxAnswer int64
	rootCAs   []byte // PEM; nil: those of the system
}

// Option changes how a Client works.
type Option func(*Client)

// WithToken sends a bearer token with every request.
func WithToken(token string) Option { return func(c *Client) { c.token = token } }

// WithRootCAs trusts the certificates of a PEM text, and no others, to sign that
// of the server: for a server whose certificate comes from a private authority.
// New refuses a text without any.
func WithRootCAs(pem []byte) Option { return func(c *Client) { c.rootCAs = pem } }

// WithTransport replaces the HTTP transport, also what WithRootCAs says. Redirects are not followed
// whatever the transport is, so that a token stays with the server it is for.
func WithTransport(t http.RoundTripper) Option {
	return func(c *Client) { c.http.Transport = t }
}

// WithUserAgent names the calling program.
func WithUserAgent(name string) Option { return func(c *Client) { c.userAgent = name } }

// WithTimeout bounds one try, from the dial to the last byte of the answer.
func WithTimeout(d time.Duration) Option { return func(c *Client) { c.timeout = d } }

// WithRetries bounds how often a call is tried, and for how long with the waits
// in between. One try means: no repetition.
func WithRetries(tries uint, patience time.Duration) Option {
	return func(c *Client) { c.tries, c.patience = tries, patience }
}

// New returns a client of the server at an http or https URL, such as
// http://127.0.0.1:8080. Nothing is sent yet. An error says what is wrong with
// the URL, the certificates, the token or the user agent.
func New(server string, opts ...Option) (*Client, error) {
	base, err := parseServer(server)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     maxIdle,
		TLSHandshakeTimeout: dialTimeout,
	}
	c := &Client{
		base: base, userAgent: "peering-client", maxAnswer: maxAnswer,
		timeout: DefaultTimeout, patience: DefaultPatience, tries: DefaultTries,
		http: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	for _, o := range opts {
		o(c)
	}
	c.tries = max(c.tries, 1)
	if c.rootCAs != nil {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(c.rootCAs) {
			return nil, errors.New("client: there is no certificate in the PEM text")
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	if !httpguts.ValidHeaderFieldValue(c.token) || !httpguts.ValidHeaderFieldValue(c.userAgent) {
		return nil, errors.New("client: the token and the user agent must not contain control characters")
	}
	return c, nil
}

func parseServer(server string) (string, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", fmt.Errorf("client: server %q: not a URL", server)
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return "", fmt.Errorf("client: server %q: must be an http or https URL, such as http://127.0.0.1:8080", server)
	case u.User != nil:
		return "", errors.New("client: the server's URL must not contain a user or password")
	case u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("client: server %q: must not have a query or a fragment", server)
	}
	return strings.TrimRight(u.Scheme+"://"+u.Host+u.EscapedPath(), "/"), nil
}

// CloseIdle closes the connections that nobody uses at the moment. The client
// can still be used.
func (c *Client) CloseIdle() { c.http.CloseIdleConnections() }
