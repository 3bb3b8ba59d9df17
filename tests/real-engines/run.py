#!/usr/bin/env python3
"""Tests the gateway in front of real SGLang engines on the CPU of this machine.

    tests/real-engines/run.py [STEP...]        all steps, or those named: compare texts aborts load kill term poison kits fixtures

Builds the gateway, installs SGLang and a model of half a megabyte under --root (3 GB, once), starts a prefill, a decode and a
regular engine, runs the steps, stops everything, and prints a line for each step and `N passed, N failed, N skipped` at the end.
Exit codes: 0 = all passed; 1 = a step failed; 77 = this machine cannot run it, and the only line says what is missing.
"""
import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
CANNOT_RUN = 77
MEMORY_GB, DISK_GB = 6, 6
LIBRARIES = {"libibverbs.so.1": "libibverbs1", "librdmacm.so.1": "librdmacm1", "libnuma.so.1": "libnuma1",
             "libcurl.so.4": "libcurl4"}
KIT_FLAGS = ["--context-length", "49152", "--max-total-tokens", "98304", "--max-running-requests", "64",
             "--tool-call-parser", "qwen25", "--enable-streaming-session", "--constrained-json-disable-any-whitespace"]
FIXTURE_FLAGS = "--context-length 131072 --max-total-tokens 262144"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="*", metavar="STEP", help="default: all")
    parser.add_argument("--root", type=Path, default=Path("/tmp/realpair"),
                        help="folder for the Python environment, models and logs (default /tmp/realpair)")
    parser.add_argument("--release", default="0.5.23", help="SGLang release to install (default 0.5.23)")
    parser.add_argument("--gateway-port", type=int, default=30010, help="port of the gateway (default 30010)")
    parser.add_argument("--engines", nargs=4, metavar=("PREFILL", "BOOTSTRAP_PORT", "DECODE", "REGULAR"),
                        help="URLs of engines that run already; steps that stop or restart engines are skipped")
    options = parser.parse_args()
    unknown = [step for step in options.steps if step not in STEPS]
    if unknown:
        parser.error(f"unknown step {', '.join(unknown)}; steps: {', '.join(STEPS)}")
    return options


def missing(options):
    """What this machine lacks, in one sentence; None = nothing."""
    if shutil.which("dotnet") is None:
        return "the .NET SDK (dotnet)"
    if options.engines:
        return None
    if shutil.which("curl") is None:
        return "curl"
    if shutil.which("python3.11") is None:
        return "Python 3.11 (python3.11)"
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    if memory < MEMORY_GB:
        return f"memory: {MEMORY_GB} GiB are needed, the machine has {memory:.1f}"
    known = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=False).stdout
    packages = [package for library, package in LIBRARIES.items() if library not in known]
    if packages and (os.geteuid() != 0 or shutil.which("apt-get") is None):
        return "system libraries; as root: apt-get install " + " ".join(packages)
    if installed(options):
        return None
    options.root.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(options.root).free / 2**30
    if free < DISK_GB:
        return f"disk space: {DISK_GB} GiB are needed in {options.root}, {free:.1f} are free"
    # pip's own settings (pip.conf, PIP_INDEX_URL) name the index.
    command = ["python3.11", "-m", "pip", "index", "versions", "sglang", "--disable-pip-version-check"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout
    except subprocess.TimeoutExpired:
        found = ""
    return None if options.release in found else (
        f"SGLang {options.release}: pip finds no such package (is a Python package index reachable?)")


def installed(options):
    python = options.root / "v/bin/python"
    code = "import importlib.metadata as m; print(m.version('sglang'))"
    if not python.exists():
        return False
    found = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False).stdout.strip()
    return found == options.release


