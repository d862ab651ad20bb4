"""Drives a server through the official OpenAI library in strict response validation; prints what it saw as JSON.

`python openai_client.py answers|refusals URL`; the test beside this file judges the result.
"""

import json
import sys

import openai
from openai import DefaultHttpxClient, OpenAI

MODEL = "lmx-demo"
PING = [{"role": "user", "content": "ping"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def counting_client(url):
    """A client and the list of the paths it asked for. Told to wait, it waits only a millisecond."""
    sent = []

    def hurry(response):
        response.headers["retry-after-ms"] = "1"

    hooks = {"request": [lambda request: sent.append(request.url.path)], "response": [hurry]}
    client = OpenAI(
        base_url=f"{url}/v1",
        api_key="none",
        max_retries=2,
        http_client=DefaultHttpxClient(event_hooks=hooks),
        _strict_response_validation=True,
    )
    return client, sent


def answers(url):
    """Everything that succeeds."""
    client, _ = counting_client(url)
    chat = client.chat.completions
    whole = chat.create(model=MODEL, messages=PING, temperature=0)
    stream = chat.create(
        model=MODEL, messages=PING, temperature=0, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    scored = chat.create(model=MODEL, messages=PING, temperature=0, logprobs=True, top_logprobs=3)
    scored_chunks = list(
        chat.create(model=MODEL, messages=PING, temperature=0, logprobs=True, top_logprobs=3, stream=True)
    )
    several = chat.create(model=MODEL, messages=PING, n=3, seed=1, max_tokens=4)
    completion = client.completions.create(
        model=MODEL, prompt=["one two", "three"], temperature=0, max_tokens=4, logprobs=2
    )
    return {
        "content": whole.choices[0].message.content,
        "streamed": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices),
        "usage": chunks[-1].usage == whole.usage,
        "tokens": [token.token for token in scored.choices[0].logprobs.content],
        "streamed_tokens": [
            token.token
            for chunk in scored_chunks
            for choice in chunk.choices
            if choice.logprobs
            for token in choice.logprobs.content
        ],
        "alternatives": [len(token.top_logprobs) for token in scored.choices[0].logprobs.content],
        "several": [choice.index for choice in several.choices],
        "completion": ["".join(choice.logprobs.tokens) == choice.text for choice in completion.choices],
        "tools": tools(client),
        "models": MODEL in [model.id for model in client.models.list()],
        "model": client.models.retrieve(MODEL).id,
    }


def tools(client):
    """A call and the answer to its result."""
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    first = client.chat.completions.create(model=MODEL, messages=messages, tools=[TOOL], temperature=0)
    message = first.choices[0].message
    messages.append(message.model_dump(exclude_none=True))
    messages.append(
        {
            "role": "tool",
            "tool_call_id": message.tool_calls[0].id,
            "content": json.dumps({"temperature": 18, "condition": "sunny"}, separators=(",", ":")),
        }
    )
    second = client.chat.completions.create(model=MODEL, messages=messages, tools=[TOOL], temperature=0)
    return {
        "reason": first.choices[0].finish_reason,
        "name": message.tool_calls[0].function.name,
        "arguments": sorted(json.loads(message.tool_calls[0].function.arguments)),
        "sunny": "sunny" in second.choices[0].message.content,
    }


def refusals(url):
    """The error of each request and how often it was sent."""
    cases = {
        "ping": {},
        "not loaded": {"model": "tiny/unloaded"},
        "unknown": {"model": "nobody"},
        "out of range": {"temperature": 9},
        "unsupported": {"tool_choice": "required"},
    }
    seen = {}
    for name, extra in cases.items():
        client, sent = counting_client(url)
        try:
            client.chat.completions.create(**{"model": MODEL, "messages": PING, **extra})
            outcome = "answered"
        except openai.APIStatusError as error:
            outcome = f"{error.status_code} {error.code} {type(error).__name__}"
        seen[name] = f"{outcome} after {len(sent)}"
    return seen


print(json.dumps({"answers": answers, "refusals": refusals}[sys.argv[1]](sys.argv[2])))
