# SPDX-License-Identifier: BSD-3-Clause
"""Measures what Skiff promises, side by side with the peer or the floor, in one run.

    bench.py BUILD_DIR      with skiff, skiff-runner, bare_loop (and bench_snapshot) in it

Times are medians of interleaved rounds. Nothing is asserted: machines are noisy, ratios less so.
"""

import contextlib
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import containers
import widget
from harness import PATIENCE_MS, Bench, head, percentile, row

START_ROUNDS = 15
TRIPS = 300
SUBMITS = 15
COLD_ROUNDS = 3
SHAPES = {  # folders, files in each, bytes of a file
    "10,000 small files": (100, 100, 8_192),
    "what Azure allows": (20, 100, 149_000),
}
RUNS = 1_000
IDLE_SECONDS = 3


# --- what is measured ----------------------------------------------------------------------------------------

def start(bench):
    times = {name: [] for name in bench.commands}
    memory = {}
    wakes = {}
    for _ in range(START_ROUNDS):
        for name in bench.commands:
            with bench.kernel(name) as kernel:
                times[name].append(kernel.started_ms)
                memory[name] = kernel.memory_mb()
                if name not in wakes:
                    wakes[name] = kernel.wakes(IDLE_SECONDS)
    median = {name: statistics.median(values) for name, values in times.items()}
    head(f"start, spawn to the first kernel_info_reply (median of {START_ROUNDS})")
    for peer in ("ipykernel", "bare C loop"):
        row("skiff", median["skiff"], peer, median[peer], "<= 10 ms")
    head("memory of the idle kernel, no companion")
    for index, kind in enumerate(("RSS", "PSS")):
        for peer in ("ipykernel", "bare C loop"):
            row(f"skiff, {kind}", memory["skiff alone"][index], peer, memory[peer][index],
                "<= 10 MiB RSS", unit="MiB")
    head(f"wake-ups in {IDLE_SECONDS} s of idling (context switches of the main thread)")
    row("skiff alone", wakes["skiff alone"], "ipykernel", wakes["ipykernel"], "none", unit="")


def round_trips(bench):
    cells = {"%workspace": ("skiff", "%workspace"), "1+1 by Skiff": ("skiff", "1+1"),
             "bare C loop, canned": ("bare C loop", "1"), "ipykernel, 1+1": ("ipykernel", "1+1"),
             "1+1 by Skiff, kept": ("skiff", "1+1"), "ipykernel, 1+1, kept": ("ipykernel", "1+1")}
    times = {what: [] for what in cells}
    with contextlib.ExitStack() as stack:
        kernels = {name: stack.enter_context(bench.kernel(name))
                   for name in ("skiff", "bare C loop", "ipykernel")}
        for kernel in kernels.values():
            kernel.settle()
        for number in range(-20, TRIPS):  # the first ones warm up
            for what, (name, code) in cells.items():
                took, _ = kernels[name].execute(code, what.endswith("kept"))
                if number >= 0:
                    times[what].append(took * 1e3)
    head(f"a cell, execute_request to idle ({TRIPS} each, interleaved)")
    for percent in (50, 95):
        figure = {what: percentile(values, percent) for what, values in times.items()}
        row(f"%workspace, p{percent}", figure["%workspace"], "bare C loop, canned",
            figure["bare C loop, canned"], "<= 1.3 x the bare loop")
        row(f"%workspace, p{percent}", figure["%workspace"], "ipykernel, 1+1", figure["ipykernel, 1+1"])
        row(f"1+1 by Skiff, p{percent}", figure["1+1 by Skiff"], "ipykernel, 1+1",
            figure["ipykernel, 1+1"])
        row(f"added by Skiff, p{percent}", figure["1+1 by Skiff"] - figure["ipykernel, 1+1"],
            bar="<= 0.3 ms p50")
        row(f"the same, kept in history, p{percent}",
            figure["1+1 by Skiff, kept"] - figure["ipykernel, 1+1, kept"], bar="<= 0.3 ms p50")


