package readmodel

import "strings"

const (
	versionParts  = 6 // the most numbers that a version has
	versionDigits = 9 // the most digits of each
)

// versionKey is a version in a form that sorts as versions do: 9.10 after 9.4,
// and 9.4 beside 9.4.0. It is empty for what is not a version.
func versionKey(s string) string {
	parts := strings.Split(s, ".")
	if len(parts) < 2 || len(parts) > versionParts {
		return ""
	}
	var b strings.Builder
	b.Grow(versionParts * (versionDigits + 1))
	for i := range versionParts {
		part := "0"
		if i < len(parts) {
			part = parts[i]
		}
		if part == "" || len(part) > versionDigits || strings.Trim(part, "0123456789") != "" {
			return ""
		}
		b.WriteString(strings.Repeat("0", versionDigits-len(part)))
		b.WriteString(part)
	}
	return b.String()
}

// upnVersion is the first version at which a server shows the presence of UPNs.
func upnVersion() string { return versionKey("9.4") }

// upnPresence is an expression for the column "UPN presence" of peers, with the
// values yes, no and unknown, for an enterprise whose own server has the version
// local. Both sides have to be at 9.4 or later, so that one that is older is
// enough for a no.
func upnPresence(local string) string {
	const atLeast, older, unknown = "version_key >= '%'", "version_key < '%'", "version_key = ''"
	least := upnVersion()
	expression := "CASE WHEN " + unknown + " THEN 'unknown' WHEN " + atLeast + " THEN 'yes' ELSE 'no' END"
	switch key := versionKey(local); {
	case key == "":
		expression = "CASE WHEN NOT " + unknown + " AND " + older + " THEN 'no' ELSE 'unknown' END"
	case key < least:
		expression = "CASE WHEN " + unknown + " THEN 'no' ELSE 'no' END"
	}
	return strings.ReplaceAll(expression, "%", least) // digits alone
}
