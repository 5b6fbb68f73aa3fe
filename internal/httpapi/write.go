package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// Headers that writes take.
const (
	headerIdempotencyKey = "Idempotency-Key"
	headerIfMatch        = "If-Match"
	headerReason         = "Reason"
	headerOnBehalfOf     = "Actor" // as on the bus: whom the caller says it acts for
	headerTraceparent    = "Traceparent"
)

const (
	// writeTimeout bounds a write from outside; the write loop itself gives up
	// before that, with an error that says more.
	writeTimeout = 5 * time.Second
)

// Receipt is the answer to a write.
type Receipt struct {
	ID       string           `json:"id" doc:"What was acted on, or added."`
	Sequence events.Seq       `json:"sequence" doc:"Pass it as min_seq to read the effect."`
	Warnings []domain.Warning `json:"warnings,omitempty" nullable:"false" doc:"What is true now and may surprise."`
}

// decode reads the body of the request as the command called name. DELETE and
// other bodyless commands may leave it out.
func (c *call) decode(name domain.CommandName) (domain.Command, error) {
	body, err := c.jsonBody()
	if err != nil {
		return nil, err
	}
	return command.Decode(name, body)
}

// jsonBody reads the body, which must be said to be JSON unless it is empty.
func (c *call) jsonBody() ([]byte, error) {
	body, err := c.body()
	if err != nil || len(body) == 0 {
		return body, err
	}
	return body, c.mediaType()
}

// saysNothing refuses the body of a request that takes none, called name: nothing
// that a caller says is passed over.
func (c *call) saysNothing(name string) error {
	body, err := c.jsonBody()
	if err != nil {
		return err
	}
	_, err = command.DecodeDocument[struct{}](name, body)
	return err
}

// body reads the whole body, up to the limit of a command.
func (c *call) body() ([]byte, error) { return c.bodyUpTo(command.MaxBody) }

func (c *call) bodyUpTo(most int64) ([]byte, error) {
	tooLarge := problem(codeTooLarge, "", "The body is larger than %d bytes.", most)
	tooLarge.header.Set("Connection", "close")
	if c.r.ContentLength > most {
		return nil, tooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, most))
	var limit *http.MaxBytesError
	var netErr net.Error
	switch {
	case err == nil:
		return body, nil
	case errors.As(err, &limit):
		return nil, tooLarge
	case errors.As(err, &netErr) && netErr.Timeout():
		p := problem(codeTimeout, "", "The body did not arrive in time.")
		p.header.Set("Connection", "close")
		return nil, p
	default:
		return nil, problem(domain.Malformed, "", "The body ended before it was complete.")
	}
}

// mediaType refuses a body that is not said to be JSON. A form of a foreign
// page cannot send that, which is one more wall against it.
func (c *call) mediaType() error {
	if err := c.notEncoded(); err != nil {
		return err
	}
	contentType, err := c.single("Content-Type")
	if err != nil {
		return err
	}
	want := []string{typeJSON}
	if c.r.Method == http.MethodPatch {
		want = append(want, "application/merge-patch+json")
	}
	if !ofType(contentType, want...) {
		return problem(codeMediaType, "Content-Type", "The body must be %s in UTF-8.", strings.Join(want, " or "))
	}
	return nil
}

// notEncoded refuses a body that is compressed.
func (c *call) notEncoded() error {
	enc, err := c.single("Content-Encoding")
	if err == nil && enc != "" && !strings.EqualFold(enc, "identity") {
		err = problem(codeMediaType, "Content-Encoding", "The body must not be encoded.")
	}
	return err
}

// ofType reports whether a media type is one of those wanted, in UTF-8.
func ofType(contentType string, want ...string) bool {
	mt, params, err := mime.ParseMediaType(contentType)
	charset := params["charset"]
	return err == nil && slices.Contains(want, mt) && (charset == "" || strings.EqualFold(charset, "utf-8"))
}

// request makes the command.Request of cmd from the headers. Their form is
// judged by the write loop, the same for every way a command comes.
func (c *call) request(ent events.EnterpriseID, cmd domain.Command) (command.Request, error) {
	req := command.Request{Enterprise: ent, Command: cmd, Actor: c.principal.Actor}
	key, err := c.single(headerIdempotencyKey)
	if err != nil {
		return command.Request{}, err
	}
	req.ID = events.CommandID(unquoted(key))
	if req.Reason, err = c.single(headerReason); err != nil {
		return command.Request{}, err
	}
	if req.OnBehalfOf, err = c.single(headerOnBehalfOf); err != nil {
		return command.Request{}, err
	}
	if req.IfRevision, err = c.ifMatch(); err != nil {
		return command.Request{}, err
	}
	if trace := c.r.Header.Values(headerTraceparent); len(trace) == 1 {
		req.Traceparent = trace[0]
	}
	return req, nil
}

// headerOf names the header in which a caller of HTTP gives what the write loop
// calls field.
func headerOf(field string) string {
	switch field {
	case "command_id":
		return headerIdempotencyKey
	case "reason":
		return headerReason
	case "on_behalf_of":
		return headerOnBehalfOf
	}
	return field
}