class Stage:
    """The engines and the gateway of a run."""

    def __init__(self, options):
        self.options = options
        self.logs = options.root / "run"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.environment = {**os.environ, "ROOT": str(options.root), "SGLANG": options.release}
        self.gateway_url = f"http://127.0.0.1:{options.gateway_port}"
        self.prefill, self.boot, self.decode, self.regular = options.engines or (
            "http://127.0.0.1:30000", "8998", "http://127.0.0.1:30001", "http://127.0.0.1:30002")
        self.python = str(options.root / "v/bin/python") if not options.engines else sys.executable
        self._gateway = None
        self._flags = None

    def engines(self, flags=(), model="tiny"):
        """Starts the three engines with these flags, unless they run with them already."""
        if self.options.engines or self._flags == (flags, model):
            return
        self.stop()
        environment = {**self.environment, "MODEL": str(self.options.root / model)}
        for what in ("pair", "regular"):
            self.shell([HERE / "engines/up.sh", what, *flags], environment)
        self._flags = (flags, model)
        self.start_gateway()

    def start_gateway(self):
        log = open(self.logs / "gateway.log", "w", encoding="utf-8")
        self._gateway = subprocess.Popen(
            [str(PROJECT / "orleanspd"), "gateway", "--port", str(self.options.gateway_port),
             "--prefill", self.prefill, self.boot, "--decode", self.decode],
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        until = time.monotonic() + 120
        while time.monotonic() < until:
            if self._gateway.poll() is not None:
                break
            try:
                with urllib.request.urlopen(self.gateway_url + "/readiness", timeout=5) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.2)
        raise RuntimeError(f"the gateway is not ready; see {log.name}")

    def stop(self):
        if self._gateway is not None and self._gateway.poll() is None:
            os.killpg(self._gateway.pid, signal.SIGTERM)
            try:
                self._gateway.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self._gateway.pid, signal.SIGKILL)
        self._gateway = None
        if not self.options.engines and self._flags is not None:
            self.shell([HERE / "engines/up.sh", "down"], self.environment)
        self._flags = None

    def shell(self, command, environment, limit=1800):
        subprocess.run([str(part) for part in command], env=environment, check=True, timeout=limit)

    def check(self, script, *parameters, limit=900, folder="checks"):
        """Runs one check script with its output on the screen; returns whether it passed."""
        command = [self.python, str(HERE / folder / script), *map(str, parameters)]
        print("$", " ".join(command), flush=True)
        return subprocess.run(command, env=self.environment, cwd=HERE / folder, check=False, timeout=limit).returncode == 0


def compare(stage):
    return stage.check("compare.py", stage.regular, stage.gateway_url)


def texts(stage):
    return stage.check("texts.py", stage.gateway_url, stage.regular, 80)


def aborts(stage):
    return stage.check("aborts.py", stage.gateway_url, stage.prefill, stage.decode, stage.boot)


def load(stage):
    return stage.check("load.py", stage.gateway_url, 60, 16) and stage.check("load.py", stage.gateway_url, 60, 48)


def kill(stage):
    results = [stage.check("kill.py", stage.gateway_url, HERE / "engines/up.sh", role, how, 5)
               for role in ("decode", "prefill") for how in ("KILL", "TERM")]
    return all(results)


def term(stage):
    """Each shape of load ends one decode engine, which is started again for the next."""
    results = []
    for clients, tokens in ((2, 3), (6, 150)):
        results.append(stage.check("term.py", stage.gateway_url, "decode", stage.decode, 60, clients, tokens))
        stage.shell([HERE / "engines/up.sh", "down", "decode"], stage.environment)
        stage.shell([HERE / "engines/up.sh", "decode"], stage.environment)
    return all(results)


def poison(stage):
    """Ends engines, so all are started again afterwards."""
    try:
        return all(stage.check("poison.py", stage.gateway_url, which) for which in ("session", "vocabulary"))
    finally:
        stage.stop()


