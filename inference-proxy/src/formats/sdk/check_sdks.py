"""Runs OpenAI's and Anthropic's official Python clients, unchanged, against a proxy.

Usage: check_sdks.py BASE_URL KEY LIMITED_KEY. Prints a line of JSON for each check:
{"name", "fault"}, where the fault is null if it holds. LIMITED_KEY may ask once a minute.
The engine behind the proxy is the one of scripted-engine.ts.
"""

import json
import sys
import traceback

import anthropic
import openai

base_url, key, limited_key = sys.argv[1:]
MODEL = "tiny"
TEXT = "hello \u2028 w\u00f6rld"
ARGUMENTS = {"expression": "1+1"}
PARAMETERS = {"type": "object", "properties": {"expression": {"type": "string"}}}

checks = []


def check(function):
    checks.append(function)
    return function


def openai_client(api_key=key):
    return openai.OpenAI(api_key=api_key, base_url=f"{base_url}/v1", max_retries=0)


def anthropic_client(api_key=key):
    return anthropic.Anthropic(api_key=api_key, base_url=base_url, max_retries=0)


def says(content):
    return [{"role": "user", "content": content}]


def raises(kind, status, function):
    """The error that the function must raise; its retry-after and id are checked with it."""
    try:
        function()
    except kind as error:
        assert error.status_code == status, error.status_code
        assert error.request_id.startswith("req_"), error.request_id
        has_wait = "retry-after" in error.response.headers
        assert has_wait == (status in (429, 503)), error.response.headers
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


CALCULATOR = {"name": "calculator", "parameters": PARAMETERS}


@check
def openai_chat():
    answer = openai_client().chat.completions.create(model=MODEL, messages=says("hi"))
    assert answer.choices[0].message.content == TEXT
    assert answer.usage.prompt_tokens_details.cached_tokens == 8
    assert answer._request_id.startswith("req_")


@check
def openai_chat_stream():
    stream = openai_client().chat.completions.create(
        model=MODEL, messages=says("hi"), stream=True
    )
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TEXT
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks)


@check
def openai_chat_tools():
    client = openai_client()
    ask = {"model": MODEL, "tools": [{"type": "function", "function": CALCULATOR}]}
    message = client.chat.completions.create(messages=says("hi"), **ask).choices[0].message
    assert json.loads(message.tool_calls[0].function.arguments) == ARGUMENTS
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "2"}
    messages = [*says("hi"), message.model_dump(exclude_none=True), result]
    answer = client.chat.completions.create(messages=messages, **ask)
    assert answer.choices[0].message.content == TEXT


@check
def openai_responses():
    client = openai_client()
    assert client.responses.create(model=MODEL, input="hi").output_text == TEXT
    tool = {"type": "function", "strict": False, **CALCULATOR}
    call = client.responses.create(model=MODEL, input="hi", tools=[tool]).output[0]
    assert json.loads(call.arguments) == ARGUMENTS


@check
def openai_responses_stream():
    with openai_client().responses.stream(model=MODEL, input="hi") as stream:
        types = [event.type for event in stream]
        answer = stream.get_final_response()
    assert types[-1] == "response.completed", types
    assert answer.output_text == TEXT
    assert answer.usage.input_tokens_details.cached_tokens == 8


@check
def openai_models_and_embeddings():
    client = openai_client()
    assert [model.id for model in client.models.list()] == [MODEL]
    embedded = client.embeddings.create(model=MODEL, input="hi", encoding_format="float")
    assert embedded.data[0].embedding == [0.25, -0.5]


@check
def openai_errors():
    chat = openai_client().chat.completions
    ask = {"model": MODEL, "messages": says("hi")}
    wrong = openai_client("wrong").chat.completions
    raises(openai.AuthenticationError, 401, lambda: wrong.create(**ask))
    raises(openai.NotFoundError, 404, lambda: chat.create(**{**ask, "model": "nobody"}))
    refused = {**ask, "messages": says("refused")}
    raises(openai.BadRequestError, 400, lambda: chat.create(**refused))
    busy = {**ask, "messages": says("busy")}
    raises(openai.InternalServerError, 503, lambda: chat.create(**busy))
    stored = openai_client().responses
    raises(openai.NotFoundError, 404, lambda: stored.retrieve("resp_1"))


@check
def openai_cancel():
    stream = openai_client().chat.completions.create(
        model=MODEL, messages=says("slow"), stream=True
    )
    next(iter(stream))
    stream.close()


MESSAGE = {"model": MODEL, "max_tokens": 100, "messages": says("hi")}
TOOLS = [{"name": "calculator", "input_schema": PARAMETERS}]


@check
def anthropic_message():
    message = anthropic_client().messages.create(**MESSAGE)
    assert message.content[0].text == TEXT
    assert message.usage.cache_read_input_tokens == 8
    assert message._request_id.startswith("req_")


@check
def anthropic_stream():
    with anthropic_client().messages.stream(**MESSAGE) as stream:
        assert "".join(stream.text_stream) == TEXT
        assert stream.get_final_message().usage.output_tokens == 2


@check
def anthropic_tools():
    client = anthropic_client()
    message = client.messages.create(**MESSAGE, tools=TOOLS)
    assert message.stop_reason == "tool_use"
    assert message.content[0].input == ARGUMENTS
    result = {"type": "tool_result", "tool_use_id": message.content[0].id, "content": "2"}
    messages = [
        *says("hi"),
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": [result]},
    ]
    answer = client.messages.create(**{**MESSAGE, "messages": messages}, tools=TOOLS)
    assert answer.content[0].text == TEXT


@check
def anthropic_models():
    assert [model.id for model in anthropic_client().models.list()] == [MODEL]


@check
def anthropic_count_tokens():
    counted = anthropic_client().messages.count_tokens(model=MODEL, messages=says("hi"))
    assert counted.input_tokens == 12


@check
def anthropic_errors():
    create = anthropic_client().messages.create
    wrong = anthropic_client("wrong").messages.create
    raises(anthropic.AuthenticationError, 401, lambda: wrong(**MESSAGE))
    raises(anthropic.NotFoundError, 404, lambda: create(**{**MESSAGE, "model": "nobody"}))
    refused = {**MESSAGE, "messages": says("refused")}
    raises(anthropic.BadRequestError, 400, lambda: create(**refused))
    busy = {**MESSAGE, "messages": says("busy")}
    raises(anthropic.InternalServerError, 503, lambda: create(**busy))
    limited = anthropic_client(limited_key).messages.create
    limited(**MESSAGE)
    raises(anthropic.RateLimitError, 429, lambda: limited(**MESSAGE))
    ask = {"model": MODEL, "messages": says("hi")}
    chat = openai_client(limited_key).chat.completions
    raises(openai.RateLimitError, 429, lambda: chat.create(**ask))


for each in checks:
    fault = None
    try:
        each()
    except Exception:
        fault = traceback.format_exc()
    print(json.dumps({"name": each.__name__, "fault": fault}), flush=True)
