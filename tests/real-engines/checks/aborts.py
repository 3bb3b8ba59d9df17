"""Clients that disconnect or abort: do the engines stop? python aborts.py GATEWAY PREFILL DECODE [BOOT_PORT]

Each row starts one long request, ends it in some way, and polls /v1/loads of both engines until they run nothing. Rows named
"direct" send both legs without the gateway and show what the engines themselves do; they are not judged. Exit code 1 when a
request through the gateway still runs 1.2 s after its end.
"""
import sys
import threading
import time

from wire import Stream, call, pair_call, room, running, wait_idle

gateway, prefill, decode = sys.argv[1:4]
boot = int(sys.argv[4]) if len(sys.argv) > 4 else 8998
LONG = {"temperature": 0, "max_new_tokens": 3500, "ignore_eos": True}


running_on = []


def row(name, act):
    for base in (prefill, decode):
        if wait_idle(base, 120) is None:
            print("not idle before", name, base, running(base))
    begin = time.monotonic()
    note = act() or ""
    # An engine publishes its load only now and then: the figure may be a second old.
    time.sleep(1.2)
    left = [running(base)[0] for base in (prefill, decode)]
    idle = [wait_idle(base, 60) for base in (prefill, decode)]
    if name.startswith("gateway") and (any(left) or None in idle):
        running_on.append(name)
    print(f"{name}: running 1.2 s later: prefill {left[0]} decode {left[1]}; idle {fmt(idle[0])}, {fmt(idle[1])} after that. {note}", flush=True)


def fmt(seconds):
    return "NEVER in 60 s" if seconds is None else f"{seconds:.2f} s"


def cut_stream(base, path, body, events=250, also=None):
    def act():
        stream = Stream(base, path, {**body, "stream": True}).open()
        seen = 0
        for line in stream.lines():
            if line.startswith(b"data:"):
                seen += 1
                if seen >= events:
                    break
        before = running(decode)
        stream.cut()
        after = also() if also else ""
        return f"(decode ran {before[0]} before the cut) {after}"
    return act


def cut_whole(base, path, body, wait=1.5):
    def act():
        stream = Stream(base, path, body)
        time.sleep(wait)
        before = running(decode)
        stream.cut()
        return f"(decode ran {before[0]} before the cut)"
    return act


def cut_early(base, path, body):
    def act():
        stream = Stream(base, path, {**body, "stream": True})
        time.sleep(0.02)
        stream.cut()
    return act


def by_rid(base, rid, body, stream):
    def act():
        got = {}

        def run():
            got["answer"] = call(base, "/generate", {**body, "rid": rid, "stream": stream}, timeout=120)

        thread = threading.Thread(target=run)
        thread.start()
        time.sleep(1.5)
        before = running(decode)
        said = call(base, "/abort_request", {"rid": rid, "abort_all": False})
        thread.join(90)
        answer = got.get("answer")
        return (f"(decode ran {before[0]}) abort: {said.status} {said.text[:200]!r}; request: {answer and answer.status} "
                f"{answer and answer.text[-160:]!r}")
    return act


def direct_pair(end):
    """The same without a gateway: both legs streamed, cut, with /abort_request before or after the cut."""
    def act():
        number, rid = room(), f"direct-{room()}"
        body = {"text": "direct", "sampling_params": LONG, "stream": True, "rid": rid, "bootstrap_host": "127.0.0.1",
                "bootstrap_port": boot, "bootstrap_room": number}
        legs = [Stream(prefill, "/generate", body), Stream(decode, "/generate", body)]
        legs[1].open()
        for index, _ in enumerate(legs[1].lines()):
            if index > 250:
                break
        before = running(decode)
        said = ""
        if end == "abort first":
            said = call(decode, "/abort_request", {"rid": rid, "abort_all": False}).status
        for leg in legs:
            leg.cut()
        if end == "cut first":
            time.sleep(0.005)
            said = call(decode, "/abort_request", {"rid": rid, "abort_all": False}).status
        return f"(decode ran {before[0]}) abort {said}"
    return act


if __name__ == "__main__":
    text = {"text": "leave me", "sampling_params": LONG}
    chat = {"model": "tiny", "messages": [{"role": "user", "content": "leave"}], "max_tokens": 3500, "ignore_eos": True, "temperature": 0}
    row("direct pair, streams cut, no abort", direct_pair("none"))
    row("direct pair, abort first", direct_pair("abort first"))
    row("direct pair, cut first", direct_pair("cut first"))
    row("gateway /generate stream cut", cut_stream(gateway, "/generate", text))
    row("gateway chat stream cut", cut_stream(gateway, "/v1/chat/completions", chat))
    row("gateway completions stream cut", cut_stream(gateway, "/v1/completions", {
        "model": "tiny", "prompt": "leave", "max_tokens": 3500, "ignore_eos": True, "temperature": 0}))
    row("gateway n=2 stream cut", cut_stream(gateway, "/generate", {"text": "n", "sampling_params": {**LONG, "n": 2}}))
    row("gateway batch stream cut", cut_stream(gateway, "/generate", {"text": ["a", "b"], "sampling_params": LONG}))
    row("gateway whole answer cut", cut_whole(gateway, "/generate", text))
    row("gateway chat whole answer cut", cut_whole(gateway, "/v1/chat/completions", chat))
    row("gateway cut in the prefill", cut_early(gateway, "/generate", {"text": "long " * 700, "sampling_params": LONG}))
    row("gateway own rid, stream, abort by rid", by_rid(gateway, "mine-1", text, True))
    row("gateway own rid, whole, abort by rid", by_rid(gateway, "mine-2", text, False))
    row("gateway own rid, stream cut", cut_stream(gateway, "/generate", {**text, "rid": "mine-3"}))
    print("still running after their end:", running_on or "none")
    sys.exit(1 if running_on else 0)
