"""Sends the same requests to two servers and lists the differences: python compare.py URL_A URL_B [CASE...]

Greedy sampling throughout, so the text must be equal. Ids, times and the like are compared by type only. Error answers and facts
about the server may differ in wording: only the status counts there (see STATUS_ONLY). Exit code 1 when a difference is left.
SHAPE=1 compares members and types only, for servers that answer other texts (an engine and the simulator).
"""
import json
import os
import re
import sys

from wire import call

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"enum": ["x", "y"]}},
          "required": ["a", "b"], "additionalProperties": False}
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "d", "parameters": {
    "type": "object", "properties": {"city": {"enum": ["Rome", "Oslo"]}}, "required": ["city"]}}}]
GREEDY = {"temperature": 0, "max_new_tokens": 12}
CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "hello there"}], "temperature": 0, "max_tokens": 12}
DONE = {"model": "tiny", "prompt": "once upon a time", "temperature": 0, "max_tokens": 12}

CASES = {
    "gen.text": ("/generate", {"text": "the quick brown fox", "sampling_params": GREEDY}),
    "gen.long": ("/generate", {"text": "abc def " * 300, "sampling_params": GREEDY}),
    "gen.ids": ("/generate", {"input_ids": [1, 20, 30, 40, 50], "sampling_params": GREEDY}),
    "gen.batch": ("/generate", {"text": ["one", "two and more", "three"], "sampling_params": GREEDY}),
    "gen.batch.ids": ("/generate", {"input_ids": [[20, 21], [30, 31, 32]], "sampling_params": GREEDY}),
    "gen.batch.params": ("/generate", {"text": ["one", "two"], "sampling_params": [GREEDY, {**GREEDY, "max_new_tokens": 3}]}),
    "gen.n2": ("/generate", {"text": "samples", "sampling_params": {**GREEDY, "n": 2}}),
    "gen.batch.n2": ("/generate", {"text": ["aa", "bb"], "sampling_params": {**GREEDY, "n": 2}}),
    "gen.stream": ("/generate", {"text": "the quick brown fox", "sampling_params": GREEDY, "stream": True}),
    "gen.stream.batch": ("/generate", {"text": ["one", "two"], "sampling_params": GREEDY, "stream": True}),
    "gen.stream.n2": ("/generate", {"text": "one", "sampling_params": {**GREEDY, "n": 2}, "stream": True}),
    "gen.logprob": ("/generate", {"text": "logprobs here", "sampling_params": GREEDY, "return_logprob": True}),
    "gen.logprob.start0": ("/generate", {"text": "logprobs here", "sampling_params": GREEDY, "return_logprob": True,
                                         "logprob_start_len": 0, "top_logprobs_num": 2, "return_text_in_logprobs": True}),
    "gen.logprob.start4": ("/generate", {"text": "logprobs here", "sampling_params": GREEDY, "return_logprob": True,
                                         "logprob_start_len": 4, "top_logprobs_num": 3}),
    "gen.logprob.ids": ("/generate", {"text": "logprobs here", "sampling_params": GREEDY, "return_logprob": True,
                                      "logprob_start_len": 2, "token_ids_logprob": [20, 30]}),
    "gen.logprob.stream": ("/generate", {"text": "logprobs here", "sampling_params": GREEDY, "return_logprob": True,
                                         "logprob_start_len": 0, "top_logprobs_num": 2, "stream": True}),
    "gen.logprob.batch": ("/generate", {"text": ["log", "probs"], "sampling_params": GREEDY, "return_logprob": True,
                                        "logprob_start_len": 0, "top_logprobs_num": 2}),
    "gen.logprob.n2": ("/generate", {"text": "log", "sampling_params": {**GREEDY, "n": 2}, "return_logprob": True,
                                     "logprob_start_len": 0, "top_logprobs_num": 2}),
    "gen.one": ("/generate", {"text": "one token", "sampling_params": {**GREEDY, "max_new_tokens": 1}}),
    "gen.zero": ("/generate", {"text": "no token", "sampling_params": {**GREEDY, "max_new_tokens": 0}}),
    "gen.score": ("/generate", {"text": "score me", "sampling_params": {**GREEDY, "max_new_tokens": 0},
                                "return_logprob": True, "logprob_start_len": 0}),
    "gen.stop": ("/generate", {"text": "the quick brown fox", "sampling_params": {**GREEDY, "max_new_tokens": 60, "stop": ["a"]}}),
    "gen.regex": ("/generate", {"text": "regex", "sampling_params": {**GREEDY, "regex": "(ab|cd)+x"}}),
    "gen.schema": ("/generate", {"text": "json", "sampling_params": {**GREEDY, "max_new_tokens": 60, "json_schema": json.dumps(SCHEMA)}}),
    "gen.hidden": ("/generate", {"text": "hidden", "sampling_params": GREEDY, "return_hidden_states": True}),
    "gen.rid": ("/generate", {"text": "own id", "rid": "my-own-rid", "sampling_params": GREEDY}),
    "gen.rids": ("/generate", {"text": ["a", "b"], "rid": ["r-one", "r-two"], "sampling_params": GREEDY}),
    "chat": ("/v1/chat/completions", CHAT),
    "chat.n2": ("/v1/chat/completions", {**CHAT, "n": 2}),
    "chat.logprobs": ("/v1/chat/completions", {**CHAT, "logprobs": True, "top_logprobs": 2}),
    "chat.stream": ("/v1/chat/completions", {**CHAT, "stream": True}),
    "chat.stream.usage": ("/v1/chat/completions", {**CHAT, "stream": True, "stream_options": {"include_usage": True}}),
    "chat.stream.usages": ("/v1/chat/completions", {**CHAT, "stream": True, "stream_options": {
        "include_usage": True, "continuous_usage_stats": True}}),
    "chat.stream.n2": ("/v1/chat/completions", {**CHAT, "stream": True, "n": 2, "stream_options": {"include_usage": True}}),
    "chat.stream.logprobs": ("/v1/chat/completions", {**CHAT, "stream": True, "logprobs": True, "top_logprobs": 2}),
    "chat.schema": ("/v1/chat/completions", {**CHAT, "max_tokens": 60, "response_format": {
        "type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}}}),
    "chat.object": ("/v1/chat/completions", {**CHAT, "max_tokens": 8, "response_format": {"type": "json_object"}}),
    "chat.tools": ("/v1/chat/completions", {**CHAT, "tools": TOOLS}),
    "chat.tools.forced": ("/v1/chat/completions", {**CHAT, "max_tokens": 80, "tools": TOOLS, "tool_choice": "required"}),
    "chat.tools.named": ("/v1/chat/completions", {**CHAT, "max_tokens": 80, "tools": TOOLS, "tool_choice": {
        "type": "function", "function": {"name": "weather"}}}),
    "chat.tools.stream": ("/v1/chat/completions", {**CHAT, "max_tokens": 80, "tools": TOOLS, "tool_choice": "required", "stream": True}),
    "done": ("/v1/completions", DONE),
    "done.echo": ("/v1/completions", {**DONE, "echo": True, "logprobs": 2}),
    "done.echo.stream": ("/v1/completions", {**DONE, "echo": True, "logprobs": 1, "stream": True}),
    "done.echo.zero": ("/v1/completions", {**DONE, "echo": True, "logprobs": 1, "max_tokens": 0}),
    "done.batch": ("/v1/completions", {**DONE, "prompt": ["one", "two"]}),
    "done.ids": ("/v1/completions", {**DONE, "prompt": [20, 21, 22]}),
    "done.ids.batch": ("/v1/completions", {**DONE, "prompt": [[20, 21], [30]]}),
    "done.n2": ("/v1/completions", {**DONE, "n": 2}),
    "done.stream": ("/v1/completions", {**DONE, "stream": True, "stream_options": {"include_usage": True}}),
    "done.stream.batch": ("/v1/completions", {**DONE, "prompt": ["one", "two"], "stream": True}),
    "bad.json": ("/generate", b'{"text": "a", '),
    "bad.json.chat": ("/v1/chat/completions", b'{"messages": '),
    "bad.empty": ("/generate", b"{}"),
    "bad.type": ("/generate", {"text": "a", "sampling_params": {"temperature": "hot"}}),
    "bad.range": ("/generate", {"text": "a", "sampling_params": {"temperature": -1}}),
    "bad.top_p": ("/v1/chat/completions", {**CHAT, "top_p": 7}),
    "bad.chat": ("/v1/chat/completions", {"model": "tiny"}),
    "bad.role": ("/v1/chat/completions", {**CHAT, "messages": [{"role": "nobody", "content": 3}]}),
    "bad.model": ("/v1/chat/completions", {**CHAT, "model": "other"}),
    "bad.long": ("/generate", {"text": "x" * 6000, "sampling_params": GREEDY}),
    "bad.long.chat": ("/v1/chat/completions", {**CHAT, "messages": [{"role": "user", "content": "x" * 6000}]}),
    "bad.long.stream": ("/v1/chat/completions", {**CHAT, "stream": True, "messages": [{"role": "user", "content": "x" * 6000}]}),
    "bad.long.done": ("/v1/completions", {**DONE, "prompt": "x" * 6000}),
    "bad.regex": ("/generate", {"text": "a", "sampling_params": {**GREEDY, "regex": "(("}}),
    "bad.schema": ("/v1/chat/completions", {**CHAT, "response_format": {"type": "json_schema", "json_schema": {
        "name": "s", "schema": {"type": "nonsense"}}}}),
    "bad.route": ("/v1/nothing", {}),
    "bad.method": ("/generate", None),
    "embeddings": ("/v1/embeddings", {"model": "tiny", "input": "hello"}),
    "responses": ("/v1/responses", {"model": "tiny", "input": "hello", "temperature": 0, "max_output_tokens": 8}),
    "responses.stream": ("/v1/responses", {"model": "tiny", "input": "hello", "temperature": 0, "max_output_tokens": 8, "stream": True}),
    "messages": ("/v1/messages", {"model": "tiny", "max_tokens": 8, "temperature": 0, "messages": [{"role": "user", "content": "hello"}]}),
    "messages.stream": ("/v1/messages", {"model": "tiny", "max_tokens": 8, "temperature": 0, "stream": True,
                                         "messages": [{"role": "user", "content": "hello"}]}),
    "get.health": ("/health", None), "get.generate": ("/health_generate", None), "get.models": ("/v1/models", None),
    "get.model": ("/v1/models/tiny", None), "get.model_info": ("/model_info", None), "get.old_model_info": ("/get_model_info", None),
    "get.server_info": ("/server_info", None), "get.old_server_info": ("/get_server_info", None), "get.loads": ("/v1/loads", None),
    "get.old_load": ("/get_load", None), "get.metrics": ("/metrics", None), "get.root": ("/", None),
    "tokenize": ("/tokenize", {"prompt": "abc"}), "detokenize": ("/detokenize", {"tokens": [20, 21]}),
}
# Only their type is compared ...
LOOSE = {"id", "rid", "created", "timestamp", "created_at", "completed_at", "response_id", "item_id"}
# ... and these not at all: times, and what depends on batching and caches.
TIMES = {"e2e_latency", "request_received_ts", "response_sent_to_client_ts", "queue_time", "prefill_finished_time", "first_token_latency",
         "api_server_dispatch_finish_ts", "request_finished_ts", "decode_throughput", "forward_entry_time", "cached_tokens",
         "cached_tokens_details", "storage_prefetch_wait", "storage_staging_wait", "prompt_tokens_details"}


def shape(value, path, found):
    """Flattens JSON into {path: value}; loose members become their type."""
    if isinstance(value, dict):
        if not value:
            found[path] = {}
        for name, inner in value.items():
            if name in TIMES:
                continue
            if name in LOOSE:
                found[f"{path}.{name}"] = f"<{type(inner).__name__}>"
            else:
                shape(inner, f"{path}.{name}", found)
    elif isinstance(value, list):
        if not value:
            found[path] = []
        for index, inner in enumerate(value):
            shape(inner, f"{path}[{index}]", found)
    else:
        found[path] = round(value, 3) if isinstance(value, float) else value
    return found


# Cases in which only the status must be equal: the wording of errors, and what a server says about itself.
STATUS_ONLY = ("bad.", "get.")
# Cases that differ on purpose: one engine and a gateway in front of several have no common answer.
ACCEPTED = {
    "get.root": "a gateway answers with its own page",
    "get.metrics": "a gateway has its own metrics",
    "get.old_load": "/get_load exists until 0.5.20; the gateway makes it from /v1/loads for every release",
}

# SHAPE=1: only which members there are and of what type, for servers that say different texts.
SHAPE = os.environ.get("SHAPE") == "1"


def assemble(events):
    """The whole text of each choice of a stream."""
    texts = {}
    for event in events:
        if not isinstance(event, dict):
            continue
        if "text" in event:
            texts[event.get("index", 0)] = event["text"]
        for choice in event.get("choices") or []:
            delta = choice.get("delta") or {}
            calls = "".join((c.get("function") or {}).get("arguments") or "" for c in delta.get("tool_calls") or [])
            at = choice.get("index")
            texts[at] = texts.get(at, "") + (delta.get("content") or choice.get("text") or "") + calls
        inner = event.get("delta")
        if isinstance(inner, dict):
            texts[0] = texts.get(0, "") + (inner.get("text") or "")
        elif isinstance(inner, str):
            texts[0] = texts.get(0, "") + inner
    return texts


def describe(answer):
    kind = dict((k.lower(), v) for k, v in answer.headers).get("content-type", "")
    found = {"status": answer.status, "content-type": kind}
    if "event-stream" in kind:
        events = answer.events()
        found["last"] = events[-1] if events and isinstance(events[-1], str) else "(json)"
        found["event names"] = sorted({x for x in answer.text.split("\n") if x.startswith("event:")})
        found["texts"] = assemble(events)
        objects = [e for e in events if isinstance(e, dict)]
        found["members"] = sorted({k.replace("[0]", "").replace("[1]", "") for e in objects for k in shape(e, "", {}) if "logprob" not in k
                                   and "output_ids[" not in k})
        found["finish"] = sorted(str(c.get("finish_reason")) for e in objects for c in e.get("choices") or [] if c.get("finish_reason"))
        found["usage"] = str([e["usage"] for e in objects if e.get("usage")][-1:])
        if objects and any("error" in e for e in objects):
            found["errors"] = str([e for e in objects if "error" in e])
    else:
        parsed = answer.json()
        if parsed is None:
            found["text"] = answer.text[:160]
        else:
            shape(parsed, "", found)
    return found


def shape_only(found):
    made = {}
    for key, value in found.items():
        if key in ("texts", "usage", "text"):
            continue
        if not key.startswith((".", "[")):
            made[key] = value
            continue
        kind = "text" if isinstance(value, str) else type(value).__name__
        if ".message" in key and isinstance(value, str) and ("error" in found.get("content-type", "") or found["status"] >= 400):
            kind = value
        made.setdefault(re.sub(r"\[\d+\]", "[]", key), set()).add(kind)
    return {k: "/".join(sorted(v)) if isinstance(v, set) else v for k, v in made.items()}


def main():
    first, second, *wanted = sys.argv[1:]
    same = different = 0
    for name, (path, body) in CASES.items():
        if wanted and not any(name == w or name.startswith(w + ".") for w in wanted):
            continue
        a, b = (call(base, path, body) for base in (first, second))
        left, right = describe(a), describe(b)
        if SHAPE:
            left, right = shape_only(left), shape_only(right)
        keys = [k for k in {**left, **right} if left.get(k, "-absent-") != right.get(k, "-absent-")]
        if name.startswith(STATUS_ONLY):
            keys = [k for k in keys if k == "status"]
        if not keys or name in ACCEPTED:
            same += 1
            print(f"{'same' if not keys else 'accepted'}  {name} {a.status}  {ACCEPTED.get(name, '') if keys else ''}".rstrip())
            continue
        different += 1
        print(f"DIFF  {name} {a.status} {b.status}  ({len(keys)} members)")
        for key in keys[:int(os.environ.get("ROWS", "14"))]:
            print(f"        {key}: {str(left.get(key, '-absent-'))[:150]!r} | {str(right.get(key, '-absent-'))[:150]!r}")
    print(f"same or accepted: {same}, different: {different}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
