package httpapi

import (
	"context"
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// streamed is a successful answer that is written piece by piece. Status and
// content type are out when write begins: what fails then can only break the
// answer off, which write does with http.ErrAbortHandler.
type streamed struct {
	contentType string
	write       func(w http.ResponseWriter)
	close       func() // called in the end, whether or not it was written; nil: nothing to do
}

// answerForm says of one content type of a streamed answer what it holds.
type answerForm struct {
	contentType string
	schema      reflect.Type
	example     any
}

// registerStreamed adds op with a handler whose answer is streamed; forms are
// those it may have, for the document.
func registerStreamed(a *api, op operation, forms []answerForm, handle func(ctx context.Context, c *call) (*streamed, error)) {
	h := a.describe(op)
	a.methods[op.path] = append(a.methods[op.path], op.method)
	h.Responses[strconv.Itoa(op.success())] = a.formsOf(forms)
	huma.Register(a.huma, h, func(ctx context.Context, in *input) (*huma.StreamResponse, error) {
		c, err := a.begin(op, in)
		if err != nil {
			return nil, a.refuse(in.r, err)
		}
		out, err := handle(ctx, c)
		if err != nil {
			return nil, a.refuse(in.r, err)
		}
		in.w.Header().Set("Content-Type", out.contentType)
		return &huma.StreamResponse{Body: func(huma.Context) {
			if out.close != nil {
				defer out.close()
			}
			if in.r.Method != http.MethodHead {
				out.write(in.w)
			}
		}}, nil
	})
	a.document(op)
}

func (a *api) formsOf(forms []answerForm) *huma.Response {
	r := &huma.Response{Description: "OK", Headers: map[string]*huma.Param{}, Content: map[string]*huma.MediaType{}}
	for _, f := range forms {
		r.Content[f.contentType] = &huma.MediaType{Schema: a.huma.OpenAPI().Components.Schemas.Schema(f.schema, true, ""), Example: f.example}
	}
	return r
}
