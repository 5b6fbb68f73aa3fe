package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

func text(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error {
		*field(c) = v
		return nil
	}
}

func required(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error {
		if v == "" {
			return errors.New("is empty")
		}
		*field(c) = v
		return nil
	}
}

func boolean(field func(*Config) *bool) func(*Config, string) error {
	return func(c *Config, v string) error {
		b, err := strconv.ParseBool(v)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", v)
		}
		*field(c) = b
		return nil
	}
}

func oneOf(field func(*Config) *string, values ...string) func(*Config, string) error {
	return func(c *Config, v string) error {
		if !slices.Contains(values, v) {
			return fmt.Errorf("%q is none of %s", v, strings.Join(values, ", "))
		}
		*field(c) = v
		return nil
	}
}

// listenAddress takes where HTTP listens. Beyond loopback callers need tokens,
// which only the roles with the API know; whether there are any is found out
// when the program starts.
func listenAddress(c *Config, v string) error {
	if c.Role != Serve && c.Role != API {
		return loopback(func(c *Config) *string { return &c.Listen })(c, v)
	}
	if _, err := hostPort(v); err != nil {
		return err
	}
	c.Listen = v
	return nil
}

// loopback takes HOST:PORT where HOST is this machine alone: callers are not
// told apart there.
func loopback(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error {
		if v == "" {
			return nil
		}
		host, err := hostPort(v)
		if err != nil {
			return err
		}
		if !isLoopback(host) {
			return fmt.Errorf("%q is not a loopback address; use 127.0.0.1, ::1 or localhost", v)
		}
		*field(c) = v
		return nil
	}
}

func hostPort(v string) (host string, err error) {
	host, port, err := net.SplitHostPort(v)
	if err != nil {
		return "", fmt.Errorf("%q is not HOST:PORT", v)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("%q: the port is not a number up to 65535", v)
	}
	return host, nil
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// resolver takes the address of a DNS server. A name would have to be resolved
// first.
func resolver(c *Config, v string) error {
	if v == "" {
		return nil
	}
	if ip, err := netip.ParseAddr(v); err == nil {
		c.ProbeResolver = netip.AddrPortFrom(ip, 53).String()
		return nil
	}
	at, err := netip.ParseAddrPort(v)
	if err != nil || at.Port() == 0 {
		return fmt.Errorf("%q is neither an IP address nor one with a port", v)
	}
	c.ProbeResolver = at.String()
	return nil
}

// list takes texts that are separated by commas.
func list(field func(*Config) *[]string) func(*Config, string) error {
	return func(c *Config, v string) error {
		*field(c) = nil
		for one := range strings.SplitSeq(v, ",") {
			if one = strings.TrimSpace(one); one != "" {
				*field(c) = append(*field(c), one)
			}
		}
		return nil
	}
}

// count takes a whole number above zero.
func count(field func(*Config) *int) func(*Config, string) error {
	return func(c *Config, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is not a whole number above zero", v)
		}
		*field(c) = n
		return nil
	}
}

// readable takes the path of a file that must be readable.
func readable(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error {
		if v == "" {
			return nil
		}
		f, err := os.Open(v)
		if err != nil {
			return err
		}
		*field(c) = v
		return f.Close()
	}
}

func size(field func(*Config) *int64) func(*Config, string) error {
	return func(c *Config, v string) error {
		n, err := humanize.ParseBytes(v)
		if err != nil || n > 1<<62 {
			return fmt.Errorf("%q is not a size such as 512MiB or 8GiB", v)
		}
		if n < minSize {
			return fmt.Errorf("%q is too little; at least %s", v, bytesText(minSize))
		}
		*field(c) = int64(n) // #nosec G115 -- checked above
		return nil
	}
}

// minSize leaves room for a few of the largest events.
const minSize = 1 << 20

func bytesText(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

func duration(c *Config, v string) error {
	d, err := time.ParseDuration(v)
	if err != nil || d <= 0 {
		return fmt.Errorf("%q is not a time such as 10s", v)
	}
	c.ShutdownTimeout = d
	return nil
}

// interval takes the time between two probes.
func interval(c *Config, v string) error {
	d, err := time.ParseDuration(v)
	if err != nil || d < time.Second || d > time.Hour {
		return fmt.Errorf("%q is not a time from 1s to 1h", v)
	}
	c.ProbeInterval = d
	return nil
}

func level(c *Config, v string) error {
	if err := c.LogLevel.UnmarshalText([]byte(v)); err != nil {
		return fmt.Errorf("%q is none of debug, info, warn, error", v)
	}
	if !slices.Contains([]slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}, c.LogLevel) {
		return fmt.Errorf("%q is none of debug, info, warn, error", v)
	}
	return nil
}

func replicas(c *Config, v string) error {
	n, err := strconv.Atoi(v)
	if err != nil || (n != 1 && n != 3 && n != 5) {
		return fmt.Errorf("%q is none of 1, 3, 5", v)
	}
	c.Replicas = n
	return nil
}

func databaseURL(c *Config, v string) error {
	scheme, rest, _ := strings.Cut(v, ":")
	switch {
	case v == "" && c.Role == Serve:
		return nil // follows the data directory, see Load
	case v == "":
		return errors.New("is needed: sqlite:PATH or postgres://USER@HOST/DATABASE")
	case scheme == "sqlite" && rest != "":
	case scheme == "postgres" || scheme == "postgresql":
		if _, err := url.Parse(v); err != nil {
			return errors.New("is not a valid postgres:// URL") // the text may hold a password
		}
	default:
		return errors.New("must start with sqlite: or postgres://")
	}
	c.DatabaseURL = v
	return nil
}

func natsURL(c *Config, v string) error {
	for one := range strings.SplitSeq(v, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil || u.Host == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) {
			return errors.New("must be nats://HOST:PORT, tls://, ws:// or wss://, several separated by commas")
		}
	}
	c.NATS.URL = v
	return nil
}

var placeholder = regexp.MustCompile(`\{[^}]*\}?`)

func adminURL(c *Config, v string) error {
	for _, p := range placeholder.FindAllString(v, -1) {
		if !slices.Contains([]string{"{hostname}", "{port}", "{address}"}, p) {
			return fmt.Errorf("%s is none of {hostname}, {port}, {address}", p)
		}
	}
	plain := placeholder.ReplaceAllString(v, "1")
	u, err := url.Parse(plain)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return fmt.Errorf("%q is not an http or https URL", v)
	}
	c.AdminURL = v
	return nil
}
