package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/peering/peering/client"
)

const (
	// stdio stands for standard input or output in place of a file.
	stdio = "-"
	// maxFile is the largest file that is imported, in bytes.
	maxFile = 64 << 20

	importTimeout = 40 * time.Second // the server gives up after 25
)

// peerRow is a peer in a file: the values that it gives, by field.
type peerRow struct {
	place  string // in the file, for people
	fields map[string]string
}

// fieldNames are the fields that a file may have, in the order of an export.
func fieldNames() []string {
	return []string{
		"id", "type", "description", "hostname", "port", "address",
		"peer_enterprise_id", "dialing_prefix", "version", "enabled",
	}
}

func (r peerRow) text(field string) *string {
	if v, ok := r.fields[field]; ok && v != "" {
		return &v
	}
	return nil
}

// operation is what the row asks for. Its values were checked by readPeers as far
// as their form goes.
func (r peerRow) operation() client.Operation {
	o := client.Operation{
		Op: client.OpPut, Peer: client.PeerID(r.fields["id"]), Type: r.fields["type"], Description: r.fields["description"],
		Hostname: r.text("hostname"), Address: orNull(r.text("address")), PeerEnterpriseID: r.text("peer_enterprise_id"),
		DialingPrefix: orNull(r.text("dialing_prefix")), Version: orNull(r.text("version")),
	}
	if o.Peer != "" {
		o.Op = client.OpEdit
	}
	if n, err := strconv.Atoi(r.fields["port"]); err == nil {
		o.Port = client.Value(n)
	}
	if is, err := strconv.ParseBool(r.fields["enabled"]); err == nil {
		o.Enabled = &is
	}
	return o
}

// rowOfPeer is a peer as a file has it: what was given, and not what follows
// from that or was found out by looking.
func rowOfPeer(p client.Peer) peerRow {
	f := map[string]string{
		"id": string(p.ID), "type": p.Type, "description": p.Description, "hostname": p.Hostname, "address": p.Address,
		"peer_enterprise_id": p.PeerEnterpriseID, "dialing_prefix": p.DialingPrefix, "enabled": strconv.FormatBool(p.Enabled),
	}
	if p.Port != 0 {
		f["port"] = strconv.Itoa(p.Port)
	}
	if p.VersionSource == "entered" {
		f["version"] = p.Version
	}
	return peerRow{fields: f}
}

func sortRows(rows []peerRow) {
	slices.SortFunc(rows, func(a, b peerRow) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.fields["description"]), strings.ToLower(b.fields["description"])),
			strings.Compare(a.fields["id"], b.fields["id"]))
	})
}

// readPeers reads a file of peers, CSV or JSON; without their ids if so asked. The
// error says what is wrong and where.
func readPeers(stdin io.Reader, name string, ignoreIDs bool) ([]peerRow, error) {
	in := stdin
	if name != stdio {
		f, err := os.Open(name) // #nosec G304 -- the file that was asked for
		if err != nil {
			return nil, errors.Unwrap(err)
		}
		defer f.Close() //nolint:errcheck // it was only read
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxFile:
		return nil, fmt.Errorf("is larger than %d bytes", maxFile)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // what some spreadsheets begin with
	var rows []peerRow
	if start := bytes.TrimLeft(data, " \t\r\n"); len(start) > 0 && (start[0] == '[' || start[0] == '{') {
		rows, err = readJSON(start)
	} else {
		rows, err = readCSV(data)
	}
	if err != nil {
		return nil, err
	}
	return rows, checkRows(rows, ignoreIDs)
}

// readCSV reads rows below a header of field names.
func readCSV(data []byte) ([]peerRow, error) {
	in := csv.NewReader(bytes.NewReader(data))
	header, err := in.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("is empty")
	}
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(name))
		switch {
		case !slices.Contains(fieldNames(), name):
			return nil, fmt.Errorf("the header has %q, which is no field that can be imported: %s", header[i], strings.Join(fieldNames(), ", "))
		case seen[name]:
			return nil, fmt.Errorf("the header has %q twice", name)
		}
		header[i], seen[name] = name, true
	}
	var rows []peerRow
	for {
		cells, err := in.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := in.FieldPos(0)
		r := peerRow{place: "line " + strconv.Itoa(line), fields: map[string]string{}}
		for i, v := range cells {
			r.fields[header[i]] = plainCell(v)
		}
		rows = append(rows, r)
	}
}

// plainCell is a cell without the apostrophe that neutral has put before it.
func plainCell(v string) string {
	if rest, ok := strings.CutPrefix(v, "'"); ok && neutral(rest) == v {
		return rest
	}
	return strings.TrimSpace(v)
}

// readJSON reads a list of objects.
func readJSON(data []byte) ([]peerRow, error) {
	var list []map[string]any
	if data[0] != '[' {
		return nil, errors.New("must be a list of objects: [{…}, …]")
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("is not a list of objects: %w", err)
	}
	var rows []peerRow
	for i, object := range list {
		r := peerRow{place: "item " + strconv.Itoa(i+1), fields: map[string]string{}}
		for name, v := range object {
			if !slices.Contains(fieldNames(), name) {
				return nil, fmt.Errorf("%s: %q is no field that can be imported: %s", r.place, name, strings.Join(fieldNames(), ", "))
			}
			switch v := v.(type) {
			case nil:
			case string:
				r.fields[name] = v
			case bool:
				r.fields[name] = strconv.FormatBool(v)
			case float64:
				r.fields[name] = strconv.FormatFloat(v, 'f', -1, 64)
			default:
				return nil, fmt.Errorf("%s: %s must be a text, a number, or true or false", r.place, name)
			}
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// writePeers writes rows in the form that readPeers reads.
func writePeers(out io.Writer, rows []peerRow, asJSON bool) error {
	if !asJSON {
		lines := [][]string{fieldNames()}
		for _, r := range rows {
			var cells []string
			for _, name := range fieldNames() {
				cells = append(cells, neutral(r.fields[name]))
			}
			lines = append(lines, cells)
		}
		return writeCSV(out, lines)
	}
	list := make([]map[string]any, 0, len(rows))
	for _, r := range rows {
		object := map[string]any{}
		for name, v := range r.fields {
			switch n, err := strconv.Atoi(v); {
			case v == "":
			case name == "port" && err == nil:
				object[name] = n
			case name == "enabled":
				object[name] = v == "true"
			default:
				object[name] = v
			}
		}
		list = append(list, object)
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(list)
}

// writeFile has write fill a file, which takes its place when all is written.
func writeFile(stdout io.Writer, name string, write func(io.Writer) error) (err error) {
	if name == stdio {
		return write(stdout)
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".peering-*")
	if err != nil {
		return errors.Unwrap(err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	buffered := bufio.NewWriter(f)
	if err := errors.Join(write(buffered), buffered.Flush(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
