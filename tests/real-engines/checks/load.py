"""A mixed load: python load.py URL SECONDS CONCURRENCY [SEED]

Prints outcomes by kind, and latencies. Exit code 1 when a request ends otherwise than it must: 200, or 400 for those that are
too long ("bad"), or cut by this client.
"""
import collections
import random
import sys
import threading
import time

from wire import Stream, call

base, seconds, concurrency = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
outcomes, times, lock = collections.Counter(), collections.defaultdict(list), threading.Lock()
samples = {}
until = time.monotonic() + seconds


def note(kind, outcome, took, text=""):
    with lock:
        outcomes[kind, outcome] += 1
        times[kind].append(took)
        if outcome not in ("200", "cut", "done") and (kind, outcome) not in samples:
            samples[kind, outcome] = text[:300]


def one(pick):
    prompt = "".join(pick.choice("abcdefgh ") for _ in range(pick.choice([5, 40, 200, 900, 2500])))
    length = pick.choice([1, 5, 20, 80])
    kind = pick.choice(["generate", "generate.stream", "chat", "chat.stream", "completions", "batch", "n2", "cut", "logprob", "bad"])
    start = time.monotonic()
    params = {"temperature": 0, "max_new_tokens": length, "ignore_eos": True}
    chat = {"model": "tiny", "messages": [{"role": "user", "content": prompt}], "max_tokens": length, "temperature": 0}
    if kind in ("generate.stream", "chat.stream", "cut"):
        path = "/v1/chat/completions" if kind == "chat.stream" else "/generate"
        body = chat if kind == "chat.stream" else {"text": prompt, "sampling_params": params}
        stream = Stream(base, path, {**body, "stream": True}, timeout=180)
        cut_after = pick.choice([0, 1, 4]) if kind == "cut" else None
        try:
            if cut_after == 0:
                time.sleep(pick.random() * 0.3)
                stream.cut()
                return note(kind, "cut", time.monotonic() - start)
            stream.open()
            last = b""
            for index, line in enumerate(stream.lines()):
                last = line
                if b'"error"' in line:
                    return note(kind, f"{stream.response.status} error event", time.monotonic() - start, line.decode())
                if cut_after and index >= cut_after:
                    stream.cut()
                    return note(kind, "cut", time.monotonic() - start)
            good = stream.response.status == 200 and last == b"data: [DONE]"
            note(kind, "200" if good else f"{stream.response.status} no end", time.monotonic() - start, last.decode("utf-8", "replace"))
        except OSError as broken:
            note(kind, type(broken).__name__, time.monotonic() - start, repr(broken))
        finally:
            stream.cut()
        return
    path, body = {
        "generate": ("/generate", {"text": prompt, "sampling_params": params}),
        "chat": ("/v1/chat/completions", chat),
        "completions": ("/v1/completions", {"model": "tiny", "prompt": prompt, "max_tokens": length, "temperature": 0}),
        "batch": ("/generate", {"text": [prompt, "x", prompt[:3]], "sampling_params": params}),
        "n2": ("/generate", {"text": prompt, "sampling_params": {**params, "n": 2, "temperature": 0.7}}),
        "logprob": ("/generate", {"text": prompt, "sampling_params": params, "return_logprob": True, "logprob_start_len": 0}),
        "bad": ("/generate", {"text": "x" * 5000, "sampling_params": params}),
    }[kind]
    answer = call(base, path, body, timeout=180)
    note(kind, str(answer.status), time.monotonic() - start, answer.text)


def client(index):
    pick = random.Random(seed * 1000 + index)
    while time.monotonic() < until:
        try:
            one(pick)
        except Exception as broken:  # a check of a check: no thread may die silently
            note("client", type(broken).__name__, 0, repr(broken))


threads = [threading.Thread(target=client, args=(i,), daemon=True) for i in range(concurrency)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(seconds + 200)
print("threads left:", sum(t.is_alive() for t in threads))
for (kind, outcome), count in sorted(outcomes.items()):
    print(f"{kind:16} {outcome:18} {count}")
for kind, taken in sorted(times.items()):
    taken.sort()
    print(f"{kind:16} p50 {taken[len(taken) // 2]:.2f} s  max {taken[-1]:.2f} s  n {len(taken)}")
for key, text in samples.items():
    print(key, text)
unexpected = {key: count for key, count in outcomes.items() if key[1] not in ("200", "cut") and key != ("bad", "400")}
print("unexpected outcomes:", unexpected or "none")
sys.exit(1 if unexpected or not outcomes or any(t.is_alive() for t in threads) else 0)
