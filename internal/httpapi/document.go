package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// documentRoute serves the OpenAPI document, and that of the bus beside it. It is
// made once: nothing in it changes while the program runs.
func (a *api) documentRoute() error {
	doc := a.huma.OpenAPI()
	introduce(doc, len(a.opts.AsyncAPI) > 0)
	schemas := doc.Components.Schemas.Map()
	delete(schemas, "ErrorModel") // the framework's own form, never sent
	delete(schemas, "ErrorDetail")
	for _, s := range schemas {
		completeNull(s)
	}
	body, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	a.plain("/openapi.json", documentHandler(body))
	if len(a.opts.AsyncAPI) > 0 {
		a.plain(asyncAPIPath, documentHandler(a.opts.AsyncAPI))
	}
	return nil
}

// asyncAPIPath is where the description of the bus is.
const asyncAPIPath = "/asyncapi.json"

func documentHandler(body []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})
}

// schemeBearer names the way to authenticate in the document.
const schemeBearer = "bearer"

// bearerOrNone is what every operation asks of its caller.
func bearerOrNone() []map[string][]string {
	return []map[string][]string{{schemeBearer: {}}, {}}
}

// introduce says what concerns all operations; bus: the bus has a document too.
func introduce(doc *huma.OpenAPI, bus bool) {
	doc.Info.Description = "Peering between unified-communication servers. Every refusal is a problem document (RFC 9457) with a stable code. " +
		"A write answers with the sequence of its event; a read that passes it as min_seq sees the write."
	if bus {
		doc.Info.Description += " The same commands over NATS, and the events: " + asyncAPIPath + " (AsyncAPI 3)."
	}
	doc.Info.License = &huma.License{Name: "Apache License 2.0", Identifier: "Apache-2.0"}
	doc.Servers = []*huma.Server{{URL: "/", Description: "The server that this document comes from."}}
	doc.Components.SecuritySchemes = map[string]*huma.SecurityScheme{schemeBearer: {
		Type: "http", Scheme: "bearer",
		Description: "A token that an administrator has made. As long as there is none at all, callers on the machine itself need none.",
	}}
	doc.Tags = []*huma.Tag{
		{Name: enterpriseTag, Description: "The enterprises of this deployment, each with the local server that hosts it."},
		{Name: peerTag, Description: "The servers of others that an enterprise is connected to, with the status that was last found."},
		{Name: trustedServerTag, Description: "The hosts that may connect to an enterprise without authentication: those of its peers, and those added by hand."},
		{Name: eventTag, Description: "What happened: who changed what, when and why."},
		{Name: tokenTag, Description: "Who may use this API, and for what."},
		{Name: operationsTag, Description: "How far the tables are that reads are answered from, and what operators do to them."},
	}
}

// document adds to the framework's entry of op what it cannot know, and what it
// would act on if it knew: it reads every body that it has a schema of.
func (a *api) document(op operation) {
	entry := a.entry(op)
	describeHeaders(op, entry.Responses[strconv.Itoa(op.success())].Headers)
	if op.body == nil {
		return
	}
	media := &huma.MediaType{
		Schema:   a.huma.OpenAPI().Components.Schemas.Schema(op.body.schema, true, ""),
		Examples: map[string]*huma.Example{},
	}
	for summary, value := range op.body.examples {
		media.Examples[exampleKey(summary)] = &huma.Example{Summary: summary, Value: value}
	}
	entry.RequestBody = &huma.RequestBody{Required: !op.body.optional, Content: map[string]*huma.MediaType{typeJSON: media}}
	if op.body.lines != nil {
		entry.RequestBody.Content[typeNDJSON] = &huma.MediaType{
			Schema:  a.huma.OpenAPI().Components.Schemas.Schema(op.body.lines, true, ""),
			Example: op.body.line,
		}
	}
	if op.method == http.MethodPatch {
		entry.RequestBody.Content["application/merge-patch+json"] = media
	}
}

// exemplify shows what the success of op looks like.
func (a *api) exemplify(op operation, answer any) {
	a.entry(op).Responses[strconv.Itoa(op.success())].Content[typeJSON].Example = answer
}

// entry is what the document says about op.
func (a *api) entry(op operation) *huma.Operation {
	path := a.huma.OpenAPI().Paths[op.path]
	return map[string]*huma.Operation{
		http.MethodGet: path.Get, http.MethodPost: path.Post, http.MethodPatch: path.Patch, http.MethodDelete: path.Delete,
	}[op.method]
}

// describeHeaders leaves among the headers of op's success those that it really
// sends, and describes them.
func describeHeaders(op operation, headers map[string]*huma.Param) {
	if op.success() != http.StatusCreated {
		delete(headers, "Location")
	}
	if !op.showsOne() {
		delete(headers, "ETag")
	}
	for name, example := range map[string]string{"Location": enterprisesPath + "/" + string(exampleEnterprise), "ETag": etagOf(41, 57)} {
		if h := headers[name]; h != nil {
			h.Required, h.Example, h.Description = true, example, h.Schema.Description
			h.Schema = &huma.Schema{Type: huma.TypeString}
		}
	}
}

// showsOne reports whether op reads one thing of the directory, which has an
// ETag.
func (op operation) showsOne() bool {
	return op.method == http.MethodGet && strings.HasSuffix(op.path, "}") && slices.Contains(op.backEnds(), theDirectory)
}