def kits(stage):
    """SGLang's own tests, at the gateway and at the regular engine; the gateway must pass what the engine passes."""
    root = stage.options.root
    if not (root / "kits/tiny/model.safetensors").exists():
        stage.shell([stage.python, HERE / "kits/model.py", root / "kits/tiny"], stage.environment)
    stage.engines(tuple(KIT_FLAGS), "kits/tiny")
    outcomes = {}
    for target, url, more in (("engine", stage.regular, {}), ("gateway", stage.gateway_url, {
            "ENGINES": f"{stage.prefill},{stage.decode}", "REGULAR": stage.regular})):
        out = root / f"run/kits-{target}.jsonl"
        out.unlink(missing_ok=True)
        environment = {**stage.environment, "URL": url, "TARGET": target, "OUT": str(out), **more}
        # `tiny` is both the model's name and its folder, so the kits run beside it.
        command = f'. "{HERE}/engines/env.sh"; cd "{root}/kits"; exec "{stage.python}" "{HERE}/kits/kits.py"'
        subprocess.run(["bash", "-c", command], env=environment, check=False, timeout=5400)
        outcomes[target] = {row["test"]: row["outcome"] for row in map(json.loads, out.read_text().splitlines())}
    good = [name for name, outcome in outcomes["engine"].items() if outcome == "pass"]
    worse = [name for name in good if outcomes["gateway"].get(name) != "pass"]
    print(f"the engine passes {len(good)} tests; of these the gateway fails {len(worse)}: {', '.join(worse) or 'none'}", flush=True)
    return bool(good) and not worse


def fixtures(stage):
    """SGLang's tests that start their engines and load balancer; ours is the load balancer."""
    root = stage.options.root
    stage.stop()
    if not (root / "long/tiny/model.safetensors").exists():
        stage.shell([stage.python, HERE / "kits/long_model.py", root / "long/tiny"],
                    {**stage.environment, "PYTHONPATH": f"{HERE}/engines"})
    environment = {**stage.environment, "MODEL": str(root / "long/tiny"), "LB": "ours", "ENGINE_FLAGS": FIXTURE_FLAGS,
                   "GATEWAY": f"{PROJECT}/orleanspd gateway", "PATH": f"{HERE}/kits/bin:{os.environ['PATH']}"}
    command = f'. "{HERE}/engines/env.sh"; exec "{stage.python}" "{HERE}/kits/fixtures.py"'
    return subprocess.run(["bash", "-c", command], env=environment, check=False, timeout=5400).returncode == 0


STEPS = {step.__name__: step for step in (compare, texts, aborts, load, kill, term, poison, kits, fixtures)}
# They stop engines, or start some with other flags.
NEED_OWN_ENGINES = {"kill", "term", "poison", "kits", "fixtures"}


def ports_in_use(options):
    ports = [options.gateway_port] + ([] if options.engines else [30000, 30001, 30002, 8998])
    taken = []
    for port in ports:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                taken.append(port)
    return taken


def main():
    options = arguments()
    lacks = missing(options) or (f"free ports: {ports_in_use(options)} are in use" if ports_in_use(options) else None)
    if lacks:
        print(f"Cannot run the tests with real engines. Missing: {lacks}.")
        return CANNOT_RUN
    subprocess.run(["dotnet", "build", PROJECT / "src/OrleansPd.Server", "-c", "Release", "-v", "quiet", "-nologo"], check=True)
    stage = Stage(options)
    lines, results = [], {"passed": 0, "failed": 0, "skipped": 0}
    try:
        if options.engines:
            stage.start_gateway()
        for name in options.steps or STEPS:
            begin = time.monotonic()
            if options.engines and name in NEED_OWN_ENGINES:
                outcome = "skipped"
            else:
                try:
                    if name not in ("kits", "fixtures"):
                        stage.engines()
                    outcome = "passed" if STEPS[name](stage) else "failed"
                except (subprocess.SubprocessError, OSError, RuntimeError) as error:
                    outcome = "failed"
                    print(f"{name}: {error}", flush=True)
            results[outcome] += 1
            lines.append(f"{outcome:8}{name:10}{time.monotonic() - begin:7.1f} s")
    finally:
        stage.stop()
    print("\n".join(["", *lines]))
    print(", ".join(f"{count} {outcome}" for outcome, count in results.items()))
    return 1 if results["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
