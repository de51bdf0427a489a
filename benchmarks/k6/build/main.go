// k6 with one more module, k6/x/sse: server-sent event streams with the time of every event, which
// k6's own http module cannot give, because it reads a body whole before a script sees it.
package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/grafana/sobek"
	"go.k6.io/k6/v2/cmd"
	"go.k6.io/k6/v2/js/modules"
)

// One line of a stream may be this long: a whole answer in one event still fits.
const lineBytesMax = 16 << 20

// What is kept of an answer that is not a stream, for the script's message about it.
const errorBytesMax = 4 << 10

type rootModule struct{}

type instance struct{ vu modules.VU }

func (rootModule) NewModuleInstance(vu modules.VU) modules.Instance { return &instance{vu} }

func (each *instance) Exports() modules.Exports {
	return modules.Exports{Named: map[string]any{"post": each.post}}
}

// One transport for all virtual users, as one client program would have.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4096}}

type event struct {
	atMs float64
	data string
}

type answer struct {
	status int
	events []event
	doneMs float64
	body   string
	fault  string
}

// post(url, body, headers, timeoutMs, leaveAfterEvents) blocks only its own virtual user and
// returns {status, events: [{ms, data}], doneMs, body, error}: times since the request was sent,
// `body` only where the answer was no 200. leaveAfterEvents > 0: the client goes away after so many.
func (each *instance) post(
	url, body string, headers map[string]string, timeoutMs, leaveAfterEvents int,
) *sobek.Object {
	got := each.call(url, body, headers, timeoutMs, leaveAfterEvents)
	runtime := each.vu.Runtime()
	events := make([]any, len(got.events))
	for index, one := range got.events {
		object := runtime.NewObject()
		_ = object.Set("ms", one.atMs)
		_ = object.Set("data", one.data)
		events[index] = object
	}
	result := runtime.NewObject()
	_ = result.Set("status", got.status)
	_ = result.Set("events", runtime.NewArray(events...))
	_ = result.Set("doneMs", got.doneMs)
	_ = result.Set("body", got.body)
	_ = result.Set("error", got.fault)
	return result
}

func (each *instance) call(
	url, body string, headers map[string]string, timeoutMs, leaveAfterEvents int,
) (got answer) {
	limit := time.Duration(timeoutMs) * time.Millisecond
	ctx, cancel := context.WithTimeout(each.vu.Context(), limit)
	defer cancel()
	sent := time.Now()
	sinceMs := func() float64 { return float64(time.Since(sent).Microseconds()) / 1000 }
	defer func() { got.doneMs = sinceMs() }()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		got.fault = err.Error()
		return got
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	if err != nil {
		got.fault = err.Error()
		return got
	}
	defer response.Body.Close()
	got.status = response.StatusCode
	if got.status != http.StatusOK {
		bytes, _ := io.ReadAll(io.LimitReader(response.Body, errorBytesMax))
		got.body = string(bytes)
		return got
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, lineBytesMax)
	for lines.Scan() {
		data, isData := strings.CutPrefix(lines.Text(), "data:")
		if !isData {
			continue
		}
		got.events = append(got.events, event{sinceMs(), strings.TrimPrefix(data, " ")})
		if leaveAfterEvents > 0 && len(got.events) >= leaveAfterEvents {
			return got
		}
	}
	if err := lines.Err(); err != nil {
		got.fault = err.Error()
	}
	return got
}

func main() {
	modules.Register("k6/x/sse", rootModule{})
	cmd.Execute()
}
