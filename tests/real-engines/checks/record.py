"""Records what real engines answer: python record.py RELEASE OUT.jsonl SUITE... (run with ROOT's venv, pyzmq and msgspec in it)

Starts and stops its engines itself, on PREFILL_PORT, BOOT_PORT, DECODE_PORT (env.sh and launch.py of the folder above).
Suites: api boot seq life keys parser role dp kv metrics deadly. Lines are added to OUT. PYTHONPATH names another release.
"""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "engines")
ROOT = os.environ.get("ROOT", "/tmp/realpair")
RELEASE, OUT, SUITES = sys.argv[1], sys.argv[2], sys.argv[3:]
PORTS = {"prefill": int(os.environ.get("PREFILL_PORT", 30000)), "bootstrap": int(os.environ.get("BOOT_PORT", 8998)),
         "decode": int(os.environ.get("DECODE_PORT", 30001))}
MAPPED = {PORTS["prefill"]: 30000, PORTS["bootstrap"]: 8998, PORTS["decode"]: 30001,
          PORTS["bootstrap"] + 1: 8999, PORTS["prefill"] + 557: 5557, PORTS["prefill"] + 657: 6557, PORTS["prefill"] + 757: 7557}
RUN = os.path.join(ROOT, "run", f"record-{RELEASE}-{PORTS['prefill']}")
os.makedirs(RUN, exist_ok=True)
KEYS, ADMIN = {}, {}  # authorization that probes of the recorder itself need; ADMIN for control calls to the prefill


def key(to, path):
    return ADMIN if ADMIN and to == "prefill" and path.split("?")[0] in ("/abort_request", "/flush_cache", "/pd_role_switch") else KEYS


# ---------------------------------------------------------------- normalising
TIMES = re.compile(r"(_ts|_time|_latency|_throughput|_us|_pids?|_wait)$|^(created|created_at|completed_at|timestamp|ts_tic|ts|random_seed|pid|rank_port|"
                   r"nccl_port|decode_moments|startup_time|memory_usage|gen_throughput|graph|startup_available|available_gpu_mem|load_time)$")
NESTED = {"startup_time", "memory_usage", "decode_moments", "weight_load_duration", "memory", "scheduler_pids"}
HOST = socket.gethostname()


def clean(text):
    """Volatile parts of a text."""
    for path, name in SUBSTITUTES:
        text = text.replace(path, name)
    text = re.sub(r"\b(resp|msg|call|fc|rs|ctc|chatcmpl|item)([_-])[0-9a-f]{8,}\b", r"\1\2<hex>", text)
    text = re.sub(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<uuid>", text)
    text = re.sub(r"\b[0-9a-f]{32}\b", "<hex32>", text)
    text = re.sub(r"\b20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?", "<iso8601>", text)
    text = re.sub(r"\[\d\d:\d\d:\d\d\]", "[<time>]", text)
    text = re.sub(r"\b0x[0-9a-f]{8,}\b", "<address>", text)
    text = re.sub(r"(127\.0\.0\.[12]):(\d{4,5})\b", lambda m: m.group(1) + ":" + (str(MAPPED[int(m.group(2))]) if int(m.group(2)) in MAPPED else "<port>"), text)
    for own, usual in MAPPED.items():
        text = re.sub(rf"\b{own}\b", str(usual), text)
    text = re.sub(r"\b(after|within|in) \d+\.\d+ ?s\b", r"\1 <float>s", text)
    text = re.sub(r"(/tmp|/root|/work|/home)/[\w./+-]*", "<path>", text)
    return text


SUBSTITUTES = []
for entry in (os.environ.get("PYTHONPATH", "").split(":")):
    if entry:
        SUBSTITUTES.append((entry, "<site>"))
SUBSTITUTES += [(os.path.join(ROOT, "v/lib/python3.11/site-packages"), "<site>"), (os.path.join(ROOT, "tiny"), "<model>"), (HERE, "<launcher>"), (ROOT, "<root>")]
if len(HOST) > 3:
    SUBSTITUTES.append((HOST, "<host>"))


def walk(value, path, varies, loose=False):
    if isinstance(value, dict):
        return {k: walk(v, f"{path}.{k}", varies, loose or k in NESTED or bool(TIMES.search(k)) and not isinstance(v, str)) for k, v in value.items()}
    if isinstance(value, list):
        return [walk(v, f"{path}[]", varies, loose) for v in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, str):
        new = clean(value)
        if new != value:
            varies.add(path)
        return new
    if loose and value:
        varies.add(path)
        if value > 1e9:
            return 1700000000 if isinstance(value, int) else 1700000000.5
        return value if isinstance(value, int) else round(value, 4)
    if isinstance(value, int) and value in MAPPED:
        return MAPPED[value]
    return value


def normal(text, varies, path="$"):
    """JSON text in its own style (blanks, order, escapes), volatile values replaced; other text cleaned."""
    try:
        value = json.loads(text)
    except ValueError:
        return clean(text)
    if not isinstance(value, (dict, list)):
        return clean(text)
    for style in ({"separators": (",", ":"), "ensure_ascii": False}, {"ensure_ascii": True}, {"ensure_ascii": False},
                  {"separators": (",", ":"), "ensure_ascii": True}, {"indent": 2, "ensure_ascii": False}):
        if json.dumps(value, **style) == text:
            break
    else:
        style = {"separators": (",", ":"), "ensure_ascii": False} if '": ' not in text[:60] else {"ensure_ascii": False}
    return json.dumps(walk(value, path, varies), **style)


def frame(text, varies):
    lines = text.split("\n")
    for index, line in enumerate(lines):
        if line.startswith("data: {"):
            lines[index] = "data: " + normal(line[6:], varies, "frames[].$")
    return "\n".join(lines)


def shorten(text, limit=6000):
    return text if len(text) <= limit else text[:limit // 2] + f"<... {len(text) - limit} characters cut ...>" + text[-limit // 2:]


def answer(raw, limit=200000):
    """An exchange as it is written down."""
    if raw is None:
        return None
    out, varies = {k: raw[k] for k in ("error", "status", "head_ms") if k in raw}, set()
    if "headers" in raw:
        out["headers"] = {k: ("<date>" if k == "date" else "<n>" if k == "content-length" else v) for k, v in raw["headers"]}
    if "frames" in raw:
        frames = [{"ms": ms, "data": shorten(frame(data.decode("utf-8", "replace"), varies), 3000 if limit < 100000 else 20000)} for ms, data in raw["frames"]]
        if len(frames) > 40:
            out["frames"], out["frames_omitted"] = frames[:4] + frames[-4:], len(frames) - 8
        else:
            out["frames"] = frames
    elif "body" in raw:
        out["body"] = shorten(normal(raw["body"].decode("utf-8", "replace"), varies), limit)
    for name in ("ms", "closed", "cut"):
        if name in raw:
            out[name] = raw[name]
    if varies:
        out["varies"] = sorted(varies)
    return out


def sent(method, path, headers, body):
    out = {"method": method, "path": clean(path)}
    if headers:
        out["headers"] = headers
    if body is not None:
        text = body.decode("utf-8", "replace") if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False)
        text = re.sub(r"((?:x|abc def ){1,})(?=[^x]|$)", lambda m: m.group(1) if len(m.group(1)) < 200 else
                      (f"<x*{len(m.group(1))}>" if m.group(1)[0] == "x" else f"<'abc def '*{len(m.group(1)) // 8}>"), text)
        out["body"] = clean(shorten(text))
    return out


# ---------------------------------------------------------------- one exchange
def exchange(port, method, path, body=None, headers=None, timeout=15, cut_frames=None, cut_ms=None, host="127.0.0.1", box=None):
    begin = time.monotonic()
    raw = box if box is not None else {}

    def ms():
        return round((time.monotonic() - begin) * 1000)

    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    lines = {"Host": f"{host}:{port}", "Accept": "*/*"}
    if data is not None:
        lines["Content-Type"] = "application/json"
        lines["Content-Length"] = str(len(data))
    for k, v in (headers or {}).items():
        if v is None:
            lines.pop(k, None)
        else:
            lines[k] = v
    limit = begin + timeout
    try:
        sock = socket.create_connection((host, port), timeout=3)
        if sock.getsockname() == sock.getpeername():  # a port of the ephemeral range can meet itself
            sock.close()
            raise ConnectionRefusedError
    except OSError as broken:
        raw.update(error="refused" if isinstance(broken, ConnectionRefusedError) else type(broken).__name__, ms=ms())
        return raw
    buffer = b""

    class Cut(Exception):
        pass

    def more():
        nonlocal buffer
        until = limit if cut_ms is None else min(limit, begin + cut_ms / 1000)
        left = until - time.monotonic()
        if left <= 0:
            raise Cut("client" if cut_ms is not None and until < limit else "timeout")
        sock.settimeout(left)
        try:
            piece = sock.recv(1 << 16)
        except (TimeoutError, socket.timeout):
            raise Cut("client" if cut_ms is not None and until < limit else "timeout") from None
        if not piece:
            raise EOFError
        buffer += piece

    def line():
        nonlocal buffer
        while b"\r\n" not in buffer:
            more()
        first, buffer = buffer.split(b"\r\n", 1)
        return first

    def take(count):
        nonlocal buffer
        while len(buffer) < count:
            more()
        first, buffer = buffer[:count], buffer[count:]
        return first

    try:
        sock.sendall((f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items()) + "\r\n").encode() + (data or b""))
        raw["status"] = int(line().split()[1])
        found = []
        while True:
            text = line().decode("latin-1")
            if not text:
                break
            name, value = text.split(":", 1)
            found.append((name.lower(), value.strip()))
        raw["headers"], raw["head_ms"] = found, ms()
        kinds = dict(found)
        if method == "HEAD" or raw["status"] in (204, 304):
            raw["body"] = b""
        elif kinds.get("transfer-encoding") == "chunked":
            events = "event-stream" in kinds.get("content-type", "")
            raw["frames" if events else "body"] = [] if events else b""
            while True:
                size = int(line().split(b";")[0], 16)
                piece = take(size)
                line()
                if size == 0:
                    break
                if events:
                    raw["frames"].append((ms(), piece))
                    if cut_frames and len(raw["frames"]) >= cut_frames:
                        raise Cut("client")
                else:
                    raw["body"] += piece
        else:
            raw["body"] = take(int(kinds.get("content-length", 0)))
        raw["ms"] = ms()
        sock.settimeout(0.02)
        try:
            raw["closed"] = sock.recv(1) == b""
        except OSError as kind:
            raw["closed"] = isinstance(kind, ConnectionResetError)
    except Cut as kind:
        raw.update(ms=ms(), **({"cut": "by the recorder"} if str(kind) == "client" else {"error": "no (complete) answer in time; the recorder closed"}))
        if buffer and "status" not in raw:
            raw["body"] = buffer
    except EOFError:
        raw.update(ms=ms(), error="connection closed before the end" if "status" in raw else "connection closed without an answer", closed=True)
    except OSError as broken:
        raw.update(ms=ms(), error=type(broken).__name__, closed=True)
    finally:
        sock.close()
    return raw


# ---------------------------------------------------------------- engines
RUNNING, FLAGS, ENV = {}, {}, {}


class Adopted:
    """An engine that an earlier recorder left: ADOPT=prefill:PID,decode:PID (no further flags)."""

    def __init__(self, pid):
        self.pid = int(pid)

    def poll(self):
        try:
            with open(f"/proc/{self.pid}/stat") as stat:
                return None if stat.read().split(")")[1].split()[0] != "Z" else -1
        except OSError:
            return -1

    def wait(self, _):
        while self.poll() is None:
            time.sleep(0.1)


