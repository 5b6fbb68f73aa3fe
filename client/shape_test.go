package client

import (
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/httpapi"
)

func mustQuery(t *testing.T, uri string) url.Values {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// fields are the names of the JSON of a struct, with what is in its structs.
func fields(t reflect.Type, path string) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || strings.HasPrefix(t.Name(), "Nullable[") || t.PkgPath() == "time" {
		return []string{path}
	}
	var out []string
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" { // its fields are among those of the struct
			out = append(out, fields(f.Type, path)...)
			continue
		}
		if name == "" || name == "-" {
			continue
		}
		inner := f.Type
		if strings.HasPrefix(inner.Name(), "Field[") {
			value, _ := inner.FieldByName("Value")
			inner = value.Type
		}
		out = append(out, fields(inner, path+"."+name)...)
	}
	slices.Sort(out)
	return out
}

// TestTypes_haveTheFieldsOfTheAPI: what the API shows and takes, the client
// knows; neither can grow or lose a field alone.
func TestTypes_haveTheFieldsOfTheAPI(t *testing.T) {
	for _, c := range []struct {
		mine, theirs reflect.Type
		without      []string // what the path says
	}{
		{reflect.TypeFor[Enterprise](), reflect.TypeFor[httpapi.Enterprise](), nil},
		{reflect.TypeFor[Peer](), reflect.TypeFor[httpapi.Peer](), nil},
		{reflect.TypeFor[TrustedServer](), reflect.TypeFor[httpapi.TrustedServer](), nil},
		{reflect.TypeFor[Token](), reflect.TypeFor[httpapi.Token](), nil},
		{reflect.TypeFor[CreatedToken](), reflect.TypeFor[httpapi.NewToken](), nil},
		{reflect.TypeFor[Projection](), reflect.TypeFor[httpapi.Projection](), nil},
		{reflect.TypeFor[Job](), reflect.TypeFor[httpapi.Job](), nil},
		{reflect.TypeFor[DeadEvent](), reflect.TypeFor[httpapi.DeadEvent](), nil},
		{reflect.TypeFor[ParkedCommand](), reflect.TypeFor[httpapi.ParkedCommand](), nil},
		{reflect.TypeFor[BulkReceipt](), reflect.TypeFor[httpapi.BulkReply](), nil},
		{reflect.TypeFor[ProbeResult](), reflect.TypeFor[httpapi.ProbeResult](), nil},
		{reflect.TypeFor[TestResult](), reflect.TypeFor[httpapi.TestResult](), nil},
		{reflect.TypeFor[Sample](), reflect.TypeFor[httpapi.Sample](), nil},
		{reflect.TypeFor[Period](), reflect.TypeFor[httpapi.Period](), nil},
		{reflect.TypeFor[MaintenanceWindow](), reflect.TypeFor[httpapi.MaintenanceWindow](), nil},
		{reflect.TypeFor[UptimeReport](), reflect.TypeFor[httpapi.UptimeReport](), nil},
		{reflect.TypeFor[PresenceCheck](), reflect.TypeFor[httpapi.PresenceCheck](), nil},
		{reflect.TypeFor[PeerTest](), reflect.TypeFor[domain.AddPeer](), nil},
		{reflect.TypeFor[Receipt](), reflect.TypeFor[httpapi.Receipt](), nil},
		{reflect.TypeFor[Page[Peer]](), reflect.TypeFor[httpapi.List[httpapi.Peer]](), nil},
		{reflect.TypeFor[Error](), reflect.TypeFor[httpapi.Problem](), nil},
		{reflect.TypeFor[NewEnterprise](), reflect.TypeFor[domain.RegisterEnterprise](), nil},
		{reflect.TypeFor[EnterprisePatch](), reflect.TypeFor[domain.EditEnterprise](), nil},
		{reflect.TypeFor[NewPeer](), reflect.TypeFor[domain.AddPeer](), nil},
		{reflect.TypeFor[PeerPatch](), reflect.TypeFor[domain.EditPeer](), []string{".peer", ".type"}},
		{reflect.TypeFor[Maintenance](), reflect.TypeFor[domain.ScheduleMaintenance](), []string{".peer"}},
		{reflect.TypeFor[NewTrustedServer](), reflect.TypeFor[domain.AddTrustedServer](), nil},
		{reflect.TypeFor[TrustedServerPatch](), reflect.TypeFor[domain.EditTrustedServer](), []string{".trusted_server"}},
	} {
		want := slices.DeleteFunc(fields(c.theirs, ""), func(f string) bool { return slices.Contains(c.without, f) })
		if got := fields(c.mine, ""); !slices.Equal(got, want) {
			t.Errorf("%s has  %v\n%s has %v", c.mine, got, c.theirs, want)
		}
	}
}