def first_cell(bench):
    """The first Python cell: sent as soon as the kernel answers, and after the 2 s a person needs to type."""
    at_once, later = {}, {}
    for name in ("skiff", "ipykernel"):
        with bench.kernel(name) as kernel:
            at_once[name] = kernel.started_ms + kernel.execute("1+1")[0] * 1e3
        with bench.kernel(name) as kernel:
            time.sleep(2)
            later[name] = kernel.execute("1+1")[0] * 1e3
    head("the first Python cell")
    row("start of the kernel to its idle", at_once["skiff"], "ipykernel", at_once["ipykernel"])
    row("sent 2 s later, to its idle", later["skiff"], "ipykernel", later["ipykernel"])


def throughput(bench):
    """Output of a cell, until its idle."""
    code = "import sys\nfor _ in range({}): sys.stdout.write('x' * 9_999 + '\\n')"
    times = {}
    with contextlib.ExitStack() as stack:
        kernels = {name: stack.enter_context(bench.kernel(name)) for name in ("skiff", "ipykernel")}
        for kernel in kernels.values():
            kernel.settle()
            kernel.execute("1")
        for size in (1, 100):
            for name, kernel in kernels.items():
                rounds = [kernel.execute(code.format(size * 100))[0] for _ in range(3)]
                times[name, size] = size / statistics.median(rounds)
    head("output of a Python cell")
    for size in (1, 100):
        row(f"{size} MB printed", times["skiff", size], "ipykernel", times["ipykernel", size], unit="MB/s")


# A script's first instruction, as it can know it: the clock, written to the file it is given.
SHELL_SCRIPT = "date +%s%N >{mark}"
PYTHON_SCRIPT = "import time\nopen({mark!r}, 'w').write(str(time.time_ns()))\n"


def first_instruction(mark, begin_ns):
    """Milliseconds from begin_ns to what the script wrote, once it is there."""
    end = time.monotonic() + PATIENCE_MS / 1e3
    while time.monotonic() < end:
        with contextlib.suppress(FileNotFoundError):
            text = mark.read_text().strip()
            if text:
                mark.unlink()
                return (int(text) - begin_ns) / 1e6
        time.sleep(0.001)
    sys.exit("bench: the script did not start")


def submit_latency(bench):
    mark = bench.folder / "mark"
    source = bench.folder / "source"
    source.mkdir()
    (source / "train.py").write_text(PYTHON_SCRIPT.format(mark=str(mark)))
    shell = SHELL_SCRIPT.format(mark=mark)
    kinds = {"shell": (f"command: {shell}", ["/bin/sh", "-c", shell]),
             "python": ("script: train.py", [sys.executable, str(source / "train.py")])}
    times = {(kind, who): [] for kind in kinds for who in ("skiff", "fork")}
    with bench.kernel("skiff") as kernel:
        kernel.settle()
        for _ in range(SUBMITS):
            for kind, (line, argv) in kinds.items():
                begin = time.time_ns()
                _, shown = kernel.execute(f"%%submit bench --no-wait\ncode: {source}\ncompute: local\n{line}\n")
                failed = [content["traceback"] for content in shown if "traceback" in content]
                if failed:
                    sys.exit("\n".join(failed[0]))
                times[kind, "skiff"].append(first_instruction(mark, begin))
                kernel.execute("%wait")
                begin = time.time_ns()
                with subprocess.Popen(argv):
                    times[kind, "fork"].append(first_instruction(mark, begin))
    head(f"submit to the script's first instruction (median of {SUBMITS}, compute local, one file)")
    for kind in kinds:
        mine, floor = (statistics.median(times[kind, who]) for who in ("skiff", "fork"))
        row(f"%%submit, {kind}", mine, "fork and exec of the same", floor)
        row(f"%%submit, {kind}, added", mine - floor, bar="<= 20 ms")


def runs_listed(bench):
    """Copies one finished run under new ids, rebuilds the index, and lists them."""
    runs = bench.folder / "home/runs"
    finished = sorted(path.parent for path in runs.glob("*/run.json"))
    model = finished[0]
    intent = (model / "run.json").read_text()
    for number in range(RUNS - len(finished)):
        copy = runs / f"copied_run_{number:010d}"
        shutil.copytree(model, copy, symlinks=True)
        (copy / "run.json").write_text(intent.replace(model.name, copy.name))
    begin = time.perf_counter()
    subprocess.run([bench.build / "skiff", "reindex"], env=bench.env, check=True, stdout=subprocess.DEVNULL)
    reindex = (time.perf_counter() - begin) * 1e3
    with bench.kernel("skiff") as kernel:
        kernel.settle()
        took = [kernel.execute(f"%runs -n {RUNS}")[0] * 1e3 for _ in range(10)]
    head(f"{RUNS} runs")
    row("skiff reindex", reindex)
    row(f"%runs -n {RUNS}, the first time", took[0])
    row(f"%runs -n {RUNS}, median", statistics.median(took))


