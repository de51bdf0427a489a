// A small HTTP front for Bifrost's core, because its own HTTP transport is not a module that can be had.
// It decodes a chat request, hands it to the core, encodes what comes back; no plugins, no logs, no store.
// What is measured with it is a lower bound of Bifrost, not its product.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/bytedance/sonic"
	bifrost "github.com/maximhq/bifrost/core"
	"github.com/maximhq/bifrost/core/schemas"
	"github.com/valyala/fasthttp"
)

// account knows one provider: the upstream, spoken to as OpenAI.
type account struct{ upstream string }

func (a account) GetConfiguredProviders() ([]schemas.ModelProvider, error) {
	return []schemas.ModelProvider{schemas.OpenAI}, nil
}

func (a account) GetKeysForProvider(context.Context, schemas.ModelProvider) ([]schemas.Key, error) {
	return []schemas.Key{{ID: "only", Value: schemas.EnvVar{Val: "unused"}, Weight: 1}}, nil
}

func (a account) GetConfigForProvider(schemas.ModelProvider) (*schemas.ProviderConfig, error) {
	return &schemas.ProviderConfig{
		NetworkConfig: schemas.NetworkConfig{
			BaseURL:                        a.upstream,
			DefaultRequestTimeoutInSeconds: 600,
		},
		// One worker serves one call at a time: more than any load here keeps under way.
		ConcurrencyAndBufferSize: schemas.ConcurrencyAndBufferSize{Concurrency: 2048, BufferSize: 5000},
	}, nil
}

type chatRequest struct {
	Model         string                     `json:"model"`
	Messages      []schemas.ChatMessage      `json:"messages"`
	Stream        bool                       `json:"stream"`
	StreamOptions *schemas.ChatStreamOptions `json:"stream_options"`
	MaxTokens     *int                       `json:"max_tokens"`
}

func main() {
	port := flag.Int("port", 0, "port on 127.0.0.1")
	upstream := flag.String("upstream", "", "base URL without /v1")
	version := flag.Bool("version", false, "print the core's version")
	flag.Parse()
	if *version {
		fmt.Println(coreVersion())
		return
	}
	core, err := bifrost.Init(context.Background(), schemas.BifrostConfig{
		Account:         account{*upstream},
		InitialPoolSize: 512,
		Logger:          bifrost.NewDefaultLogger(schemas.LogLevelError),
	})
	if err != nil {
		fail(err)
	}
	server := fasthttp.Server{
		MaxRequestBodySize: 64 << 20,
		Handler:            func(ctx *fasthttp.RequestCtx) { answer(core, ctx) },
	}
	fail(server.ListenAndServe(fmt.Sprintf("127.0.0.1:%d", *port)))
}

func answer(core *bifrost.Bifrost, ctx *fasthttp.RequestCtx) {
	var asked chatRequest
	if err := sonic.Unmarshal(ctx.PostBody(), &asked); err != nil {
		ctx.Error(err.Error(), fasthttp.StatusBadRequest)
		return
	}
	request := &schemas.BifrostChatRequest{
		Provider: schemas.OpenAI,
		Model:    asked.Model,
		Input:    asked.Messages,
		Params: &schemas.ChatParameters{
			MaxCompletionTokens: asked.MaxTokens,
			StreamOptions:       asked.StreamOptions,
		},
	}
	call, cancel := schemas.NewBifrostContextWithCancel(context.Background())
	if asked.Stream {
		chunks, fault := core.ChatCompletionStreamRequest(call, request)
		if fault != nil {
			cancel()
			refuse(ctx, fault)
			return
		}
		ctx.SetContentType("text/event-stream")
		ctx.SetBodyStreamWriter(func(writer *bufio.Writer) {
			// Whoever has left is noticed when a write fails: then the core is told to stop.
			defer cancel()
			relay(writer, chunks)
		})
		return
	}
	defer cancel()
	response, fault := core.ChatCompletionRequest(call, request)
	if fault != nil {
		refuse(ctx, fault)
		return
	}
	body, err := sonic.Marshal(response)
	if err != nil {
		ctx.Error(err.Error(), fasthttp.StatusInternalServerError)
		return
	}
	ctx.SetContentType("application/json")
	ctx.SetBody(body)
}

func relay(writer *bufio.Writer, chunks chan *schemas.BifrostStreamChunk) {
	for chunk := range chunks {
		var value any = chunk.BifrostChatResponse
		if chunk.BifrostError != nil {
			value = chunk.BifrostError
		}
		body, err := sonic.Marshal(value)
		if err != nil {
			return
		}
		_, _ = writer.WriteString("data: ")
		_, _ = writer.Write(body)
		_, _ = writer.WriteString("\n\n")
		if writer.Flush() != nil {
			return
		}
	}
	_, _ = writer.WriteString("data: [DONE]\n\n")
	_ = writer.Flush()
}

func refuse(ctx *fasthttp.RequestCtx, fault *schemas.BifrostError) {
	status := fasthttp.StatusBadGateway
	if fault.StatusCode != nil {
		status = *fault.StatusCode
	}
	body, _ := sonic.Marshal(fault)
	ctx.SetStatusCode(status)
	ctx.SetContentType("application/json")
	ctx.SetBody(body)
}

func coreVersion() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/maximhq/bifrost/core" {
			return module.Version
		}
	}
	return "unknown"
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
