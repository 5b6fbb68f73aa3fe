package domain

// This file stands for uptime.go, presence_check.go and presence_fix.go until
// those are merged.

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/peering/peering/internal/events"
)

// Drift.
const (
	CauseNameDrift    = "name_drift"
	CauseAddressDrift = "address_drift"
)

// MaxWindows is into how many windows one report may be cut.
const MaxWindows = 400

// StatusPeriod is a time during which a peer had one status. To is exclusive.
// A gap between periods is time in which the peer did not exist.
type StatusPeriod struct {
	From, To time.Time
	Status   events.Status
}

// Window is a time from From to before To.
type Window struct{ From, To time.Time }

// cut is the part of w inside o. It may be empty, or end before it begins.
func (w Window) cut(o Window) Window {
	if w.From.Before(o.From) {
		w.From = o.From
	}
	if w.To.After(o.To) {
		w.To = o.To
	}
	return w
}

func (w Window) length() time.Duration { return max(0, w.To.Sub(w.From)) }

// Uptime is how long a peer was what. The sum is how long it existed.
type Uptime struct {
	Up, Degraded, Down time.Duration
	Unknown            time.Duration
	Disabled           time.Duration // or not probed by its nature: N/A
	Maintenance        time.Duration // of whatever status but Disabled
}

// Ratio is the part of the time in which the peer answered, of the time in
// which it is known whether it did and it mattered: maintenance, unknown and
// disabled are left out. known is false when nothing is left.
func (u Uptime) Ratio() (ratio float64, known bool) {
	answered := u.Up + u.Degraded
	if answered+u.Down == 0 {
		return 0, false
	}
	return float64(answered) / float64(answered+u.Down), true
}

// Measure adds up the periods within one window. They are in order and do not
// overlap. The times of maintenance may be in any order and may overlap.
func Measure(periods []StatusPeriod, maintenance []Window, within Window) Uptime {
	planned := merge(maintenance)
	var u Uptime
	for _, p := range periods {
		w := Window{p.From, p.To}.cut(within)
		if w.length() == 0 {
			continue
		}
		for len(planned) > 0 && !planned[0].To.After(w.From) {
			planned = planned[1:]
		}
		bucket := u.bucket(p.Status)
		*bucket += w.length()
		if bucket == &u.Disabled {
			continue
		}
		for _, m := range planned {
			if !m.From.Before(w.To) {
				break
			}
			d := m.cut(w).length()
			*bucket -= d
			u.Maintenance += d
		}
	}
	return u
}

func (u *Uptime) bucket(s events.Status) *time.Duration {
	switch s {
	case events.StatusUp:
		return &u.Up
	case events.StatusDegraded:
		return &u.Degraded
	case events.StatusDown:
		return &u.Down
	case events.StatusDisabled, events.StatusNA:
		return &u.Disabled
	default:
		return &u.Unknown
	}
}

// merge returns windows in order and without overlaps, empty ones left out.
func merge(windows []Window) []Window {
	sorted := slices.DeleteFunc(slices.Clone(windows), func(w Window) bool { return w.length() == 0 })
	slices.SortFunc(sorted, func(a, b Window) int { return a.From.Compare(b.From) })
	merged := sorted[:0]
	for _, w := range sorted {
		last := len(merged) - 1
		switch {
		case last < 0 || w.From.After(merged[last].To):
			merged = append(merged, w)
		case w.To.After(merged[last].To):
			merged[last].To = w.To
		}
	}
	return merged
}

// Windows cuts a time into its days, its weeks from Monday on, or its months,
// all in UTC; the first and the last are cut at its ends. The error is an
// *Error: another unit, an end before the start, or more than MaxWindows.
func Windows(by string, within Window) ([]Window, error) {
	start, next, known := calendar(by)
	switch {
	case !known:
		return nil, invalid("by", `must be "day", "week" or "month"`)
	case !within.To.After(within.From):
		return nil, invalid("to", "the end must be after the start")
	}
	var list []Window
	for from := start(within.From.UTC()); from.Before(within.To); {
		if len(list) == MaxWindows {
			return nil, invalid("from", "a report has at most %d windows: shorten the time or make the windows longer", MaxWindows)
		}
		to := next(from)
		list = append(list, Window{from, to}.cut(Window{within.From.UTC(), within.To.UTC()}))
		from = to
	}
	return list, nil
}

