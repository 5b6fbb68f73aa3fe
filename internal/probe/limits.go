package probe

import (
	"cmp"
	"time"
)

// Limits bound what one look may take. Zero fields have defaults.
type Limits struct {
	DNS        time.Duration
	Connect    time.Duration // with one address
	ConnectAll time.Duration // with all addresses of a name together
	TLS        time.Duration
	HTTP       time.Duration // header and body together
	Total      time.Duration
	Header     int // bytes of the answer's header
	Body       int // bytes of the body that are looked at
}

const (
	// leastConnect is what an address gets at least, however many there are.
	leastConnect = time.Second
	// dnsTries is how often the time for the DNS is enough for a server that does
	// not answer.
	dnsTries = 3
	// mostDialled is how many addresses of a name are tried.
	mostDialled = 8
	// mostAddresses is how many addresses of a name are noted.
	mostAddresses = 64
)

func (l Limits) orDefault() Limits {
	return Limits{
		DNS:        cmp.Or(l.DNS, 3*time.Second),
		Connect:    cmp.Or(l.Connect, 3*time.Second),
		ConnectAll: cmp.Or(l.ConnectAll, 5*time.Second),
		TLS:        cmp.Or(l.TLS, 5*time.Second),
		HTTP:       cmp.Or(l.HTTP, 5*time.Second),
		Total:      cmp.Or(l.Total, 10*time.Second),
		Header:     cmp.Or(l.Header, 64<<10),
		Body:       cmp.Or(l.Body, 64<<10),
	}
}