// single returns the value of a header that may be given once, "" without it.
func (c *call) single(name string) (string, error) {
	values := c.r.Header.Values(name)
	if len(values) > 1 {
		return "", problem(domain.Malformed, name, "The header is given more than once.")
	}
	if len(values) == 0 {
		return "", nil
	}
	return values[0], nil
}

// unquoted returns an Idempotency-Key without the quotes that the draft
// standard puts around it.
func unquoted(key string) string {
	if len(key) > 2 && key[0] == '"' && key[len(key)-1] == '"' {
		return key[1 : len(key)-1]
	}
	return key
}

// ifMatch reads the revision that If-Match asks for: an ETag as it was given,
// of which the revision alone counts, or the bare revision in quotes. "*" asks
// only that the thing exists, which every command does by itself.
func (c *call) ifMatch() (*events.Seq, error) {
	tag, err := c.single(headerIfMatch)
	if err != nil || tag == "" || tag == "*" {
		return nil, err
	}
	n, ok := revisionOf(tag)
	if !ok {
		return nil, problem(domain.Malformed, headerIfMatch, "The header must be one ETag of this API, such as \"41.57\".")
	}
	return &n, nil
}

// revisionOf reads an ETag as etagOf makes it, or one that is a revision alone.
func revisionOf(tag string) (events.Seq, bool) {
	inner, open := strings.CutPrefix(tag, `"`)
	inner, closed := strings.CutSuffix(inner, `"`)
	revision, last, both := strings.Cut(inner, ".")
	n, err := strconv.ParseUint(revision, 10, 63)
	if both && err == nil {
		_, err = strconv.ParseUint(last, 10, 63)
	}
	return events.Seq(n), open && closed && err == nil
}

// give gives cmd to ent and answers with its receipt.
func (c *call) give(ctx context.Context, ent events.EnterpriseID, cmd domain.Command) (*reply[Receipt], error) {
	got, err := c.carryOut(ctx, ent, cmd)
	if err != nil {
		return nil, err
	}
	return receiptOf(got), nil
}

func receiptOf(got command.Receipt) *reply[Receipt] {
	return &reply[Receipt]{Body: Receipt{ID: got.ID, Sequence: got.Sequence, Warnings: got.Warnings}}
}

// carryOut gives cmd to the write loop, when the caller may.
func (c *call) carryOut(ctx context.Context, ent events.EnterpriseID, cmd domain.Command) (command.Receipt, error) {
	if right := access.RightFor(cmd); !c.principal.May(right) {
		return command.Receipt{}, c.lacks(right)
	}
	req, err := c.request(ent, cmd)
	if err != nil {
		return command.Receipt{}, err
	}
	return c.handle(ctx, req)
}

// handle gives req to the write loop within its time.
func (c *call) handle(ctx context.Context, req command.Request) (command.Receipt, error) {
	got, err := within(ctx, writeTimeout, func(ctx context.Context) (command.Receipt, error) {
		return c.Commands.Handle(ctx, req)
	})
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %w", command.ErrUnavailable, err)
	}
	return got, err
}

// refusalOf is the refusal of the domain in err; nil: there is none.
func refusalOf(err error) *domain.Error {
	var refusal *domain.Error
	errors.As(err, &refusal)
	return refusal
}

// add reads the command called name, which adds something to ent, and answers
// with where it is.
func (c *call) add(ctx context.Context, ent events.EnterpriseID, name domain.CommandName, under string) (*reply[Receipt], error) {
	if err := c.noIfMatch(); err != nil {
		return nil, err
	}
	cmd, err := c.decode(name)
	if err != nil {
		return nil, err
	}
	out, err := c.give(ctx, ent, cmd)
	if err != nil {
		return nil, err
	}
	out.Location = under + out.Body.ID
	return out, nil
}

// toResource returns the handler that reads the command called name and gives it
// to what the path names; aimAt puts that into the command.
func toResource[ID any](
	name domain.CommandName,
	named func(*call) (events.EnterpriseID, ID, error),
	aimAt func(domain.Command, ID) (domain.Command, error),
) func(context.Context, *call) (*reply[Receipt], error) {
	return func(ctx context.Context, c *call) (*reply[Receipt], error) {
		ent, id, err := named(c)
		if err != nil {
			return nil, err
		}
		cmd, err := c.decode(name)
		if err != nil {
			return nil, err
		}
		if cmd, err = aimAt(cmd, id); err != nil {
			return nil, err
		}
		return c.give(ctx, ent, cmd)
	}
}

// aim returns the id that the path names; given is what the body says.
func aim[ID ~string](field string, given, id ID) (ID, error) {
	if given != "" && given != id {
		return "", problem(domain.Invalid, field, "The path names another one.")
	}
	return id, nil
}

// noIfMatch refuses If-Match where nothing exists yet that it could be about.
func (c *call) noIfMatch() error {
	if c.r.Header.Get(headerIfMatch) == "" {
		return nil
	}
	return problem(domain.Invalid, headerIfMatch, "There is nothing yet whose revision could be compared.")
}
