"""Engines that die: python kill.py GATEWAY UP_SH prefill|decode KILL|TERM SECONDS_DOWN [CLIENTS]

Runs a light load through the gateway, ends the engine by that signal (KILL: its whole process group; TERM: its first process, as
a supervisor does), starts it again with UP_SH after SECONDS_DOWN, and prints what clients saw, second by second. Exit code 1 when
no request succeeds within 120 s of the restart, or a request was open for more than 60 s.
"""
import collections
import os
import signal
import subprocess
import sys
import threading
import time

from wire import Stream, call

gateway, up, which, how, down = sys.argv[1:5] + [float(sys.argv[5])]
clients = int(sys.argv[6]) if len(sys.argv) > 6 else 6
root = os.environ.get("ROOT", "/tmp/realpair")
begin, stop, seen, lock = time.monotonic(), threading.Event(), collections.defaultdict(collections.Counter), threading.Lock()
longest, samples = [0.0], {}


def note(outcome, started, text=""):
    now = time.monotonic()
    with lock:
        seen[int(now - begin)][outcome] += 1
        longest[0] = max(longest[0], now - started)
        samples.setdefault(outcome, text[:200])


def client(index):
    while not stop.is_set():
        started = time.monotonic()
        body = {"text": f"client {index} {started}", "sampling_params": {"temperature": 0, "max_new_tokens": 120, "ignore_eos": True}}
        if index % 2:
            stream = Stream(gateway, "/generate", {**body, "stream": True}, timeout=400)
            outcome, last = "broken", b""
            try:
                stream.open()
                for last in stream.lines():
                    if b'"error"' in last:
                        outcome = f"{stream.response.status} error event"
                        note(outcome, started, last.decode("utf-8", "replace"))
                        break
                else:
                    note("ok" if last == b"data: [DONE]" else f"{stream.response.status} no end", started, last.decode("utf-8", "replace"))
            except OSError as broken:
                note(type(broken).__name__, started, repr(broken))
            stream.cut()
        else:
            answer = call(gateway, "/generate", body, timeout=400)
            note("ok" if answer.status == 200 else str(answer.status), started, answer.text)
        time.sleep(0.05)


def mark(text):
    print(f"[{time.monotonic() - begin:6.1f}] {text}", flush=True)


threads = [threading.Thread(target=client, args=(i,), daemon=True) for i in range(clients)]
for thread in threads:
    thread.start()
time.sleep(5)
pid = int(open(f"{root}/run/{which}.pid").read())
if how == "KILL":
    os.killpg(pid, signal.SIGKILL)
else:
    os.kill(pid, signal.SIGTERM)
mark(f"{which} {how}")
gone = time.monotonic()
while time.monotonic() - gone < 60:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        break
    time.sleep(0.1)
mark(f"its processes are gone after {time.monotonic() - gone:.1f} s")
time.sleep(max(0.0, down - (time.monotonic() - gone)))
mark("starting it again")
subprocess.run([up, which], check=True, stdout=subprocess.DEVNULL)
mark("the engine reports healthy")
back = time.monotonic()
while time.monotonic() - back < 120:
    with lock:
        second = int(time.monotonic() - begin)
        if any(seen[s]["ok"] for s in range(int(back - begin) + 1, second + 1)):
            break
    time.sleep(0.1)
mark(f"first good answer {time.monotonic() - back:.1f} s later")
time.sleep(8)
stop.set()
for thread in threads:
    thread.join(400)
mark(f"threads left {sum(t.is_alive() for t in threads)}, longest request {longest[0]:.1f} s")
total = collections.Counter()
for second in sorted(seen):
    total.update(seen[second])
print("per second:", " ".join(f"{s}:" + ",".join(f"{k}={v}" for k, v in seen[s].items()) for s in sorted(seen) if set(seen[s]) != {"ok"}))
print("in all:", dict(total))
for outcome, text in samples.items():
    if outcome != "ok":
        print(outcome, "|", text)
served = any(seen[s]["ok"] for s in seen if s >= int(back - begin))
sys.exit(1 if not served or longest[0] > 60 or any(t.is_alive() for t in threads) else 0)
