# SPDX-License-Identifier: BSD-3-Clause
"""The run widget: what it sends, how fast a click acts, what many cost, how long a long log takes."""

import os
import pathlib
import statistics
import time

from harness import head, percentile, row

CLICKS = 30
LIVE_RUNS = 50
WATCH_SECONDS = 5
LOG_BYTES = 1_000_000_000

# A busy training script: a hundred lines a second.
TALKER = """import time
step = 0
while True:
    print(f'step: {step} loss: {1 / (step + 1):.5f} accuracy: {step / (step + 1):.5f} ' + 'x' * 40, flush=True)
    step += 1
    time.sleep(0.01)
"""
QUIET = "import time\nprint('on', flush=True)\ntime.sleep(10_000)\n"
# When SIGTERM has reached the script, by its own clock.
MARKER = """import os, signal, time
def on_term(*_):
    open({mark!r}, 'w').write(str(time.time_ns()))
    os._exit(0)
signal.signal(signal.SIGTERM, on_term)
print('ready', flush=True)
while True:
    time.sleep(10)
"""


class Page:
    """As little of a page as draws widgets: it asks for them once, and clicks."""

    def __init__(self, kernel):
        self.kernel = kernel
        kernel.settle()
        self.send("comm_open", "control", {}, "jupyter.widget.control", {"version": "1.0.0"})
        self.send("comm_msg", "control", {"method": "request_states"})
        self.until(lambda m: m["content"].get("data", {}).get("method") == "update_states")

    def send(self, kind, comm_id, data, target=None, metadata=None):
        content = {"comm_id": comm_id, "data": data, **({"target_name": target} if target else {})}
        self.kernel.session.send(self.kernel.shell, kind, content, metadata=metadata)

    def until(self, what):
        while True:
            message = self.kernel.receive(self.kernel.iopub)
            if what(message):
                return message

    def until_shown(self, run, part, text):
        """Until a model of the run has a value with this text in it."""
        def shows(message):
            content = message["content"]
            if content.get("comm_id") != f"skiff-{run}-{part}":
                return False
            return text in str(content["data"].get("state", {}))
        return self.until(shows)

    def submit(self, source, options="--no-wait"):
        """The new run's id."""
        _, shown = self.kernel.execute(
            f"%%submit bench {options}\ncode: {source}\nscript: train.py\ncompute: local\n", allow_stdin=True)
        views = [content["data"]["application/vnd.jupyter.widget-view+json"] for content in shown
                 if "application/vnd.jupyter.widget-view+json" in content.get("data", {})]
        return views[-1]["model_id"].removeprefix("skiff-").removesuffix("-root")

    def click(self, run, button):
        self.send("comm_msg", f"skiff-{run}-{button}", {"method": "custom", "content": {"event": "click"}})

    def heard(self, seconds):
        """Messages and bytes on IOPub in so many seconds."""
        end = time.monotonic() + seconds
        messages = size = 0
        while self.kernel.iopub.poll(max(0, (end - time.monotonic()) * 1e3)):
            frames = self.kernel.iopub.recv_multipart()
            messages += 1
            size += sum(map(len, frames))
        return messages / seconds, size / seconds


def source_of(bench, name, script):
    folder = bench.folder / name
    folder.mkdir()
    (folder / "train.py").write_text(script)
    return folder


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def traffic(bench):
    source = source_of(bench, "talker", TALKER)
    with bench.kernel("skiff alone") as kernel:
        page = Page(kernel)
        run = page.submit(source)
        page.until_shown(run, "head", "Running")
        page.heard(1)
        messages, size = page.heard(WATCH_SECONDS)
        kernel.execute(f"%cancel {run}")
        page.until_shown(run, "head", "Cancel")
        kernel.execute("%wait")
        page.heard(1)
        idle, _ = page.heard(2)
    head("the widget of a run that prints 100 lines a second")
    row("messages a second", messages, bar="<= 10", unit="")
    row("kB a second on IOPub", size / 1e3, "what it prints", 100 * 0.078, unit="kB")
    row("messages a second after its end", idle, bar="none", unit="")


def click(bench):
    """From the click's message to the script's handler of SIGTERM."""
    mark = bench.folder / "sigterm"
    source = source_of(bench, "marker", MARKER.format(mark=str(mark)))
    took = []
    with bench.kernel("skiff") as kernel:
        page = Page(kernel)
        kernel.execute("1")
        for _ in range(CLICKS):
            run = page.submit(source)
            page.until(lambda m: "ready" in str(m["content"].get("data", {}).get("state", {})))
            page.click(run, "cancel")
            page.until_shown(run, "buttons", "sure")
            spin = "import time\nend = time.monotonic() + 0.5\nwhile time.monotonic() < end: pass"
            kernel.session.send(kernel.shell, "execute_request", {
                "code": spin, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": True})
            page.until(lambda m: m["msg_type"] == "execute_input")
            begin = time.time_ns()
            page.click(run, "sure")
            while not mark.exists() or not mark.read_text():
                time.sleep(0.0005)
            took.append((int(mark.read_text()) - begin) / 1e6)
            mark.unlink()
            page.until_shown(run, "head", "Canceled")
    head(f"a click on Cancel to SIGTERM in the script, while a Python cell spins ({CLICKS} times)")
    row("p50", percentile(took, 50))
    row("p99", percentile(took, 99), bar="<= 50 ms")


def many(bench):
    source = source_of(bench, "quiet", QUIET)
    with bench.kernel("skiff alone") as kernel:
        page = Page(kernel)
        runs = [page.submit(source) for _ in range(LIVE_RUNS)]
        time.sleep(3)
        page.heard(1)
        before = cpu_seconds(kernel.process.pid)
        messages, size = page.heard(WATCH_SECONDS)
        cpu = (cpu_seconds(kernel.process.pid) - before) / WATCH_SECONDS * 100
        memory = kernel.memory_mb()[0]
        for run in runs:
            kernel.execute(f"%cancel {run}")
        for run in runs:
            kernel.execute(f"%wait {run}")
    head(f"{LIVE_RUNS} live runs in one notebook, each counting its seconds")
    row("CPU of the kernel", cpu, unit="%")
    row("messages a second", messages, "the server's limit", 1000, unit="")
    row("kB a second", size / 1e3, unit="kB")
    row("RSS", memory, unit="MiB")


def attach(bench):
    source = source_of(bench, "short", "print('over')\n")
    with bench.kernel("skiff alone") as kernel:
        kernel.settle()
        kernel.execute(f"%%submit bench --wait\ncode: {source}\nscript: train.py\ncompute: local\n")
    newest = max((bench.folder / "home/runs").glob("*/run.json"), key=lambda p: p.stat().st_mtime).parent
    line = b"step: 12 loss: 0.25 " + b"x" * 79 + b"\n"
    with open(newest / "user_logs/std_log.txt", "wb") as log:
        for _ in range(LOG_BYTES // (len(line) * 10_000)):
            log.write(line * 10_000)
    took, memory = [], 0
    for _ in range(5):
        with bench.kernel("skiff alone") as kernel:
            Page(kernel)
            took.append(kernel.execute(f"%attach {newest.name}", allow_stdin=True)[0] * 1e3)
            time.sleep(2)
            memory = max(memory, kernel.memory_mb()[0])
    head(f"%attach in a new kernel to a run with a log of {LOG_BYTES / 1e9:.0f} GB")
    row("to its idle, median", statistics.median(took), bar="<= 50 ms")
    row("RSS, while its metrics are read", memory, bar="<= 20 MiB", unit="MiB")
