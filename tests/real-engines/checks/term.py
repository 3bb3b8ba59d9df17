"""SIGTERM to an engine under load: python term.py GATEWAY prefill|decode ENGINE_URL [SECONDS CLIENTS TOKENS]

Prints the engine's probe answers, the state of its process, and the number of requests open for more than 5 s. Two shapes: many
clients with long answers (6, 150): a draining engine that still gets requests is never idle and never exits; few clients with
short answers (2, 3, the default): it becomes idle and stops its scheduler, and requests that arrive then are accepted and never
answered. Exit code 1 when a request was open for more than 30 s, or the process still lives 60 s after the signal.
"""
import os
import signal
import sys
import threading
import time

from wire import call

gateway, which, engine = sys.argv[1:4]
seconds = float(sys.argv[4]) if len(sys.argv) > 4 else 60
clients, tokens = (int(sys.argv[5]), int(sys.argv[6])) if len(sys.argv) > 6 else (2, 3)
root = os.environ.get("ROOT", "/tmp/realpair")
open_since, lock, stop, ends, longest = {}, threading.Lock(), threading.Event(), [], [0.0]


def client(index):
    count = 0
    while not stop.is_set():
        count += 1
        key = (index, count)
        with lock:
            open_since[key] = time.monotonic()
        answer = call(gateway, "/generate", {"text": f"{key}", "sampling_params": {"temperature": 0, "max_new_tokens": tokens, "ignore_eos": True}},
                      timeout=seconds + 60)
        with lock:
            started = open_since.pop(key)
            longest[0] = max(longest[0], time.monotonic() - started)
            if answer.status != 200:
                ends.append((round(time.monotonic() - begin, 1), answer.status, round(time.monotonic() - started, 1), answer.text[:110]))
        time.sleep(0.02 if answer.status == 200 else 1)


threads = [threading.Thread(target=client, args=(i,), daemon=True) for i in range(clients)]
begin = time.monotonic()
for thread in threads:
    thread.start()
time.sleep(3)
pid = int(open(f"{root}/run/{which}.pid").read())
os.kill(pid, signal.SIGTERM)
print(f"TERM {which} at {time.monotonic() - begin:.1f}")
while time.monotonic() - begin < seconds:
    probes = {path: call(engine, path, timeout=2).status for path in ("/model_info", "/health", "/ready", "/v1/loads")}
    try:
        alive = open(f"/proc/{pid}/stat").read().split(")")[1].split()[0]
    except OSError:
        alive = "gone"
    now = time.monotonic()
    with lock:
        hanging = sum(now - since > 5 for since in open_since.values())
    print(f"[{now - begin:5.1f}] process {alive} {probes} hanging > 5 s: {hanging}", flush=True)
    time.sleep(2)
stop.set()
print("not 200:", ends[:12], len(ends))
for thread in threads:
    thread.join(30)
with lock:
    longest[0] = max([longest[0]] + [time.monotonic() - since for since in open_since.values()])
gone = not os.path.exists(f"/proc/{pid}") or open(f"/proc/{pid}/stat").read().split(")")[1].split()[0] == "Z"
print(f"longest request {longest[0]:.1f} s, process {'gone' if gone else 'still there'}")
sys.exit(1 if longest[0] > 30 or not gone else 0)