for pair_of in filter(None, os.environ.get("ADOPT", "").split(",")):
    RUNNING[pair_of.split(":")[0]], FLAGS[pair_of.split(":")[0]], ENV[pair_of.split(":")[0]] = Adopted(pair_of.split(":")[1]), [], {}
# Cases that OUT has already (an earlier run was broken off) are left out with RESUME=1.
HAVE = set()
if os.environ.get("RESUME") and os.path.exists(OUT):
    with open(OUT) as old:
        HAVE = {json.loads(text)["case"] for text in old}


def leave(*_):
    for name in list(RUNNING):
        stop(name)
    os._exit(1)


signal.signal(signal.SIGTERM, leave)


def launch(name, flags=(), env=None):
    stop(name)
    FLAGS[name], ENV[name] = list(flags), dict(env or {})
    log = os.path.join(RUN, name + ".log")
    if os.path.exists(log):
        with open(log, "rb") as old, open(log + ".all", "ab") as into:
            into.write(old.read())
    side = ("--disaggregation-mode prefill --disaggregation-bootstrap-port %d" % PORTS["bootstrap"] if name == "prefill" else
            "--disaggregation-mode decode --disaggregation-decode-retraction-backup cpu_tensor")
    if name == "decode" and "--enable-pd-role-switch" in flags:
        side += " --disaggregation-bootstrap-port %d" % (PORTS["bootstrap"] + 1)
    sets = "".join(f"export {k}={v!r}; " for k, v in (env or {}).items())
    script = f'cd {HERE!r}; . ./env.sh; {sets}exec "$python" launch.py "${{common[@]}}" --port {PORTS[name]} "${{pair[@]}}" {side} "$@"'
    with open(log, "wb") as out:
        RUNNING[name] = subprocess.Popen(["bash", "-c", script, "bash", *flags], stdout=out, stderr=subprocess.STDOUT,
                                         stdin=subprocess.DEVNULL, start_new_session=True, env={**os.environ, "ROOT": ROOT})


def ready(*names, seconds=500):
    begin = time.monotonic()
    for name in names:
        while True:
            if exchange(PORTS[name], "GET", "/health", timeout=25).get("status") == 200:
                break
            if RUNNING[name].poll() is not None or time.monotonic() - begin > seconds:
                with open(os.path.join(RUN, name + ".log"), errors="replace") as log:
                    print("".join(log.readlines()[-15:]))
                raise SystemExit(f"{name} does not come up")
            time.sleep(0.5)
    print(time.strftime("%H:%M:%S"), *names, "up after", round(time.monotonic() - begin), "s", flush=True)


def fresh(prefill=(), decode=(), env=None):
    launch("prefill", prefill, env)
    launch("decode", decode, env)
    ready("prefill", "decode")
    # the first contact of the two engines is no part of the cases
    pair(None, "/generate", {"text": "warm", "sampling_params": G})


def stop(name, how=signal.SIGKILL):
    process = RUNNING.pop(name, None)
    if process is None:
        return
    try:
        os.killpg(process.pid, how)
    except ProcessLookupError:
        pass
    process.wait(30)


def alive(name):
    return RUNNING.get(name) is not None and RUNNING[name].poll() is None and exchange(PORTS[name], "GET", "/v1/models", headers=KEYS, timeout=5).get("status") is not None


SIDES = ("prefill", "decode")


def restore(case):
    dead = [name for name in SIDES if not alive(name)]
    if dead:
        time.sleep(2)
        dead = [name for name in SIDES if not alive(name)]
    if dead:
        print("   ", case, "ended", dead, flush=True)
        again(*dead)
    return dead


def again(*names):
    """Starts these once more, and waits until the pair works: the other side may have to notice first."""
    for name in names:
        launch(name, FLAGS.get(name, []), ENV.get(name))
    ready(*SIDES)
    for _ in range(6):
        boxes = pair(None, "/generate", {"text": "warm", "sampling_params": G}, abort_after=12)
        if all(box.get("status") == 200 for box in boxes.values()):
            return
        time.sleep(2)
    print("    the pair does not work again, starting both", flush=True)
    fresh(FLAGS["prefill"], FLAGS["decode"], ENV["prefill"])


# ---------------------------------------------------------------- lines
COUNT, ROOMS = {}, [4611686018427387904]


def emit(line):
    if line["case"] is None:
        return
    COUNT[line["case"]] = COUNT.get(line["case"], 0) + 1
    if COUNT[line["case"]] > 1:
        line["case"] += f"#{COUNT[line['case']]}"
    line = {"release": RELEASE, "case": line.pop("case"), "setup": {k: [clean(f) for f in FLAGS.get(k, [])] for k in SIDES}, **line}
    extra = {k: v for k, v in ENV.get("prefill", {}).items()}
    if extra:
        line["setup"]["env"] = extra
    with open(OUT, "a") as out:
        out.write(json.dumps(line, ensure_ascii=False) + "\n")


def room():
    ROOMS[0] += 1
    return ROOMS[0]


def count(body):
    for name in ("text", "input_ids", "prompt"):
        value = body.get(name)
        if isinstance(value, list) and value and isinstance(value[0], (str, list)):
            return len(value)
    return None


def with_room(body, trip=True, port=None, host="127.0.0.1"):
    if not isinstance(body, dict) or trip is False:
        return body
    number, port = count(body), port or PORTS["bootstrap"]
    made = {"bootstrap_host": host, "bootstrap_port": port, "bootstrap_room": room()}
    if number is not None:
        made = {"bootstrap_host": [host] * number, "bootstrap_port": [port] * number, "bootstrap_room": [room() for _ in range(number)]}
    if isinstance(trip, dict):
        made.update(trip)
    return {**body, **{k: v for k, v in made.items() if v != "-"}}


def idle(seconds=4):
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        if all(exchange(PORTS[n], "POST", "/flush_cache", b"", headers=key(n, "/flush_cache"), timeout=5).get("status") == 200 for n in SIDES):
            return True
        time.sleep(0.3)
    return False


def pair(case, path, body, trip=True, headers=None, timeout=15, abort_after=None, delay=None, method="POST", note=None, bodies=None, flush=True, **cuts):
    """Both legs at once, one line. `trip`: members to change ("-" = leave out); False = none."""
    if case in HAVE:
        return None
    if case and flush:
        for name in SIDES:
            exchange(PORTS[name], "POST", "/flush_cache", b"", headers=key(name, "/flush_cache"), timeout=5)
    whole = with_room(body, trip)
    each = {name: {**whole, **(bodies or {}).get(name, {})} if isinstance(whole, dict) else whole for name in SIDES}
    boxes, threads, notes = {name: {} for name in SIDES}, [], [note] if note else []
    begin = time.monotonic()

    def leg(name):
        time.sleep((delay or {}).get(name, 0))
        exchange(PORTS[name], method, path, each[name], headers, timeout, box=boxes[name], **cuts)

    for name in SIDES:
        threads.append(threading.Thread(target=leg, args=(name,)))
        threads[-1].start()
    aborted = False
    for thread in threads:
        if abort_after is not None:
            thread.join(max(0.0, abort_after - (time.monotonic() - begin)))
    if abort_after is not None and any(t.is_alive() for t in threads):
        pending = [name for name, t in zip(SIDES, threads) if t.is_alive()]
        aborted = True
        at = round((time.monotonic() - begin) * 1000)
        for name in SIDES:
            exchange(PORTS[name], "POST", "/abort_request", {"abort_all": True}, headers=key(name, "/abort_request"), timeout=5)
        notes.append(f"nothing ended {'/'.join(pending)}: abort_all was sent to both engines at {at} ms")
    for thread in threads:
        thread.join()
    line = {"case": case, "to": "pair", "request": sent(method, path, headers, whole)}
    if bodies:
        line["request"]["members_of_one_leg"] = bodies
    if delay:
        line["delay_ms"] = {k: round(v * 1000) for k, v in delay.items()}
    line["answers"] = {name: answer(boxes[name]) for name in SIDES}
    broken = any("error" in boxes[name] for name in SIDES)
    if case and broken:
        time.sleep(0.5)
        dead = [name for name in SIDES if not alive(name)]
        if dead:
            line["ended"] = dead
            notes.append("the engine(s) under `ended` went down")
    if notes:
        line["note"] = "; ".join(notes)
    emit(line)
    if case and broken:
        restore(case)
    if aborted or broken:
        idle()
    return boxes


def one(case, to, method, path, body=None, headers=None, note=None, timeout=15, **cuts):
    raw = exchange(PORTS[to], method, path, body, headers, timeout, **cuts)
    line = {"case": case, "to": to, "request": sent(method, path, headers, body), "answers": {to: answer(raw)}}
    if note:
        line["note"] = note
    emit(line)
    return raw


class Sequence:
    """Several exchanges with their times, one line."""

    def __init__(self, case, note=None):
        self.case, self.note, self.steps, self.begin, self.threads = case, note, [], time.monotonic(), []
        idle(6)
        self.begin = time.monotonic()

    def at(self):
        return round((time.monotonic() - self.begin) * 1000)

    def event(self, text):
        self.steps.append({"at_ms": self.at(), "event": text})

    def send(self, name, to, method, path, body=None, wait=False, port=None, headers=None, **more):
        step = {"step": name, "at_ms": self.at(), "to": to, "request": sent(method, path, headers, body)}
        box = {}
        step["_box"] = box
        self.steps.append(step)
        thread = threading.Thread(target=exchange, args=(port or PORTS[to], method, path, body, {**key(to, path), **(headers or {})}), kwargs={"box": box, "timeout": 60, **more})
        thread.start()
        self.threads.append(thread)
        if wait:
            thread.join()
        return box

    def legs(self, name, path, body, trip=True, wait=False, **more):
        whole = with_room(body, trip)
        each = {}
        for side in SIDES:
            each[side] = self.send(f"{name}.{side}", side, "POST", path, whole, **{**more, **(more.get(side) or {})} if False else more)
        if wait:
            self.join()
        return each

    def join(self, seconds=90):
        until = time.monotonic() + seconds
        for thread in self.threads:
            thread.join(max(0.1, until - time.monotonic()))
        self.threads = [t for t in self.threads if t.is_alive()]

    def watch(self, to, seconds, every=0.5, paths=("/v1/loads",)):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            seen = {}
            at = self.at()
            for path in paths:
                raw = exchange(PORTS[to], "GET", path, headers=key(to, path), timeout=2)
                value = raw.get("status") or raw.get("error")
                if path == "/v1/loads" and raw.get("status") == 200:
                    loads = json.loads(raw["body"])["loads"]
                    value = [[x["num_running_reqs"], x["num_waiting_reqs"], x["num_used_tokens"]] for x in loads]
                seen[path] = value
            self.steps.append({"at_ms": at, "probe": to, "seen": seen})
            if not every:
                break
            time.sleep(every)

    def done(self):
        self.join()
        for step in self.steps:
            box = step.pop("_box", None)
            if box is not None:
                step["answer"] = answer(dict(box), 8000)
        line = {"case": self.case, "to": "sequence", "steps": self.steps}
        if self.note:
            line["note"] = self.note
        emit(line)
        print("   ", self.case, self.at(), "ms", flush=True)


# ---------------------------------------------------------------- cases
G = {"temperature": 0, "max_new_tokens": 6}
LONG = {"temperature": 0, "max_new_tokens": 2500, "ignore_eos": True}
FOX = "the quick brown fox"
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"enum": ["x", "y"]}}, "required": ["a", "b"], "additionalProperties": False}
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "d", "parameters": {
    "type": "object", "properties": {"city": {"enum": ["Rome", "Oslo"]}}, "required": ["city"]}}}]
CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "hello there"}], "temperature": 0, "max_tokens": 6}
DONE = {"model": "tiny", "prompt": "once upon a time", "temperature": 0, "max_tokens": 6}
NAMED = {"type": "function", "function": {"name": "weather"}}


def tools(prefix):
    c = "/v1/chat/completions"
    pair(prefix + "tools.auto", c, {**CHAT, "tools": TOOLS})
    pair(prefix + "tools.required", c, {**CHAT, "max_tokens": 80, "tools": TOOLS, "tool_choice": "required"})
    pair(prefix + "tools.named", c, {**CHAT, "max_tokens": 80, "tools": TOOLS, "tool_choice": NAMED})
    pair(prefix + "tools.none", c, {**CHAT, "tools": TOOLS, "tool_choice": "none"})
    pair(prefix + "tools.required.stream", c, {**CHAT, "max_tokens": 80, "tools": TOOLS, "tool_choice": "required", "stream": True})
    pair(prefix + "tools.named.stream", c, {**CHAT, "max_tokens": 80, "tools": TOOLS, "tool_choice": NAMED, "stream": True})
    pair(prefix + "tools.required.missing", c, {**CHAT, "tool_choice": "required"})
    pair(prefix + "tools.named.unknown", c, {**CHAT, "tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "other"}}})


def suite_api():
    if RUNNING:
        ready(*SIDES)
    else:
        fresh()
    g = "/generate"

    def gen(name, more=None, params=None, text=FOX, **kw):
        body = {"text": text, "sampling_params": {**G, **(params or {})}, **(more or {})}
        pair("generate." + name, g, body, **kw)

    gen("text")
    gen("text.put", method="PUT")
    gen("text.again", note="same prompt again without a flush between", flush=False)
    pair("generate.input_ids", g, {"input_ids": [1, 20, 30, 40, 50], "sampling_params": G})
    gen("batch", text=["one", "two and more"])
    gen("batch.of_one", text=["one"])
    gen("batch.params", {"sampling_params": [G, {**G, "max_new_tokens": 2}]}, text=["one", "two"])
    pair("generate.batch.ids", g, {"input_ids": [[20, 21], [30, 31, 32]], "sampling_params": G})
    gen("batch.scalar_room", text=["one", "two"], trip={"bootstrap_host": "127.0.0.1", "bootstrap_port": PORTS["bootstrap"], "bootstrap_room": 5000})
    gen("stream", {"stream": True})
    gen("stream.batch", {"stream": True}, text=["one", "two"])
    for start in (0, 4, -1):
        gen(f"logprob.start{start}", {"return_logprob": True, "logprob_start_len": start})
    gen("logprob.start_too_large", {"return_logprob": True, "logprob_start_len": 1000})
    gen("logprob.default", {"return_logprob": True})
    gen("logprob.top", {"return_logprob": True, "logprob_start_len": 0, "top_logprobs_num": 2})
    gen("logprob.ids", {"return_logprob": True, "logprob_start_len": 0, "token_ids_logprob": [20, 30]})
    gen("logprob.text", {"return_logprob": True, "logprob_start_len": 0, "top_logprobs_num": 1, "return_text_in_logprobs": True})
    gen("logprob.stream", {"return_logprob": True, "logprob_start_len": 0, "top_logprobs_num": 1, "stream": True})
    gen("logprob.batch", {"return_logprob": True, "logprob_start_len": 0}, text=["log", "probs"])
    gen("logprob.flat", {"return_logprob": True, "logprob_start_len": 0, "top_logprobs_num": 2, "return_flat_raw_top_logprobs": True})
    gen("stop", params={"stop": ["a", "e", " "], "max_new_tokens": 60})
    gen("stop.no_trim", params={"stop": ["a", "e", " "], "max_new_tokens": 60, "no_stop_trim": True})
    gen("stop.ids", params={"stop_token_ids": [70, 71, 72, 73, 74, 75], "max_new_tokens": 60})
    gen("stop.stream", {"stream": True}, params={"stop": ["a", "e", " "], "max_new_tokens": 60})
    gen("stop.33", params={"stop": [f"s{i}" for i in range(33)]})
    gen("regex", params={"regex": "(ab|cd)+x", "max_new_tokens": 12})
    gen("regex.bad", params={"regex": "(("})
    gen("regex.bad.stream", {"stream": True}, params={"regex": "(("})
    gen("schema", params={"json_schema": json.dumps(SCHEMA), "max_new_tokens": 60})
    gen("schema.object", params={"json_schema": SCHEMA, "max_new_tokens": 60})
    gen("schema.bad", params={"json_schema": "{nonsense"})
    gen("max0", params={"max_new_tokens": 0})
    gen("max0.logprob", {"return_logprob": True, "logprob_start_len": 0}, params={"max_new_tokens": 0})
    gen("max1", params={"max_new_tokens": 1})
    gen("max1.stream", {"stream": True}, params={"max_new_tokens": 1})
    gen("max_negative", params={"max_new_tokens": -1})
    gen("min_over_max", params={"min_new_tokens": 20})
    gen("rid", {"rid": "my-own-rid"})
    gen("rid.batch", {"rid": ["r-one", "r-two"]}, text=["a", "b"])
    gen("rid.batch.string", {"rid": "r-string"}, text=["a", "b"])
    gen("rid.batch.short", {"rid": ["r-one"]}, text=["a", "b"])
    gen("rid.batch.duplicate", {"rid": ["r-one", "r-one"]}, text=["a", "b"])
    gen("rid.number", {"rid": 5})
    gen("priority", {"priority": 3})
    gen("priority.string", {"priority": "high"})
    gen("session_id", {"session_id": "s-1"})
    gen("extra_key", {"extra_key": "k"})
    gen("cache_salt", {"cache_salt": "salt"})
    gen("custom_params", params={"custom_params": {"a": 1}})
    gen("sampling_seed", params={"sampling_seed": 7, "temperature": 1})
    gen("logit_bias", params={"logit_bias": {"80": 100}})
    gen("unknown_member", {"nonsense": 1})
    gen("unknown_sampling_member", params={"nonsense": 1})
    gen("unknown_sampling_member.stream", {"stream": True}, params={"nonsense": 1})
    gen("data_parallel_rank", {"data_parallel_rank": 5})
    gen("routed_dp_rank0", {"routed_dp_rank": 0, "disagg_prefill_dp_rank": 0})
    gen("routed_dp_rank5", {"routed_dp_rank": 5})
    gen("routed_dp_rank5.stream", {"routed_dp_rank": 5, "stream": True})
    gen("disagg_prefill_dp_rank5", {"disagg_prefill_dp_rank": 5}, abort_after=5)
    gen("kv_hints", {"kv_hints": {"protocol_version": "1", "message_id": "m", "actions": []}})
    gen("kv_hints.bad", {"kv_hints": {"actions": 3}})
    gen("beam", params={"beam_width": 2})
    gen("return_hidden_states", {"return_hidden_states": True})
    gen("lora_path", {"lora_path": "nothing"})
    gen("header_rank", headers={"X-Data-Parallel-Rank": "0"})
    gen("header_rank.bad", headers={"X-Data-Parallel-Rank": "x"})
    for key, value in (("temperature", "hot"), ("temperature", -1), ("top_p", 7), ("top_k", 0), ("max_new_tokens", 6.0), ("max_new_tokens", "6"), ("max_new_tokens", None),
                       ("stop", 5), ("ignore_eos", "yes"), ("n", 0), ("frequency_penalty", 9), ("skip_special_tokens", 1)):
        gen(f"type.sampling.{key}.{value}", params={key: value})
    for key, value in (("stream", "yes"), ("stream", 1), ("text", 5), ("text", None), ("text", []), ("return_logprob", "x"), ("logprob_start_len", 1.5),
                       ("sampling_params", "x"), ("sampling_params", None), ("top_logprobs_num", "2"), ("input_ids", [1, 2])):
        gen(f"type.{key}.{json.dumps(value)}", {key: value})
    pair("generate.input_ids.empty", g, {"input_ids": [], "sampling_params": G})
    pair("generate.input_ids.float", g, {"input_ids": [1.5, 2], "sampling_params": G})
    b = json.dumps(with_room({"text": FOX, "sampling_params": G}))
    pair("generate.nan", g, b.replace('"temperature": 0', '"temperature": NaN').encode())
    pair("generate.huge_int", g, b.replace('"max_new_tokens": 6', '"max_new_tokens": 99999999999999999999').encode())
    pair("generate.duplicate_member", g, (b[:-1] + ', "text": "second"}').encode())
    pair("generate.body.empty", g, b"")
    pair("generate.body.empty_object", g, b"{}")
    pair("generate.body.array", g, b"[]")
    pair("generate.body.null", g, b"null")
    pair("generate.body.bad_json", g, b'{"text": "a", ')
    pair("generate.body.bad_utf8", g, b'{"text": "\xff", "sampling_params": {}}')
    pair("generate.body.text_plain", g, b.encode(), headers={"Content-Type": "text/plain"})
    pair("generate.body.no_type", g, json.dumps(with_room({"text": FOX, "sampling_params": G})).encode(), headers={"Content-Type": None})
    pair("generate.body.charset", g, json.dumps(with_room({"text": FOX, "sampling_params": G})).encode(), headers={"Content-Type": "application/json; charset=utf-8"})
    gen("too_long", text="x" * 6000)
    gen("too_long.stream", {"stream": True}, text="x" * 6000)
    gen("too_long.with_new", params={"max_new_tokens": 4000}, text="x" * 2000, abort_after=3)
    gen("longest", text="x" * 4090, params={"max_new_tokens": 2})
    gen("room.missing", trip={"bootstrap_room": "-"})
    gen("room.null", trip={"bootstrap_room": None})
    gen("room.missing.stream", {"stream": True}, trip={"bootstrap_room": "-"})
    gen("triplet.missing", trip=False)
    gen("room.0", trip={"bootstrap_room": 0}, abort_after=4)
    gen("room.negative", trip={"bootstrap_room": -7}, abort_after=5)
    gen("room.max", trip={"bootstrap_room": 2**63 - 1}, abort_after=5)
    gen("room.2^64", trip={"bootstrap_room": 2**64}, abort_after=5)
    gen("room.string", trip={"bootstrap_room": "77"}, abort_after=5)
    gen("room.float", trip={"bootstrap_room": 78.0}, abort_after=5)
    gen("room.float.part", trip={"bootstrap_room": 78.5}, abort_after=5)
    gen("room.bool", trip={"bootstrap_room": True}, abort_after=5)
    gen("port.wrong", trip={"bootstrap_port": 1}, abort_after=20, timeout=40)
    gen("port.string", trip={"bootstrap_port": str(PORTS["bootstrap"])}, abort_after=5)
    gen("port.null", trip={"bootstrap_port": None}, abort_after=4)
    gen("list.short", text=["a", "b", "c"], trip={"bootstrap_room": [901, 902]}, abort_after=4)
    gen("list.long", text=["a", "b"], trip={"bootstrap_room": [911, 912, 913]}, abort_after=4)
    gen("list.null_item", text=["a", "b"], trip={"bootstrap_room": [921, None]}, abort_after=4)
    gen("list.short.stream", {"stream": True}, text=["a", "b", "c"], trip={"bootstrap_room": [931, 932]}, abort_after=4)
    gen("list.same_room", text=["a", "b"], trip={"bootstrap_room": [941, 941]}, abort_after=6)
    gen("n2", params={"n": 2}, abort_after=6)
    gen("n2.stream", {"stream": True}, params={"n": 2}, abort_after=6)
    two_rooms()
    print("   generate done", sum(COUNT.values()), flush=True)

    c, d = "/v1/chat/completions", "/v1/completions"

    def chat(name, more=None, **kw):
        pair("chat." + name, c, {**CHAT, **(more or {})}, **kw)

    def done(name, more=None, **kw):
        pair("completions." + name, d, {**DONE, **(more or {})}, **kw)

    for name, path, body in (("chat.", c, CHAT), ("completions.", d, DONE)):
        pair(name + "whole", path, body)
        pair(name + "stream", path, {**body, "stream": True})
        pair(name + "stream.usage", path, {**body, "stream": True, "stream_options": {"include_usage": True}})
        pair(name + "stream.usage.continuous", path, {**body, "stream": True, "stream_options": {"include_usage": True, "continuous_usage_stats": True}})
        pair(name + "stream_options.whole", path, {**body, "stream_options": {"include_usage": True}})
        pair(name + "n2", path, {**body, "n": 2}, abort_after=5)
        pair(name + "max0", path, {**body, "max_tokens": 0})
        pair(name + "max1", path, {**body, "max_tokens": 1})
        pair(name + "max_missing", path, {k: v for k, v in body.items() if k != "max_tokens"} | {"stop": [" "]})
        pair(name + "rid", path, {**body, "rid": "own-" + name.strip(".")})
        pair(name + "rid.stream", path, {**body, "rid": "own2-" + name.strip("."), "stream": True})
        pair(name + "unknown_model", path, {**body, "model": "other"})
        pair(name + "adapter_model", path, {**body, "model": "tiny:adapter"})
        pair(name + "no_model", path, {k: v for k, v in body.items() if k != "model"})
        pair(name + "ignore_eos", path, {**body, "ignore_eos": True})
        pair(name + "return_hidden_states", path, {**body, "return_hidden_states": True})
        pair(name + "unknown_member", path, {**body, "nonsense": 1})
        pair(name + "room.missing", path, body, trip=False)
        pair(name + "room.missing.stream", path, {**body, "stream": True}, trip=False)
        pair(name + "room.string", path, body, trip={"bootstrap_room": "77"})
        pair(name + "type.temperature", path, {**body, "temperature": "hot"})
        pair(name + "type.max_tokens", path, {**body, "max_tokens": 6.5})
        pair(name + "range.top_p", path, {**body, "top_p": 7})
        pair(name + "range.temperature.stream", path, {**body, "temperature": -1, "stream": True})
        pair(name + "body.bad_json", path, b'{"model": ')
        pair(name + "body.empty", path, b"")
        pair(name + "body.text_plain", path, json.dumps(body).encode(), headers={"Content-Type": "text/plain"})
        pair(name + "header_rank.bad", path, body, headers={"X-Data-Parallel-Rank": "x"})
        pair(name + "header_rank.5", path, body, headers={"X-Data-Parallel-Rank": "5"})
        pair(name + "header_rank.5.stream", path, {**body, "stream": True}, headers={"X-Data-Parallel-Rank": "5"})
        pair(name + "response_format.object", path, {**body, "max_tokens": 8, "response_format": {"type": "json_object"}})
        pair(name + "response_format.schema", path, {**body, "max_tokens": 60, "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}}})
        pair(name + "response_format.bad", path, {**body, "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "nonsense"}}}})
        pair(name + "response_format.unknown", path, {**body, "response_format": {"type": "yaml"}})
        pair(name + "stop", path, {**body, "max_tokens": 40, "stop": ["a", "e", " "]})
        pair(name + "priority", path, {**body, "priority": 1})
        pair(name + "cache_salt", path, {**body, "cache_salt": "s", "extra_key": "k", "session_id": "z"})
    chat("logprobs", {"logprobs": True, "top_logprobs": 2})
    chat("logprobs.stream", {"logprobs": True, "top_logprobs": 2, "stream": True})
    chat("logprobs.too_many", {"logprobs": True, "top_logprobs": 21})
    chat("messages.missing", {"messages": None})
    pair("chat.messages.absent", c, {"model": "tiny"})
    chat("messages.empty", {"messages": []})
    chat("messages.bad_role", {"messages": [{"role": "nobody", "content": 3}]})
    chat("messages.parts", {"messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]})
    chat("messages.image", {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aaaa"}}]}]})
    chat("separate_reasoning", {"separate_reasoning": True})
    chat("max_completion_tokens", {"max_completion_tokens": 3})
    chat("continue_final_message", {"continue_final_message": True, "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "he"}]})
    chat("ids_headers", headers={"x-sglext-return-input-ids": "1", "x-sglext-return-output-ids": "1"})
    chat("ids_headers.stream", {"stream": True}, headers={"x-sglext-return-input-ids": "1", "x-sglext-return-output-ids": "1"})
    chat("too_long", {"messages": [{"role": "user", "content": "x" * 6000}]})
    chat("too_long.stream", {"stream": True, "messages": [{"role": "user", "content": "x" * 6000}]})
    chat("session_id", {"session_id": "s"})
    tools("chat.")
    done("echo", {"echo": True})
    done("echo.logprobs", {"echo": True, "logprobs": 2})
    done("echo.logprobs.stream", {"echo": True, "logprobs": 1, "stream": True})
    done("echo.max0", {"echo": True, "logprobs": 1, "max_tokens": 0})
    done("logprobs", {"logprobs": 2})
    done("logprobs.stream", {"logprobs": 2, "stream": True})
    done("batch", {"prompt": ["one", "two"]})
    done("batch.stream", {"prompt": ["one", "two"], "stream": True, "stream_options": {"include_usage": True}})
    done("ids", {"prompt": [20, 21, 22]})
    done("ids.batch", {"prompt": [[20, 21], [30]]})
    done("prompt.missing", {"prompt": None})
    done("prompt.empty", {"prompt": ""})
    done("suffix", {"suffix": "end"})
    done("too_long", {"prompt": "x" * 6000})
    done("best_of", {"best_of": 2})
    print("   openai done", sum(COUNT.values()), flush=True)

    r = {"model": "tiny", "input": "hello", "temperature": 0, "max_output_tokens": 6}
    for name, more in (("whole", {}), ("stream", {"stream": True}), ("request_id", {"request_id": "resp_own"}), ("previous", {"previous_response_id": "resp_1"}),
                       ("background", {"background": True}), ("store_false", {"store": False}), ("unknown_model", {"model": "other"}), ("no_input", {"input": None}),
                       ("messages", {"input": [{"role": "user", "content": "hi"}]}), ("instructions", {"instructions": "be short"}), ("top_logprobs.stream", {"top_logprobs": 2, "include": ["message.output_text.logprobs"], "stream": True}),
                       ("logprobs", {"top_logprobs": 2, "include": ["message.output_text.logprobs"]}), ("tools", {"tools": [{"type": "function", "name": "weather", "parameters": TOOLS[0]["function"]["parameters"]}], "tool_choice": "required", "max_output_tokens": 80}),
                       ("tool_required_none", {"tool_choice": "required"}), ("schema", {"max_output_tokens": 60, "text": {"format": {"type": "json_schema", "name": "s", "schema": SCHEMA}}}),
                       ("stop", {"stop": ["a", "e", " "], "max_output_tokens": 60}), ("type.temperature", {"temperature": "hot"}), ("rank5", {"routed_dp_rank": 5}), ("rank5.stream", {"routed_dp_rank": 5, "stream": True}), ("conversation", {"conversation": "c"})):
        pair("responses." + name, "/v1/responses", {**r, **more}, abort_after=5)
    pair("responses.room.missing", "/v1/responses", r, trip=False)
    pair("responses.room.missing.stream", "/v1/responses", {**r, "stream": True}, trip=False)
    pair("responses.body.bad_json", "/v1/responses", b"{")
    pair("responses.body.empty_object", "/v1/responses", b"{}")
    m = {"model": "tiny", "max_tokens": 6, "temperature": 0, "messages": [{"role": "user", "content": "hello"}]}
    for name, more in (("whole", {}), ("stream", {"stream": True}), ("system", {"system": "short"}), ("unknown_model", {"model": "other"}), ("max0", {"max_tokens": 0}), ("no_max", {"max_tokens": None}),
                       ("stop", {"stop_sequences": ["a", "e", " "], "max_tokens": 60}), ("tools", {"max_tokens": 80, "tools": [{"name": "weather", "input_schema": TOOLS[0]["function"]["parameters"]}], "tool_choice": {"type": "any"}}),
                       ("tool_unknown", {"tools": [{"name": "weather", "input_schema": {"type": "object"}}], "tool_choice": {"type": "tool", "name": "other"}}), ("rank5", {"routed_dp_rank": 5}), ("rank5.stream", {"routed_dp_rank": 5, "stream": True}),
                       ("no_messages", {"messages": None}), ("thinking", {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 8})):
        pair("messages." + name, "/v1/messages", {**m, **more}, abort_after=5)
    pair("messages.room.missing", "/v1/messages", m, trip=False)
    pair("messages.room.missing.stream", "/v1/messages", {**m, "stream": True}, trip=False)
    pair("messages.body.bad_json", "/v1/messages", b"{")
    pair("messages.count_tokens", "/v1/messages/count_tokens", {"model": "tiny", "messages": m["messages"]}, trip=False)
    pair("embeddings", "/v1/embeddings", {"model": "tiny", "input": "hello"}, trip=False)
    for name, path, body in (("score", "/v1/score", {"model": "tiny", "query": "a", "items": ["b"], "label_token_ids": [20]}), ("rerank", "/v1/rerank", {"query": "a", "documents": ["b"]}),
                             ("classify", "/v1/classify", {"model": "tiny", "input": "a"}), ("encode", "/encode", {"text": "a"}), ("ollama.chat", "/api/chat", {"model": "tiny", "messages": CHAT["messages"], "stream": False}),
                             ("decisions", "/v1/decisions", {}), ("systemone", "/v1/systemone", {}), ("vertex", "/vertex_generate", {"instances": [{"text": "a"}], "parameters": {"sampling_params": G}})):
        pair("other." + name, path, body, trip=False, timeout=8)
    pair("other.invocations", "/invocations", CHAT)
    for path in ("/tokenize", "/v1/tokenize"):
        one("tokenize" + path, "decode", "POST", path, {"model": "tiny", "prompt": "abc"})
    one("tokenize.batch", "decode", "POST", "/tokenize", {"prompt": ["abc", "d"]})
    one("tokenize.messages", "decode", "POST", "/tokenize", {"messages": CHAT["messages"]})
    one("tokenize.empty", "decode", "POST", "/tokenize", {})
    one("detokenize", "decode", "POST", "/detokenize", {"model": "tiny", "tokens": [20, 21]})
    one("detokenize.batch", "decode", "POST", "/detokenize", {"tokens": [[20, 21], [30]]})
    one("detokenize.bad", "decode", "POST", "/detokenize", {"tokens": "x"})
    for side in SIDES:
        for path in ("/", "/v1/models", "/v1/models/tiny", "/v1/models/other", "/model_info", "/get_model_info", "/server_info", "/get_server_info", "/get_load", "/v1/loads", "/v1/loads?include=all",
                     "/v1/loads?include=core,disagg", "/v1/loads?include=queues", "/v1/loads?include=nonsense", "/v1/loads?dp_rank=0", "/v1/loads?dp_rank=7", "/v1/loads?dp_rank=x", "/v1/loads?format=prometheus",
                     "/health", "/health_generate", "/ready", "/ping", "/weight_version", "/get_weight_version", "/nothing", "/metrics/", "/docs", "/openapi.json", "/get_hicache_l3_cache_layout", "/v1/responses/resp_1"):
            if side == "prefill" and path in ("/docs", "/openapi.json", "/get_server_info"):
                continue
            one("get" + path, side, "GET", path) if path != "/openapi.json" else openapi(side)
        for method, path in (("GET", "/generate"), ("DELETE", "/generate"), ("POST", "/health"), ("POST", "/model_info"), ("PUT", "/v1/chat/completions"), ("HEAD", "/health"), ("HEAD", "/model_info"),
                             ("HEAD", "/v1/models"), ("HEAD", "/nothing"), ("POST", "/nothing"), ("GET", "/abort_request"), ("POST", "/v1/responses/resp_1/cancel")):
            one(f"{method.lower()}{path}", side, method, path, b"{}" if method in ("POST", "PUT") else None)
        for path in ("/v1/chat/completions", "/generate", "/health", "/nothing"):
            one("options" + path, side, "OPTIONS", path, headers={"Origin": "http://example.org", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"})
        one("options.plain", side, "OPTIONS", "/generate")
        one("get.origin", side, "GET", "/v1/models", headers={"Origin": "http://example.org"})
        for path, body in (("/abort_request", {"rid": "nothing"}), ("/abort_request", {}), ("/abort_request", {"rid": ""}), ("/abort_request", b"{"), ("/abort_request", {"rid": 5}), ("/flush_cache", b""),
                           ("/flush_cache?timeout=x", b""), ("/continue_generation", {}), ("/pause_generation", {"mode": "nonsense"}), ("/pd_role_switch", {"new_role": "decode"}), ("/pd_role_switch", {"new_role": "x"}),
                           ("/open_session", {"capacity_of_str_len": 100}), ("/close_session", {"session_id": "x"}), ("/load_lora_adapter", {"lora_name": "a", "lora_path": "b"}), ("/update_weight_version", {"new_version": "w"}),
                           ("/begin_weight_update", {"selector": "all"}), ("/end_weight_update", {}), ("/set_trace_level", {}), ("/slow_down", {}), ("/start_profile", b"null") if False else ("/close_session", {}),
                           ("/clear_hicache_storage_backend", b""), ("/configure_logging", {}), ("/parse_function_call", {"text": "a", "tools": [], "tool_call_parser": "nothing"}), ("/separate_reasoning", {"text": "a", "reasoning_parser": "nothing"})):
            one("control" + path, side, "POST", path, body, timeout=6)
        one("get/flush_cache", side, "GET", "/flush_cache")
        one("control/update_weight_version", side, "POST", "/update_weight_version", {"new_version": "default"})
    loads_busy()
    pair("after.generate.text", g, {"text": FOX, "sampling_params": G}, note="the pair still works")


def openapi(side):
    raw = exchange(PORTS[side], "GET", "/openapi.json")
    try:
        paths = {p: sorted(m) for p, m in json.loads(raw["body"])["paths"].items()}
    except (KeyError, ValueError):
        return
    emit({"case": "routes", "to": side, "request": sent("GET", "/openapi.json", None, None), "answers": {side: {"status": raw["status"], "body": json.dumps(paths)}}, "note": "paths and methods only"})


def two_rooms():
    s = Sequence("generate.two_requests_one_room", "two different requests with one room at the same time; abort_all to both at 6 s")
    trip = {"bootstrap_room": 8800}
    s.legs("first", "/generate", {"text": "first prompt", "sampling_params": G}, trip)
    s.legs("second", "/generate", {"text": "second", "sampling_params": G}, trip)
    s.join(6)
    if s.threads:
        for side in SIDES:
            s.send("abort_all", side, "POST", "/abort_request", {"abort_all": True})
    s.done()
    restore("two")


def loads_busy():
    s = Sequence("loads.three_running")
    for i in range(3):
        s.legs(f"r{i}", "/generate", {"text": f"number {i}", "sampling_params": {**LONG, "max_new_tokens": 400}})
    time.sleep(0.8)
    for side in SIDES:
        s.send("loads", side, "GET", "/v1/loads?include=all", wait=True)
        s.send("get_load", side, "GET", "/get_load", wait=True)
    s.watch("decode", 1.5, 0.4)
    s.done()


def suite_boot():
    def b(name, method, path, body=None, **kw):
        one("bootstrap." + name, "bootstrap", method, path, body, **kw)

    if not RUNNING:
        fresh()
    q = "/route?prefill_dp_rank={}&prefill_cp_rank={}&target_tp_rank={}&target_pp_rank={}"
    b("health", "GET", "/health")
    b("health.head", "HEAD", "/health")
    b("health.post", "POST", "/health", b"{}")
    b("route.sentinel", "GET", q.format(-1, -1, -1, -1))
    b("route.rank", "GET", q.format(0, 0, 0, 0))
    for name, values in (("dp9", (9, 0, 0, 0)), ("cp9", (0, 9, 0, 0)), ("tp9", (0, 0, 9, 0)), ("pp9", (0, 0, 0, 9)), ("half_sentinel", (-1, 0, 0, 0)), ("text", ("x", 0, 0, 0)), ("empty", ("", 0, 0, 0)), ("float", ("0.0", 0, 0, 0)), ("plus", ("%2B0", 0, 0, 0)), ("blank", ("%200", 0, 0, 0))):
        b("route." + name, "GET", q.format(*values))
    b("route.missing_one", "GET", "/route?prefill_dp_rank=0&prefill_cp_rank=0&target_tp_rank=0")
    b("route.no_query", "GET", "/route")
    b("route.twice", "GET", q.format(0, 0, 0, 0) + "&prefill_dp_rank=9")
    b("route.old_names", "GET", "/route?engine_rank=-1&target_dp_group=-1&target_pp_rank=-1")
    b("route.post", "POST", "/route", b"{}")
    b("route.delete", "DELETE", "/route")
    b("route.head", "HEAD", q.format(-1, -1, -1, -1))
    b("unknown", "GET", "/nothing")
    b("root", "GET", "/")
    for name, body in (("ok", {"bootstrap_room": 123, "dp_rank": 3}), ("strings", {"bootstrap_room": "124", "dp_rank": "2"}), ("big", {"bootstrap_room": 2**63 - 1, "dp_rank": 0}), ("float", {"bootstrap_room": 1.5, "dp_rank": 0}),
                       ("missing", {"bootstrap_room": 5}), ("null", {"bootstrap_room": None, "dp_rank": 0}), ("text", {"bootstrap_room": "x", "dp_rank": 0}), ("again", {"bootstrap_room": 123, "dp_rank": 1})):
        b("register." + name, "POST", "/register_dp_rank", body)
    b("register.bad_json", "POST", "/register_dp_rank", b"{")
    b("register.empty", "POST", "/register_dp_rank", b"")
    b("register.text_plain", "POST", "/register_dp_rank", b'{"bootstrap_room": 130, "dp_rank": 1}', headers={"Content-Type": "text/plain"})
    b("register.get", "GET", "/register_dp_rank")
    for name, body in (("known", {"bootstrap_rooms": [123, 124, 130, 2**63 - 1]}), ("unknown", {"bootstrap_rooms": [999]}), ("mixed", {"bootstrap_rooms": [123, 999]}), ("empty_list", {"bootstrap_rooms": []}), ("strings", {"bootstrap_rooms": ["123"]}),
                       ("missing", {}), ("scalar", {"bootstrap_rooms": 123}), ("null", {"bootstrap_rooms": None}), ("text", {"bootstrap_rooms": ["x"]}), ("twice", {"bootstrap_rooms": [123, 123]})):
        b("query." + name, "POST", "/query_dp_ranks", body)
    b("query.bad_json", "POST", "/query_dp_ranks", b"{")
    b("query.get", "GET", "/query_dp_ranks")
    b("put.bad_json", "PUT", "/route", b"{")
    b("put.empty_object", "PUT", "/route", b"{}")
    rank = exchange(PORTS["bootstrap"], "GET", q.format(0, 0, 0, 0))
    where = json.loads(rank["body"])
    put = {"attn_tp_size": 1, "attn_tp_rank": 0, "attn_cp_size": 1, "attn_cp_rank": 0, "attn_dp_size": 1, "attn_dp_rank": 0, "pp_size": 1, "pp_rank": 0, "system_dp_size": 1, "system_dp_rank": 0, **where, "page_size": 1, "kv_cache_dtype": "auto"}
    b("put.minimal_duplicate", "PUT", "/route", put, note="the numbers of its own rank, optional members left out; rank_ip, rank_port as asked before")
    b("put.other_sizes", "PUT", "/route", {**put, "page_size": 64, "attn_tp_size": 4, "load_balance_method": "round_robin"})
    b("put.policy", "PUT", "/route", {**put, "decode_allocation_policy": "prefill_complete"})
    b("put.unknown_member", "PUT", "/route", {**put, "nonsense": 1})
    b("put.text_rank", "PUT", "/route", {**put, "attn_tp_rank": "x"})
    b("put.tp_rank_9", "PUT", "/route", {**put, "attn_tp_rank": 9})
    b("route.sentinel.after", "GET", q.format(-1, -1, -1, -1))
    b("route.tp9.after", "GET", q.format(0, 0, 9, 0))
    b("put.restore", "PUT", "/route", put)


def suite_seq():
    if not all(alive(n) for n in SIDES):
        fresh()
    g = "/generate"
    body = {"text": "sequence", "sampling_params": LONG}
    A = "/abort_request"

    s = Sequence("seq.close.generate_stream", "the client closes the decode leg after 5 events; seen: [running, waiting, used tokens] a rank")
    s.legs("r", g, {**body, "stream": True, "rid": "c1"}, cut_frames=5)
    time.sleep(0.4)
    s.watch("decode", 3, 0.4)
    s.send("abort_late", "decode", "POST", A, {"rid": "c1"}, wait=True)
    s.watch("decode", 2, 0.4)
    s.send("abort_all", "decode", "POST", A, {"abort_all": True}, wait=True)
    s.done()

    s = Sequence("seq.close.chat_stream", "as before, chat")
    s.legs("r", "/v1/chat/completions", {**CHAT, "max_tokens": 2500, "ignore_eos": True, "stream": True, "rid": "c2"}, cut_frames=5)
    time.sleep(0.4)
    s.watch("decode", 2.5, 0.4)
    s.send("abort_all", "decode", "POST", A, {"abort_all": True}, wait=True)
    s.done()

    s = Sequence("seq.close.whole", "the client closes both legs of a request that is no stream after 0.7 s")
    s.legs("r", g, {**body, "rid": "c3"}, cut_ms=700)
    time.sleep(0.8)
    s.watch("decode", 5.5, 0.5)
    s.send("abort_all", "decode", "POST", A, {"abort_all": True}, wait=True)
    s.done()

    for name, stream in (("whole", False), ("stream", True)):
        s = Sequence("seq.abort.during." + name)
        s.legs("r", g, {**body, "rid": "a1-" + name, "stream": stream})
        time.sleep(0.8)
        s.send("abort", "decode", "POST", A, {"rid": "a1-" + name}, wait=True)
        s.send("abort_prefill", "prefill", "POST", A, {"rid": "a1-" + name}, wait=True)
        s.send("abort_again", "decode", "POST", A, {"rid": "a1-" + name}, wait=True)
        s.watch("decode", 0.8, 0.3)
        s.done()
    for name, stream in (("whole", False), ("stream", True)):
        s = Sequence("seq.abort.during.chat." + name)
        s.legs("r", "/v1/chat/completions", {**CHAT, "max_tokens": 2500, "ignore_eos": True, "rid": "a2-" + name, "stream": stream})
        time.sleep(0.8)
        s.send("abort", "decode", "POST", A, {"rid": "a2-" + name}, wait=True)
        s.done()

    s = Sequence("seq.abort.before_and_after", "an abort of a rid that is not there yet, the request, an abort when it is over")
    for side in SIDES:
        s.send("before", side, "POST", A, {"rid": "a3"}, wait=True)
    s.legs("r", g, {"text": FOX, "sampling_params": G, "rid": "a3"}, wait=True)
    for side in SIDES:
        s.send("after", side, "POST", A, {"rid": "a3"}, wait=True)
    s.legs("same_rid_again", g, {"text": FOX, "sampling_params": G, "rid": "a3"}, wait=True)
    s.done()

    s = Sequence("seq.abort.then_close")
    s.legs("r", g, {**body, "rid": "a4", "stream": True}, cut_ms=900)
    time.sleep(0.8)
    s.send("abort", "decode", "POST", A, {"rid": "a4"}, wait=True)
    s.watch("decode", 1.5, 0.4)
    s.done()

    s = Sequence("seq.abort.prefix", "live rids p and p-2; abort `p-` (no live rid), then `p` (reaches both)")
    s.legs("one", g, {**body, "rid": "p"})
    s.legs("two", g, {**body, "rid": "p-2"})
    time.sleep(0.8)
    s.send("abort_p-", "decode", "POST", A, {"rid": "p-"}, wait=True)
    s.watch("decode", 0.6, 0.3)
    s.send("abort_p", "decode", "POST", A, {"rid": "p"}, wait=True)
    s.done()

    s = Sequence("seq.abort.batch", "rid X of a batch of two: abort X, then X_0, then X_1")
    s.legs("r", g, {**body, "text": ["one", "two"], "rid": "X"})
    time.sleep(0.8)
    for rid in ("X", "X_0", "X_1"):
        s.send("abort_" + rid, "decode", "POST", A, {"rid": rid}, wait=True)
        time.sleep(0.4)
    s.join(6)
    s.send("abort_all", "decode", "POST", A, {"abort_all": True}, wait=True)
    s.done()

    s = Sequence("seq.abort.batch.stream", "a stream of two: abort of X_0, the other goes on")
    s.legs("r", g, {"sampling_params": {**LONG, "max_new_tokens": 300}, "text": ["one", "two"], "rid": "Y", "stream": True})
    time.sleep(0.5)
    s.send("abort_Y_0", "decode", "POST", A, {"rid": "Y_0"}, wait=True)
    s.done()

    s = Sequence("seq.abort.all", "three requests: whole, stream, chat stream")
    s.legs("whole", g, body)
    s.legs("stream", g, {**body, "stream": True})
    s.legs("chat", "/v1/chat/completions", {**CHAT, "max_tokens": 2500, "ignore_eos": True, "stream": True})
    time.sleep(0.9)
    s.send("abort_all", "decode", "POST", A, {"abort_all": True}, wait=True)
    s.done()

    s = Sequence("seq.duplicate_rid", "a second request with the rid of a live one")
    s.legs("one", g, {**body, "rid": "dup", "stream": True})
    time.sleep(0.5)
    s.send("two", "decode", "POST", g, with_room({**body, "rid": "dup"}), wait=True)
    s.send("two_stream", "decode", "POST", g, with_room({**body, "rid": "dup", "stream": True}), wait=True)
    s.send("two_chat", "decode", "POST", "/v1/chat/completions", with_room({**CHAT, "rid": "dup", "stream": True}), wait=True)
    s.send("abort", "decode", "POST", A, {"rid": "dup"}, wait=True)
    s.done()

    for side, other in (("decode", "prefill"), ("prefill", "decode")):
        for stream in (False, True):
            s = Sequence(f"seq.{side}_only.{'stream' if stream else 'whole'}.abort", f"only the {side} leg is sent; abort by rid after 2 s")
            s.send("leg", side, "POST", g, with_room({**body, "rid": f"only-{side}-{stream}", "stream": stream}))
            time.sleep(1.2)
            for probe in SIDES:
                s.send("loads", probe, "GET", "/v1/loads?include=all", wait=True)
            time.sleep(0.7)
            s.send("abort", side, "POST", A, {"rid": f"only-{side}-{stream}"}, wait=True)
            s.join(10)
            s.done()
        s = Sequence(f"seq.{side}_only.chat_stream.abort", f"only the {side} leg is sent; abort by rid after 1.5 s")
        s.send("leg", side, "POST", "/v1/chat/completions", with_room({**CHAT, "stream": True, "rid": f"oc-{side}"}))
        time.sleep(1.5)
        s.send("abort", side, "POST", A, {"rid": f"oc-{side}"}, wait=True)
        s.join(10)
        s.done()
        s = Sequence(f"seq.{side}_first", f"the {side} leg 2 s before the other one")
        whole = with_room({"text": FOX, "sampling_params": G, "stream": True})
        s.send(f"r.{side}", side, "POST", g, whole)
        time.sleep(2)
        s.send(f"r.{other}", other, "POST", g, whole)
        s.done()
    s = Sequence("seq.abort.decode_tells_prefill", "both legs, prefill paused so that the decode waits; abort on decode: what does the prefill leg answer?")
    s.send("pause", "prefill", "POST", "/pause_generation", {"mode": "in_place"}, wait=True)
    s.legs("r", g, {**body, "rid": "tell"})
    time.sleep(1)
    s.send("abort", "decode", "POST", A, {"rid": "tell"}, wait=True)
    time.sleep(0.5)
    s.send("continue", "prefill", "POST", "/continue_generation", {}, wait=True)
    s.join(8)
    s.send("abort_all", "prefill", "POST", A, {"abort_all": True}, wait=True)
    s.done()

    for mode in ("in_place", "retract", "abort", None):
        if RELEASE in ("0.5.18",) and mode == "retract":
            pass
        s = Sequence(f"seq.pause.decode.{mode or 'default'}", "a running stream, pause of the decode at about 600 ms, a new request, probes, continue, the end")
        s.legs("running", g, {"text": "pause", "sampling_params": {**LONG, "max_new_tokens": 900}, "stream": True})
        time.sleep(0.6)
        s.send("pause", "decode", "POST", "/pause_generation", {} if mode is None else {"mode": mode}, timeout=12)
        time.sleep(0.4)
        s.legs("new", g, {"text": FOX, "sampling_params": G, "stream": True})
        s.watch("decode", 0.9, 0.3, ("/ready", "/ping", "/model_info", "/v1/loads"))
        s.send("continue", "decode", "POST", "/continue_generation", {}, wait=True)
        s.join(25)
        if s.threads:
            for side in SIDES:
                s.send("abort_all", side, "POST", A, {"abort_all": True}, wait=True)
        s.done()
        restore("pause")
    s = Sequence("seq.pause.prefill.in_place", "a new request on a paused prefill")
    s.send("pause", "prefill", "POST", "/pause_generation", {"mode": "in_place"}, wait=True)
    s.legs("new", g, {"text": FOX, "sampling_params": G})
    s.watch("prefill", 1, 0.3, ("/ready", "/ping", "/model_info", "/v1/loads"))
    s.send("health", "prefill", "GET", "/health", timeout=2, wait=True)
    s.send("continue", "prefill", "POST", "/continue_generation", {}, wait=True)
    s.done()

    s = Sequence("seq.flush.busy", "flush with a request running: at once, with timeout=1, twice at a time with timeout=20; then idle")
    s.legs("r", g, {"text": "flush", "sampling_params": {**LONG, "max_new_tokens": 1000}})
    time.sleep(0.5)
    s.send("flush", "decode", "POST", "/flush_cache", b"", wait=True)
    s.send("flush_1", "decode", "POST", "/flush_cache?timeout=1", b"", wait=True)
    s.send("flush_20", "decode", "POST", "/flush_cache?timeout=20", b"")
    time.sleep(0.1)
    s.send("flush_second", "decode", "POST", "/flush_cache?timeout=20", b"", wait=True)
    s.join(30)
    s.send("flush_idle", "decode", "POST", "/flush_cache", b"", wait=True)
    s.done()

    s = Sequence("seq.weights", "weights from the same folder, with a request running and without; names afterwards; then the name set back")
    s.send("bad", "decode", "POST", "/update_weights_from_disk", {"model_path": "/nothing/here"}, wait=True)
    s.legs("r", g, {"text": "weights", "sampling_params": {**LONG, "max_new_tokens": 600}})
    time.sleep(0.4)
    s.send("busy", "decode", "POST", "/update_weights_from_disk", {"model_path": os.path.join(ROOT, "tiny"), "weight_version": "v2"}, wait=True)
    s.join()
    s.send("idle", "decode", "POST", "/update_weights_from_disk", {"model_path": os.path.join(ROOT, "tiny")}, wait=True)
    for path in ("/v1/models", "/model_info", "/get_weight_version", "/weight_version"):
        s.send(path, "decode", "GET", path, wait=True)
    s.legs("after", g, {"text": FOX, "sampling_params": G}, wait=True)
    s.legs("chat_old_name", "/v1/chat/completions", CHAT, wait=True)
    s.done()


def suite_life():
    g = "/generate"
    body = {"text": "life", "sampling_params": {**LONG, "max_new_tokens": 3500}}

    if not all(alive(n) for n in SIDES):
        fresh()
    s = Sequence("life.kill.decode", "kill -9 of the decode in mid-stream; a second request is sent to the prefill only (its decode is gone)")
    s.legs("running", g, {**body, "stream": True})
    s.send("waiting_prefill", "prefill", "POST", g, with_room({"text": "alone", "sampling_params": G, "rid": "alone"}))
    time.sleep(1)
    s.event("kill -9 decode")
    stop("decode")
    s.legs("after", g, {"text": FOX, "sampling_params": G, "rid": "after"})
    s.watch("prefill", 6, 1.0, ("/health", "/ready", "/v1/loads"))
    s.send("abort_all", "prefill", "POST", "/abort_request", {"abort_all": True}, wait=True)
    s.done()

    again("decode")
    s = Sequence("life.kill.prefill", "kill -9 of the prefill with: a request handed over and running on the decode, one in the middle of its prefill (long prompt), one decode leg that waits for a prefill leg never sent; then new requests; then a prefill on the same ports again")
    s.legs("handed_over", g, {**body, "stream": True})
    time.sleep(0.6)
    s.send("waiting.decode", "decode", "POST", g, with_room({"text": "waits", "sampling_params": G}))
    s.send("waiting_stream.decode", "decode", "POST", g, with_room({"text": "waits", "sampling_params": G, "stream": True}))
    s.send("waiting_chat_stream.decode", "decode", "POST", "/v1/chat/completions", with_room({**CHAT, "stream": True}))
    time.sleep(0.6)
    s.legs("in_prefill", g, {"text": "x" * 4000, "sampling_params": G})
    time.sleep(0.05)
    s.event("kill -9 prefill")
    stop("prefill")
    time.sleep(0.3)
    s.legs("just_after", g, {"text": FOX, "sampling_params": G})
    s.watch("decode", 16, 2.0, ("/health", "/ready", "/v1/loads"))
    s.legs("later", g, {"text": FOX, "sampling_params": G})
    s.event("prefill started again on the same ports")
    launch("prefill", FLAGS["prefill"], ENV["prefill"])
    ready("prefill")
    s.event("prefill healthy")
    for i in range(3):
        s.legs(f"new{i}", g, {"text": FOX, "sampling_params": G}, wait=False)
        time.sleep(1.0)
    s.join(30)
    s.legs("new_last", g, {"text": FOX, "sampling_params": G}, wait=True)
    s.done()

    again()
    s = Sequence("life.restart.prefill.quick", "an idle pair; prefill killed, started again and healthy before the next request: how does the old decode behave?")
    s.legs("before", g, {"text": FOX, "sampling_params": G}, wait=True)
    stop("prefill")
    s.event("kill -9 prefill")
    launch("prefill", FLAGS["prefill"], ENV["prefill"])
    ready("prefill")
    s.event("prefill healthy")
    for i in range(3):
        s.legs(f"new{i}", g, {"text": FOX, "sampling_params": G}, timeout=20)
        s.join(22)
    s.done()
    for side in ("decode", "prefill"):
        again(*[n for n in SIDES if not alive(n)])
        s = Sequence(f"life.term.{side}", f"SIGTERM to the first process of the {side} with a stream running; probes and a new request each 0.5 s until it is gone (at most 20 s)")
        s.legs("running", g, {**body, "sampling_params": {**LONG, "max_new_tokens": 1500}, "stream": True})
        time.sleep(1)
        s.event("SIGTERM " + side)
        os.kill(RUNNING[side].pid, signal.SIGTERM)
        until = time.monotonic() + 20
        index = 0
        while time.monotonic() < until:
            s.watch(side, 0.01, 0, ("/health", "/ready", "/model_info", "/ping", "/v1/loads") if index < 40 else ("/model_info",))
            if index < 8:
                s.legs(f"new{index}", g, {"text": FOX, "sampling_params": G, "rid": f"n{index}-{side}"}, timeout=12)
            index += 1
            if RUNNING[side].poll() is not None:
                s.event(f"{side} is gone, exit status {RUNNING[side].poll()}")
                break
            time.sleep(0.4)
        else:
            s.event(f"{side} still there after 20 s")
        for n in SIDES:
            exchange(PORTS[n], "POST", "/abort_request", {"abort_all": True}, timeout=3)
        s.join(15)
        s.done()
        stop(side)


def suite_keys():
    """Both keys on the prefill, the api key alone on the decode; the role switch of the next suite is allowed too."""
    global KEYS, ADMIN
    KEYS, ADMIN = {"Authorization": "Bearer api-key-value"}, {"Authorization": "Bearer admin-key-value"}
    role = ["--enable-pd-role-switch"] if RELEASE >= "0.5.21" else []
    launch("prefill", ["--api-key", "api-key-value", "--admin-api-key", "admin-key-value"] + role)
    launch("decode", ["--api-key", "api-key-value"] + role)
    ready("prefill", "decode")
    routes = [("POST", "/generate"), ("POST", "/v1/chat/completions"), ("GET", "/v1/models"), ("GET", "/model_info"), ("GET", "/v1/loads"), ("GET", "/ping"), ("GET", "/"), ("GET", "/health"), ("GET", "/health_generate"), ("GET", "/ready"),
              ("GET", "/metrics"), ("GET", "/nothing"), ("POST", "/abort_request"), ("POST", "/flush_cache"), ("POST", "/continue_generation"), ("POST", "/open_session"), ("POST", "/update_weight_version"), ("POST", "/set_trace_level"),
              ("POST", "/pd_role_switch"), ("POST", "/v1/responses"), ("POST", "/v1/messages"), ("POST", "/tokenize"), ("OPTIONS", "/generate"), ("GET", "/hicache/storage-backend"), ("GET", "/docs")]
    for side in SIDES:
        for method, path in routes:
            for name, headers in (("none", None), ("wrong", {"Authorization": "Bearer other"}), ("api", KEYS), ("admin", {"Authorization": "Bearer admin-key-value"}), ("lower", {"authorization": "bearer api-key-value"}), ("basic", {"Authorization": "Basic api-key-value"}), ("x-api-key", {"x-api-key": "api-key-value"})):
                if name in ("lower", "basic", "x-api-key") and path != "/v1/models":
                    continue
                body = None if method in ("GET", "OPTIONS") else {"capacity_of_str_len": 10} if path == "/open_session" else {"new_version": "w"} if "version" in path else {"rid": "zz"} if "abort" in path else {}
                raw = exchange(PORTS[side], method, path, body, headers, 8)
                if path in ("/metrics", "/docs") and raw.get("status") == 200:
                    raw["body"] = b"<left out>"
                emit({"case": f"keys.{name}.{method.lower()}{path}", "to": side, "request": sent(method, path, headers, body), "answers": {side: answer(raw)}})
        one("keys.api.server_info", side, "GET", "/server_info", headers=KEYS)
        one("keys.admin.server_info", side, "GET", "/server_info", headers={"Authorization": "Bearer admin-key-value"}) if side == "prefill" else None
        one("keys.none.server_info", side, "GET", "/server_info")
    one("keys.none.health", "bootstrap", "GET", "/health", note="the bootstrap server asks for no key")
    pair("keys.api.generate.pair", "/generate", {"text": FOX, "sampling_params": G}, headers=KEYS)


def suite_parser():
    fresh(["--tool-call-parser", "qwen25", "--reasoning-parser", "qwen3", "--enable-cache-report", "--incremental-streaming-output"], ["--tool-call-parser", "qwen25", "--reasoning-parser", "qwen3", "--enable-cache-report", "--incremental-streaming-output"])
    tools("parser.chat.")
    pair("parser.chat.whole", "/v1/chat/completions", CHAT)
    pair("parser.chat.stream", "/v1/chat/completions", {**CHAT, "stream": True})
    pair("parser.chat.separate_reasoning_false", "/v1/chat/completions", {**CHAT, "separate_reasoning": False})
    for i in range(2):
        pair("parser.cached.generate", "/generate", {"text": FOX, "sampling_params": G}, flush=False)
        pair("parser.cached.chat", "/v1/chat/completions", CHAT, flush=False)
    pair("parser.generate.stream", "/generate", {"text": FOX, "sampling_params": G, "stream": True})
    pair("parser.generate.stream.logprob", "/generate", {"text": FOX, "sampling_params": G, "stream": True, "return_logprob": True, "logprob_start_len": 0})
    pair("parser.completions.stream", "/v1/completions", {**DONE, "stream": True, "stream_options": {"include_usage": True}})


def suite_role():
    flags = ["--enable-pd-role-switch"]
    if not all("--enable-pd-role-switch" in FLAGS.get(n, []) and alive(n) for n in SIDES):
        fresh(flags, flags)
    switch = "/pd_role_switch"

    def roles(s):
        for side in SIDES:
            s.send("model_info", side, "GET", "/model_info", wait=True)
        for name, port in (("bootstrap", PORTS["bootstrap"]), ("bootstrap of the decode (8999)", PORTS["bootstrap"] + 1)):
            s.send("sentinel", name, "GET", "/route?prefill_dp_rank=-1&prefill_cp_rank=-1&target_tp_rank=-1&target_pp_rank=-1", port=port, wait=True)

    s = Sequence("role.refusals", "on the decode engine")
    roles(s)
    for body in ({"new_role": "x"}, {"new_role": ""}, {}, {"new_role": "decode"}, {"new_role": "prefill", "prepare_only": True} if RELEASE >= "0.5.23" else {"new_role": "decode", "prepare_only": True}):
        s.send(json.dumps(body), "decode", "POST", switch, body, wait=True)
    s.legs("running", "/generate", {"text": "busy", "sampling_params": {**LONG, "max_new_tokens": 500}})
    time.sleep(0.5)
    s.send("busy", "decode", "POST", switch, {"new_role": "prefill"}, wait=True)
    s.done()
    s = Sequence("role.both_switch", "prefill becomes decode, decode becomes prefill, requests with the roles exchanged, and back")
    s.send("to_decode_without_memory", "prefill", "POST", switch, {"new_role": "decode"}, wait=True)
    s.send("to_decode", "prefill", "POST", switch, {"new_role": "decode", "decode_cuda_graph_bs": [1], "decode_cuda_graph_memory_gb": 0}, wait=True)
    s.send("to_prefill", "decode", "POST", switch, {"new_role": "prefill"}, wait=True)
    roles(s)
    for side in SIDES:
        s.send("health", side, "GET", "/health", wait=True)
    whole = with_room({"text": FOX, "sampling_params": G}, port=PORTS["bootstrap"] + 1)
    for side in SIDES:
        s.send("swapped." + side, side, "POST", "/generate", whole, timeout=15)
    s.join(16)
    raw = exchange(PORTS["decode"], "GET", "/server_info", headers=KEYS, timeout=10)
    try:
        info = json.loads(raw["body"])
        s.event("server_info of the former decode: disaggregation_mode " + str(info["disaggregation_mode"]) + ", internal_states[0] " + str(info["internal_states"][0].get("disaggregation_mode")))
    except (KeyError, ValueError):
        pass
    s.send("back_to_prefill", "prefill", "POST", switch, {"new_role": "prefill"}, wait=True)
    s.send("back_to_decode", "decode", "POST", switch, {"new_role": "decode", "decode_cuda_graph_memory_gb": 0}, wait=True)
    roles(s)
    s.legs("after", "/generate", {"text": FOX, "sampling_params": G}, timeout=15)
    s.join(16)
    s.done()


class Tap:
    """TCP in between, on 127.0.0.2 and the bootstrap port; writes down both directions."""

    def __init__(self):
        self.begin, self.seen, self.lock, self.conn = time.monotonic(), [], threading.Lock(), 0
        self.server = socket.create_server(("127.0.0.2", PORTS["bootstrap"]))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            self.conn += 1
            try:
                back = socket.create_connection(("127.0.0.1", PORTS["bootstrap"]), timeout=3)
            except OSError:
                with self.lock:
                    self.seen.append([round((time.monotonic() - self.begin) * 1000), self.conn, "refused", ""])
                client.close()
                continue
            back.settimeout(None)
            for a, b, way in ((client, back, ">"), (back, client, "<")):
                threading.Thread(target=self.copy, args=(a, b, way, self.conn), daemon=True).start()

    def copy(self, a, b, way, number):
        while True:
            try:
                data = a.recv(65536)
            except OSError:
                data = b""
            with self.lock:
                self.seen.append([round((time.monotonic() - self.begin) * 1000), number, way, data.decode("utf-8", "replace") if data else "<end>"])
            if not data:
                try:
                    b.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                return
            try:
                b.sendall(data)
            except OSError:
                return

    def take(self):
        with self.lock:
            out, self.seen = self.seen, []
        return [{"ms": ms, "connection": c, "way": {">": "to bootstrap", "<": "from bootstrap"}.get(w, w), "data": tap_clean(t)} for ms, c, w, t in out]


def tap_clean(text):
    text = re.sub(r"(?m)^Date: .*?\r$", "Date: <date>\r", text)
    head, blank, rest = text.partition("\r\n\r\n")
    if blank and rest:
        rest = normal(rest, set())
    text = clean(head) + blank + rest
    return re.sub(r'("rank_port": ?)"?\d+"?', r"\g<1>40000", text)


def suite_dp():
    if not os.environ.get("NO_TAP_SINGLE"):
        tap = Tap()
        host = {"SGLANG_HOST_IP": "127.0.0.2"}
        launch("prefill", [], host)
        launch("decode", [], host)
        ready("prefill", "decode")
        emit({"case": "tap.single.start", "to": "tap", "tap": tap.take(), "note": "what went to the bootstrap port while prefill and decode started (tap on 127.0.0.2, SGLANG_HOST_IP=127.0.0.2)"})
        for i in range(2):
            pair(f"tap.single.request{i}.answers", "/generate", {"text": FOX, "sampling_params": G}, trip={"bootstrap_host": "127.0.0.2"})
            emit({"case": f"tap.single.request{i}", "to": "tap", "tap": tap.take()})
        time.sleep(11)
        emit({"case": "tap.single.heartbeats", "to": "tap", "tap": tap.take(), "note": "11 s of idleness"})
        stop("prefill"), stop("decode")
        tap.server.close()
        time.sleep(0.5)
    tap = Tap()
    env = {"SGLANG_HOST_IP": "127.0.0.2", "SGLANG_CPU_OMP_THREADS_BIND": "0|1"}
    two = ["--dp-size", "2"]
    for method in ("follow", "round_robin"):
        flags = two + (["--load-balance-method", "round_robin"] if method == "round_robin" else [])
        launch("prefill", flags, env)
        if method == "follow" or not alive("decode"):
            launch("decode", two, env)
        ready("prefill", "decode")
        name = f"dp.{method}."
        emit({"case": name + "start.tap", "to": "tap", "tap": tap.take()})
        base = 6000 if method == "follow" else 7000

        def ask(case, more=None, trip=None, bodies=None, **kw):
            pair(name + case, "/generate", {"text": FOX + " " + case, "sampling_params": G, **(more or {})}, trip={"bootstrap_host": "127.0.0.2", **(trip or {})}, bodies=bodies, abort_after=6, **kw)
            time.sleep(0.1)
            emit({"case": name + case + ".tap", "to": "tap", "tap": tap.take()})

        ask("room_even", trip={"bootstrap_room": base})
        ask("room_odd", trip={"bootstrap_room": base + 1})
        ask("room_even.again", trip={"bootstrap_room": base + 2})
        ask("room_odd.again", trip={"bootstrap_room": base + 3})
        for p in (0, 1):
            for d in (0, 1):
                ask(f"explicit.p{p}.d{d}", {"disagg_prefill_dp_rank": p}, {"bootstrap_room": base + 10 + p + 4 * d}, {"prefill": {"routed_dp_rank": p}, "decode": {"routed_dp_rank": d}})
        ask("routed_conflict", trip={"bootstrap_room": base + 30}, bodies={"prefill": {"routed_dp_rank": 1}})
        ask("routed_out_of_range", {"routed_dp_rank": 2}, {"bootstrap_room": base + 40})
        ask("prefill_rank_out_of_range", {"disagg_prefill_dp_rank": 7}, {"bootstrap_room": base + 50})
        ask("explicit.mismatch", trip={"bootstrap_room": base + 60}, bodies={"prefill": {"routed_dp_rank": 0, "disagg_prefill_dp_rank": 0}, "decode": {"disagg_prefill_dp_rank": 1}})
        pair(name + "batch", "/generate", {"text": ["one", "two"], "sampling_params": G}, trip={"bootstrap_host": ["127.0.0.2"] * 2, "bootstrap_room": [base + 70, base + 71]}, abort_after=6)
        pair(name + "chat", "/v1/chat/completions", CHAT, trip={"bootstrap_host": "127.0.0.2", "bootstrap_room": base + 80}, abort_after=6)
        emit({"case": name + "batch_and_chat.tap", "to": "tap", "tap": tap.take()})
        if method == "follow":
            time.sleep(11)
            emit({"case": name + "heartbeats.tap", "to": "tap", "tap": tap.take(), "note": "11 s of idleness, two decode ranks"})
            for side in SIDES:
                for path in ("/server_info", "/v1/loads?include=all", "/model_info", "/v1/loads?dp_rank=1", "/get_load"):
                    one(name + "get" + path, side, "GET", path)
        q = "/route?prefill_dp_rank={}&prefill_cp_rank={}&target_tp_rank={}&target_pp_rank={}"
        for values in ((-1, -1, -1, -1), (0, 0, 0, 0), (1, 0, 0, 0), (2, 0, 0, 0)):
            one(name + "bootstrap.route." + str(values[0]), "bootstrap", "GET", q.format(*values))
        if method == "round_robin":
            s = Sequence(name + "decode_only", "query traffic while only the decode leg was sent; abort after 2 s")
            tap.take()
            s.send("leg", "decode", "POST", "/generate", {**with_room({"text": "q", "sampling_params": G, "rid": "dpq"}, {"bootstrap_host": "127.0.0.2", "bootstrap_room": 7777})})
            time.sleep(2)
            s.send("abort", "decode", "POST", "/abort_request", {"rid": "dpq"}, wait=True)
            s.done()
            seen = tap.take()
            emit({"case": name + "decode_only.tap", "to": "tap", "tap": seen[:40], "note": f"{len(seen)} pieces in about 2 s, the first 40"})
    stop("prefill"), stop("decode")
    tap.server.close()


def suite_kv():
    import msgspec
    import zmq
    kv, replay, load = PORTS["prefill"] + 557, PORTS["prefill"] + 657, PORTS["prefill"] + 757
    config = json.dumps({"publisher": "zmq", "endpoint": f"tcp://127.0.0.1:{kv}", "replay_endpoint": f"tcp://127.0.0.1:{replay}", "topic": "kv"})
    config = config.replace("127.0.0.1", "*")
    flags = ["--kv-events-config", config, "--max-total-tokens", "256"]
    if RELEASE >= "0.5.19":
        flags += ["--load-publish-endpoint", f"tcp://*:{load}"]
    context = zmq.Context()
    got, lock = {"kv": [], "load": []}, threading.Lock()
    begin = time.monotonic()

    def listen(name, port):
        sub = context.socket(zmq.SUB)
        sub.setsockopt(zmq.SUBSCRIBE, b"")
        sub.connect(f"tcp://127.0.0.1:{port}")
        while True:
            parts = sub.recv_multipart()
            with lock:
                got[name].append((round((time.monotonic() - begin) * 1000), parts))

    for name, port in (("kv", kv), ("load", load)):
        threading.Thread(target=listen, args=(name, port), daemon=True).start()
    if os.environ.get("ADOPT"):
        FLAGS["prefill"] = flags
    else:
        launch("prefill", flags)
        if not alive("decode"):
            launch("decode", [])
    ready("prefill", "decode")
    time.sleep(1.5)

    def frames(name):
        with lock:
            out, got[name] = got[name], []
        return [{"ms": ms, "frames": [p.hex() for p in parts], "decoded": decode(parts)} for ms, parts in out]

    def decode(parts):
        try:
            return [parts[0].decode(), int.from_bytes(parts[1], "big"), msgspec.msgpack.decode(parts[-1])]
        except Exception as broken:  # an end mark
            return repr(broken)

    def step(case, note=None):
        time.sleep(0.8)
        line = {"case": "kv." + case, "to": "zmq", "kv": frames("kv")}
        loads = frames("load")
        line["load"] = loads[:6]
        if len(loads) > 6:
            line["load_omitted"] = len(loads) - 6
        if note:
            line["note"] = note
        emit(line)

    step("start", "warm-up of the engine included")
    one("kv.server_info", "prefill", "GET", "/server_info")
    ids = list(range(20, 60))
    for case, body in (("first", {"input_ids": ids}), ("same_again", {"input_ids": ids}), ("shared_prefix", {"input_ids": ids[:20] + [100, 101, 102]}), ("longer", {"input_ids": ids + [110, 111]}),
                       ("cache_salt", {"input_ids": ids, "cache_salt": "tenant-a"}), ("extra_key", {"input_ids": ids, "extra_key": "k"}), ("session_id", {"input_ids": ids[:10] + [120], "session_id": "s1"}),
                       ("batch", {"input_ids": [[130, 131, 132], [130, 131, 140]]})):
        pair("kv." + case + ".answers", "/generate", {**body, "sampling_params": G}, flush=False)
        step(case)
    one("kv.flush.answer", "prefill", "POST", "/flush_cache", b"")
    step("flush")
    for i in range(4):
        pair(None, "/generate", {"input_ids": [150 + i] + list(range(20, 110)), "sampling_params": G}, flush=False)
    step("eviction", "four prompts of 91 tokens in a pool of 256")
    pair("kv.too_long_for_pool.answers", "/generate", {"input_ids": [20] * 300, "sampling_params": G}, flush=False, abort_after=5)
    dealer = context.socket(zmq.DEALER)
    dealer.connect(f"tcp://127.0.0.1:{replay}")
    for case, start in (("replay.0", 0), ("replay.5", 5), ("replay.99999", 99999)):
        dealer.send_multipart([b"", start.to_bytes(8, "big")])
        found = []
        while dealer.poll(1500):
            parts = dealer.recv_multipart()
            found.append(parts)
            if any(p == b"\xff" * 8 for p in parts):
                break
        emit({"case": "kv." + case, "to": "zmq", "request": {"frames": ["", start.to_bytes(8, "big").hex()]}, "answers": [[p.hex() for p in parts] for parts in (found[:3] + found[-2:] if len(found) > 5 else found)],
              "note": f"{len(found)} messages as the DEALER sees them" + (", the first 3 and the last 2" if len(found) > 5 else "")})
    dealer.close(0)
    step("idle", "load events of an idle engine")


def suite_metrics():
    if not all(alive(n) for n in SIDES):
        fresh()
    for case in ("idle", "after"):
        for side in SIDES:
            raw = exchange(PORTS[side], "GET", "/metrics", timeout=10)
            if raw.get("status") in (301, 302, 307, 308):
                raw = exchange(PORTS[side], "GET", "/metrics/", timeout=10)
            names = {}
            for text in raw.get("body", b"").decode("utf-8", "replace").split("\n"):
                if text.startswith("# TYPE "):
                    names[text.split()[2]] = {"type": text.split()[3], "labels": set()}
                elif text and text[0] != "#":
                    name = re.match(r"[\w:]+", text).group()
                    family = next((n for n in (name, re.sub(r"_(bucket|sum|count|total|created)$", "", name)) if n in names), None)
                    if family:
                        names[family]["labels"] |= set(re.findall(r'[{,](\w+)="', text))
            emit({"case": "metrics." + case, "to": side, "request": {"method": "GET", "path": "/metrics"},
                  "answers": {side: {"status": raw.get("status"), "headers": dict(raw.get("headers", [])) and {"content-type": dict(raw["headers"]).get("content-type")},
                                     "metrics": {n: [v["type"], sorted(v["labels"])] for n, v in sorted(names.items())}}}})
        if case == "idle":
            for i in range(3):
                pair(None, "/generate", {"text": FOX, "sampling_params": G})
            pair(None, "/v1/chat/completions", {**CHAT, "stream": True})


def suite_deadly():
    if not all(alive(n) for n in SIDES):
        fresh()

    def gen(name, more=None, trip=True, text=FOX, **kw):
        pair("deadly." + name, "/generate", {"text": text, "sampling_params": G, **(more or {})}, trip=trip, abort_after=6, **kw)

    gen("session_params.unknown", {"session_params": {"id": "nope"}})
    gen("host.missing", trip={"bootstrap_host": "-"})
    gen("top_logprobs_129", {"return_logprob": True, "top_logprobs_num": 129, "logprob_start_len": 0})
    gen("room_list_on_single", trip={"bootstrap_room": [4001]})
    gen("host_list_on_single", trip={"bootstrap_host": ["127.0.0.1"]})
    gen("text_empty", text="")
    gen("room.2^63", trip={"bootstrap_room": 2**63})
    pair("deadly.chat.room.2^63", "/v1/chat/completions", CHAT, trip={"bootstrap_room": 2**63}, abort_after=5)
    pair("deadly.negative_id", "/generate", {"input_ids": [-5, 2], "sampling_params": G}, abort_after=6)
    pair("deadly.vocabulary", "/generate", {"input_ids": [1, 99999], "sampling_params": G}, abort_after=6)


begun = time.monotonic()
try:
    for suite in SUITES:
        print(time.strftime("%H:%M:%S"), RELEASE, suite, flush=True)
        try:
            globals()["suite_" + suite]()
        except Exception:
            import traceback
            traceback.print_exc()
        if suite == "role" or suite == "keys" and "role" not in SUITES:
            KEYS, ADMIN = {}, {}
        print(time.strftime("%H:%M:%S"), RELEASE, suite, "done, lines", sum(COUNT.values()), flush=True)
finally:
    for each in list(RUNNING):
        stop(each)
os._exit(0)
