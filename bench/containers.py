# SPDX-License-Identifier: BSD-3-Clause
"""Runs in containers, beside the engine's own `create` and `start` of the same image. Needs DOCKER_HOST, as
`make bench-containers` gives it (tests/engine/with-docker)."""

import os
import pathlib
import shutil
import statistics
import sys
import time

from harness import head, row

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/engine"))
from docker_api import Docker  # noqa: E402

ROUNDS = 20
IMAGE = "127.0.0.1:1/bench/base:latest"
FILES = 1_000
SCRIPT = "import time\nopen('/skiff/run/mark', 'w').write(str(time.time_ns()))\n"
PEER = ["python3", "-c", "import time\nopen('/out/mark', 'w').write(str(time.time_ns()))"]


def milliseconds(mark, begin):
    """From `begin` to what the script wrote, once it is there."""
    while True:
        try:
            written = mark.read_text()
            if written:
                mark.unlink()
                return (int(written) - begin) / 1e6
        except FileNotFoundError:
            pass
        time.sleep(0.001)


def engines_own(docker, out):
    """create and start of the same image, a folder mounted."""
    begin = time.time_ns()
    container = docker.ask("POST", "/containers/create", body={
        "Image": IMAGE, "Cmd": PEER, "HostConfig": {"NetworkMode": "none", "Mounts": [
            {"Type": "bind", "Source": str(out), "Target": "/out"}]}})["Id"]
    docker.ask("POST", f"/containers/{container}/start")
    took = milliseconds(out / "mark", begin)
    docker.ask("DELETE", f"/containers/{container}", force=1)
    return took


def ours(bench, kernel, source):
    """From sending the cell to the script's first instruction."""
    begin = time.time_ns()
    _, shown = kernel.execute(f"%%submit bench --no-wait\ncode: {source}\nscript: train.py\ncompute: docker\n"
                              "environment: base\n")
    failed = [content["traceback"] for content in shown if "traceback" in content]
    if failed:
        sys.exit("\n".join(failed[0]))
    newest = max((bench.folder / "home/runs").glob("*_*/run.json"), key=os.path.getmtime).parent
    took = milliseconds(newest / "mark", begin)
    kernel.execute("%wait")
    return took


def containers(bench):
    docker = Docker()
    if not any(IMAGE in (image["RepoTags"] or []) for image in docker.images()):
        docker.load(ROOT / "build/engine/base.tar", IMAGE.rsplit(":", 1)[0])
    source, many, out = bench.folder / "one", bench.folder / "many", bench.folder / "out"
    for folder in (source, many, out):
        folder.mkdir()
        (folder / "train.py").write_text(SCRIPT)
    for number in range(FILES):
        (many / f"{number:04d}.txt").write_text(f"{number}\n" * 100)
    times = {"engine": [], "one": [], "many": [], "copy": []}
    with bench.kernel("skiff") as kernel:
        kernel.settle()
        kernel.execute(f"%%environment base\nimage: {IMAGE}\nuser_managed_dependencies: true\n")
        kernel.execute("%%compute docker\ntype: local\ncontainer: {network: none}\n")
        ours(bench, kernel, source)  # libcurl is loaded, the image is known
        ours(bench, kernel, many)
        for _ in range(ROUNDS):
            times["engine"].append(engines_own(docker, out))
            times["one"].append(ours(bench, kernel, source))
            times["many"].append(ours(bench, kernel, many))
            begin = time.perf_counter()
            shutil.copytree(many, bench.folder / "copy")
            times["copy"].append((time.perf_counter() - begin) * 1e3)
            shutil.rmtree(bench.folder / "copy")
        listed = [kernel.execute("%environments")[0] * 1e3 for _ in range(10)]
    floor, one, more, copy = (statistics.median(times[name]) for name in ("engine", "one", "many", "copy"))
    head(f"a run in a container, to its first instruction (median of {ROUNDS})")
    row("%%submit, image cached, one file", one, "create and start of the same image", floor)
    row("%%submit, added", one - floor, bar="<= 20 ms")
    row(f"a folder of {FILES} files, unchanged, added", more - one, "a copy of the folder", copy)
    row("%environments, one cached image", statistics.median(listed))