// calendar returns how to find the start of a unit from a time in it, and that
// of the next one from the start.
func calendar(by string) (start, next func(time.Time) time.Time, known bool) {
	switch by {
	case "day":
		return midnight, func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }, true
	case "week":
		return func(t time.Time) time.Time {
			sinceMonday := (int(t.Weekday()) + 6) % 7
			return midnight(t).AddDate(0, 0, -sinceMonday)
		}, func(t time.Time) time.Time { return t.AddDate(0, 0, 7) }, true
	case "month":
		return func(t time.Time) time.Time {
			return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
		}, func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }, true
	}
	return nil, nil, false
}

func midnight(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

// The results of a step of the presence check.
const (
	CheckOK      = "ok"
	CheckFailed  = "failed"
	CheckUnknown = "unknown" // not found out, or not applicable to an external peer
)

// probeMaxAge is how old a probe may be and still tell how things are.
const probeMaxAge = 5 * time.Minute

// PresenceFacts is what is known of the way of presence to one peer.
type PresenceFacts struct {
	Now time.Time

	// The enterprise and its local server.
	Enterprise     events.EnterpriseID
	Deployment     events.Deployment
	LocalHostname  string
	LocalAddress   string // may be empty
	LocalVersion   string // "" not known
	Type           events.PeerType
	Enabled        bool
	DisabledBy     string // who disabled it; may be empty
	Hostname       string
	PeerEnterprise events.EnterpriseID // on the other server
	PeerVersion    string              // detected or entered; "" not known

	// Host is what the trusted entry of the peer has to name (Peer.Host), and
	// TrustedHost what it names; "" when there is none.
	Host        string
	TrustedHost string

	// Probe is the latest probe of the peer under its present configuration.
	// Without one, NotProbed says why, as half a sentence; it may be empty.
	Probe     *events.Sample
	NotProbed string

	Other OtherSide
}

// OtherSide is what is known of the entry that the other server has for this
// enterprise. Where it is not known (another deployment, or an enterprise that
// whoever asks may not see), the rest is not looked at.
type OtherSide struct {
	Known       bool
	Exists      bool   // the enterprise on the other server
	HasPeer     bool   // it has a peer for this enterprise
	Enabled     bool   // which is enabled
	TrustedHost string // what the trusted entry of that peer names
}

// PresenceStep is one line of the checklist. Evidence and Fix are sentences for
// an administrator; there is a fix unless the result is ok.
type PresenceStep struct {
	Step, Result, Evidence, Fix string
}

// CheckPresence answers why the presence of a peer does not show: always all of
// platform, enabled, trusted_entry, dns, connect, tls, versions and other_side,
// in the order in which they are worth repairing. A layer behind one that
// failed was not tried, which makes it unknown; an old probe is evidence but
// makes its layers unknown. An answer that is no sound HTTP fails at versions,
// where it would have been read. Of an external peer all but platform and
// enabled is unknown: its presence comes through a gateway that is not looked at.
func CheckPresence(f PresenceFacts) []PresenceStep {
	list := []PresenceStep{f.platform(), f.enabled()}
	if f.Type == events.PeerExternal {
		for _, name := range [...]string{"trusted_entry", "dns", "connect", "tls", "versions", "other_side"} {
			list = append(list, PresenceStep{
				name, CheckUnknown, "Does not apply: an external peer is reached through a gateway and is not probed.",
				"Look at the gateway that connects to the external server.",
			})
		}
		return list
	}
	return append(list, f.trustedEntry(),
		f.layer(events.LayerDNS), f.layer(events.LayerConnect), f.layer(events.LayerTLS),
		f.versions(), f.otherSide())
}

func (f PresenceFacts) platform() PresenceStep {
	const name = "platform"
	switch f.Deployment {
	case events.DeploymentMiCloudGCP:
		return PresenceStep{
			name, CheckFailed, "The local server is on MiCloud Flex, where peering is not supported.",
			"Host the enterprise on a server of the deployment standard.",
		}
	case events.DeploymentStandard:
		return PresenceStep{name, CheckOK, "The local server supports peering.", ""}
	}
	return PresenceStep{
		name, CheckUnknown, "It is not known on what platform the local server is.",
		"Set the deployment of the enterprise's server.",
	}
}

func (f PresenceFacts) enabled() PresenceStep {
	if f.Enabled {
		return PresenceStep{"enabled", CheckOK, "The peer is enabled.", ""}
	}
	return PresenceStep{"enabled", CheckFailed, "The peer is disabled" + f.byWhom() + ".", "Enable the peer."}
}

func (f PresenceFacts) byWhom() string {
	if f.DisabledBy == "" {
		return ""
	}
	return ", by " + f.DisabledBy
}

func (f PresenceFacts) trustedEntry() PresenceStep {
	const name = "trusted_entry"
	switch {
	case !f.Enabled:
		return PresenceStep{
			name, CheckFailed, "The trusted entry is withdrawn while the peer is disabled" + f.byWhom() + ".",
			"Enable the peer: that restores its trusted entry.",
		}
	case f.TrustedHost == "":
		return PresenceStep{
			name, CheckFailed, "The peer has no trusted entry.",
			"Disable the peer and enable it again: that restores its trusted entry.",
		}
	case f.TrustedHost != f.Host:
		return PresenceStep{
			name, CheckFailed, fmt.Sprintf("The trusted entry names %s, but the peer connects from %s.", f.TrustedHost, f.Host),
			"Set the address of the peer to where it connects from: its trusted entry follows.",
		}
	}
	if p := f.Probe; f.fresh() && p.OK && (p.Cause.Code == CauseAddressDrift || p.Cause.Code == CauseNameDrift) {
		return PresenceStep{
			name, CheckFailed, f.said(p.Cause.Message),
			"Set the address of the peer to where its server is now, or let it follow the hostname.",
		}
	}
	return PresenceStep{name, CheckOK, fmt.Sprintf("The trusted entry names %s, as the peer does.", f.TrustedHost), ""}
}

// layer tells what the latest probe found on one layer.
func (f PresenceFacts) layer(name string) PresenceStep {
	const again = "Probe the peer now."
	switch {
	case !f.Enabled:
		return PresenceStep{name, CheckUnknown, "Not tried: the peer is disabled.", "Enable the peer."}
	case f.Probe == nil:
		return PresenceStep{name, CheckUnknown, sentence("not tried: " + cmp.Or(f.NotProbed, "the peer was not probed yet")), again}
	}
	step, found := f.step(name)
	switch {
	case !found && f.broken(name) != "":
		return PresenceStep{
			name, CheckUnknown, f.said(fmt.Sprintf("not tried: the probe ended at the layer %s", f.broken(name))),
			"Repair what the probe ended at first.",
		}
	case !found:
		return PresenceStep{name, CheckUnknown, f.said("the latest probe says nothing of the layer " + name), again}
	case !f.fresh():
		return PresenceStep{name, CheckUnknown, f.said(step.Message), again}
	case !step.OK:
		return PresenceStep{name, CheckFailed, f.said(step.Message), fixFor(step)}
	}
	message := step.Message
	if c := f.Probe.Cause; f.Probe.OK && c.Layer == name {
		message += "; " + c.Message
	}
	return PresenceStep{name, CheckOK, f.said(message), ""}
}

// step finds what the probe says of a layer. That policy kept the probe from
// connecting is said of the connect layer.
func (f PresenceFacts) step(layer string) (events.Step, bool) {
	about := func(layer string) func(events.Step) bool {
		return func(s events.Step) bool { return s.Layer == layer }
	}
	at := slices.IndexFunc(f.Probe.Steps, about(layer))
	if at < 0 && layer == events.LayerConnect {
		at = slices.IndexFunc(f.Probe.Steps, about(events.LayerPolicy))
	}
	if at < 0 {
		return events.Step{}, false
	}
	return f.Probe.Steps[at], true
}

// broken is the layer that the probe failed at, "" for none but this one.
func (f PresenceFacts) broken(besides string) string {
	for _, s := range f.Probe.Steps {
		if !s.OK && s.Layer != besides {
			return s.Layer
		}
	}
	return ""
}

func (f PresenceFacts) versions() PresenceStep {
	const name = "versions"
	if f.Enabled && f.fresh() {
		if http, found := f.step(events.LayerHTTP); found && !http.OK {
			return PresenceStep{name, CheckFailed, f.said(http.Message), fixFor(http)}
		}
	}
	upn := UPNPresence(f.LocalVersion, f.PeerVersion)
	switch upn.Value {
	case UPNYes:
		return PresenceStep{name, CheckOK, sentence(upn.Reason), ""}
	case UPNNo:
		return PresenceStep{
			name, CheckFailed, sentence(upn.Reason + ": the presence of users whose login ID is a UPN is not visible"),
			"Upgrade what is older to " + upnVersion + " or later.",
		}
	}
	return PresenceStep{name, CheckUnknown, sentence(upn.Reason), "Enter the version, or make it readable to the probe."}
}

func (f PresenceFacts) otherSide() PresenceStep {
	const name = "other_side"
	o := f.Other
	failed := func(evidence, fix string, args ...any) PresenceStep {
		return PresenceStep{name, CheckFailed, evidence, fmt.Sprintf(fix, args...)}
	}
	where := fmt.Sprintf("enterprise %s on %s", f.PeerEnterprise, f.Hostname)
	switch {
	case !o.Known:
		return PresenceStep{
			name, CheckUnknown, sentence(where + " cannot be looked up from here"),
			fmt.Sprintf("Ask its administrator whether it has an enabled peer for enterprise %s on %s, trusted under that name.", f.Enterprise, f.LocalHostname),
		}
	case !o.Exists:
		return failed(sentence("there is no "+where), "Correct the enterprise of the peer, or register it there.")
	case !o.HasPeer:
		return failed(sentence(where+" has no peer for this enterprise"), "Add a peer for enterprise %s on %s there.", f.Enterprise, f.LocalHostname)
	case !o.Enabled:
		return failed(sentence(where+" has its peer for this enterprise disabled"), "Enable the peer for enterprise %s there.", f.Enterprise)
	case !f.isLocal(o.TrustedHost):
		return failed(sentence(fmt.Sprintf("%s trusts %s for this enterprise, which is not the local server", where, cmp.Or(o.TrustedHost, "nothing"))),
			"Set the address of the peer there to %s.", cmp.Or(f.LocalAddress, f.LocalHostname))
	}
	return PresenceStep{name, CheckOK, sentence(fmt.Sprintf("%s has an enabled peer for this enterprise and trusts %s", where, o.TrustedHost)), ""}
}

func (f PresenceFacts) isLocal(host string) bool {
	return host != "" && (strings.EqualFold(host, f.LocalHostname) || host == f.LocalAddress)
}

// fresh reports whether there is a probe that tells how things are now.
func (f PresenceFacts) fresh() bool {
	return f.Probe != nil && f.Now.Sub(f.Probe.Started) <= probeMaxAge
}

// said makes a sentence of what the probe found, with its age.
func (f PresenceFacts) said(what string) string {
	return sentence(fmt.Sprintf("%s (%s ago)", strings.TrimSuffix(what, "."), spell(f.Now.Sub(f.Probe.Started))))
}

// fixFor tells what to do about a step of a probe that failed.
func fixFor(s events.Step) string {
	switch s.Layer + "/" + s.Code {
	case "dns/not_found":
		return "Correct the hostname of the peer, or add it to DNS."
	case "connect/refused":
		return "Start the web server of the peer, or correct the port."
	case "tls/expired":
		return "Renew the certificate of the peer."
	case "tls/not_yet_valid":
		return "Correct the clock of the peer, or install a certificate that is valid already."
	case "tls/name_mismatch":
		return "Set the hostname of the peer to a name in its certificate, or install a certificate for it."
	case "tls/untrusted":
		return "Install a certificate of a known authority with its chain, or make the authority known to the prober (PEERING_PROBE_CA_FILE)."
	case "tls/protocol_version":
		return "Let the web server of the peer speak TLS 1.2 or later."
	case "policy/address_refused", "policy/port_refused":
		return "Correct the hostname or port of the peer, or allow them to the prober (PEERING_PROBE_ALLOW)."
	}
	switch s.Layer {
	case events.LayerDNS:
		return "Look at the name servers that the prober uses."
	case events.LayerConnect:
		return "Look at the network and the firewalls between the prober and the peer."
	case events.LayerTLS, events.LayerHTTP:
		return "Look at the web server of the peer and at what stands before it, such as a proxy."
	}
	return "Look at the log of the prober."
}

// spell writes how long something took, in whole units for a person.
func spell(d time.Duration) string {
	d = max(0, d)
	for _, unit := range [...]struct {
		name  string
		long  time.Duration
		below time.Duration
	}{{"second", time.Second, 2 * time.Minute}, {"minute", time.Minute, 2 * time.Hour}, {"hour", time.Hour, 48 * time.Hour}} {
		if d < unit.below {
			return count(int(d/unit.long), unit.name)
		}
	}
	return count(int(d/(24*time.Hour)), "day")
}

func count(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}

// sentence begins s with a capital and ends it with a full stop. A name or an
// address at the beginning stays as it is.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	if word, _, _ := strings.Cut(s, " "); !strings.ContainsAny(word, ".:/") {
		first, size := utf8.DecodeRuneInString(s)
		s = string(unicode.ToUpper(first)) + s[size:]
	}
	return strings.TrimSuffix(s, ".") + "."
}