def make_tree(source, folders, files, size):
    """Bytes that do not repeat."""
    for folder in range(folders):
        (source / f"d{folder}").mkdir(parents=True)
        for name in range(files):
            (source / f"d{folder}/f{name}").write_bytes(os.urandom(size))


def timed(command):
    begin = time.perf_counter()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return (time.perf_counter() - begin) * 1e3


def our_snapshot(program, source, home, warm_rounds):
    """Lists of milliseconds: cold and warm (scan and store), and what the first laying out took."""
    home.mkdir()
    command = [program, source, home, str(warm_rounds)]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    took = {"cold": [], "warm": [], "lay out": []}
    for line in text.splitlines():
        took[line.split()[0]].append(float(line.split(" snapshot ")[1].split()[0]))
    took["lay out"].append(float(text.split(" lay out ")[1].split()[0]))
    return took


def snapshot_shape(program, folder, name, shape):
    """Nothing is deleted on the way: a file system that has just deleted many files makes new ones slowly."""
    source = folder / "tree"
    make_tree(source, *shape)
    took = {what: [] for what in ("cold", "warm", "lay out", "add", "add again", "cp")}
    for number in range(COLD_ROUNDS):
        git = ["git", f"--git-dir={folder / f'repository-{number}'}", f"--work-tree={source}", "-C", source]
        subprocess.run([*git, "init", "-q"], check=True)
        os.sync()  # what was just written is not the next one's to force out
        ours = our_snapshot(program, source, folder / f"home-{number}", 3 if number == 0 else 0)
        for what, figures in ours.items():
            took[what] += figures
        os.sync()
        took["add"].append(timed([*git, "add", "."]))
        took["add again"].append(timed([*git, "add", "."]))
        os.sync()
        took["cp"].append(timed(["cp", "-r", source, folder / f"copy-{number}"]))
    took = {what: statistics.median(figures) for what, figures in took.items()}
    size = shape[0] * shape[1] * shape[2] / 1e6
    head(f"snapshot, {name}: {size:.0f} MB (scan and store; median of {COLD_ROUNDS})")
    rate = size / took["cold"] * 1e3
    row("cold", took["cold"], "git add, new", took["add"], f">= 500 MB/s (here {rate:.0f} MB/s)")
    row("cold", took["cold"], "cp -r", took["cp"])
    row("laid out", took["lay out"], "cp -r", took["cp"])
    row("warm", took["warm"], "git add, nothing changed", took["add again"], "<= 150 ms")


def snapshot(bench):
    program = bench.build / "bench_snapshot"
    if not program.exists():
        return
    for number, (name, shape) in enumerate(SHAPES.items()):
        folder = bench.folder / f"snapshot-{number}"
        folder.mkdir()
        snapshot_shape(program, folder, name, shape)


MEASURES = (start, round_trips, first_cell, throughput, submit_latency, runs_listed, widget.traffic, widget.click,
            widget.many, widget.attach, snapshot)
WITH_AN_ENGINE = (containers.containers,)  # only when they are named: DOCKER_HOST has to name one


def main():
    names = [measure.__name__ for measure in MEASURES]
    every = [measure.__name__ for measure in MEASURES + WITH_AN_ENGINE]
    if len(sys.argv) < 2 or not set(sys.argv[2:]) <= set(every):
        sys.exit(f"usage: bench.py BUILD_DIR [{' | '.join(every)}]...")
    with tempfile.TemporaryDirectory(prefix="skiff-bench-") as folder:
        bench = Bench(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(folder))
        for measure in MEASURES + WITH_AN_ENGINE:
            if measure.__name__ in (sys.argv[2:] or names):
                measure(bench)


if __name__ == "__main__":
    main()
