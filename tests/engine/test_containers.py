# SPDX-License-Identifier: BSD-3-Clause
"""Runs in containers: what the script sees, how it ends, and what survives what."""

import json
import os
import pathlib
import signal
import stat
import subprocess
import time

import pytest

from conftest import BUILD, PASSWORD, REGISTRY, private, until

SLOW = """
import sys, time
for i in range(3000):
    print("line", i, flush=True)
    time.sleep(0.02)
"""


@pytest.fixture
def kernel(place, image):
    kernel = place.kernel()
    place.environment(kernel, private(image))
    return kernel


def started(place, count=1):
    """Runs whose script is running."""
    return until(lambda: [run for run in place.runs() if place.states(run)[-1] == "Running"][:count])


# --- what the script sees ---------------------------------------------------------------------------------


def test_only_the_run_is_visible_and_outputs_belong_to_the_caller(place, kernel):
    text = place.submit(kernel, """
import os, pathlib
print("mounts", sorted(line.split()[4] for line in open("/proc/self/mountinfo")
      if " /etc/" not in line and line.split()[4].startswith("/skiff")))
print("hosts files", os.path.exists("/work"), os.path.exists(os.environ.get("SKIFF_HOME", "/nowhere")))
print("network", os.listdir("/sys/class/net"))
pathlib.Path("outputs/deep").mkdir()
pathlib.Path("outputs/deep/model.bin").write_bytes(b"x" * 1000)
pathlib.Path("logs/more.txt").write_text("kept")
print("loss=0.25")
""").ok()
    assert "mounts ['/skiff/run', '/skiff/runner']" in text
    assert "hosts files False False" in text
    assert "network ['lo']" in text  # --network none is what the compute says
    assert "model.bin" in text and "loss" in text
    run = place.runs()[0]
    made = run / "outputs/deep/model.bin"
    assert made.stat().st_uid == os.getuid() and (run / "logs/more.txt").read_text() == "kept"
    assert (run / "usage.jsonl").read_text().count("rss_bytes") >= 1


def test_a_caller_who_is_not_root_owns_what_was_written(place, image, tmp_path):
    """As user 12345, who may use the engine's socket."""
    docker_socket = pathlib.Path(os.environ["DOCKER_HOST"].removeprefix("unix://"))
    for folder in (tmp_path, *tmp_path.parents, *docker_socket.parents):
        if folder != folder.parent:
            folder.chmod(folder.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    docker_socket.chmod(0o666)
    for path in (tmp_path, place.work):
        os.chown(path, 12345, 12345)
    code = f"""
import json, sys
sys.path[:0] = {json.dumps([str(pathlib.Path(__file__).parent)])}
"""
    place.write("src/train.py", "import os\nprint('I am', os.getuid(), os.environ['HOME'])\n"
                                "open('outputs/mine', 'w').write('x')\nopen('/tmp/scratch', 'w')\n")
    place.write("book.py", "")
    book = {"cells": [cell(f"%%environment fastai2\n{private(image)}"),
                      cell("%%compute docker\ntype: local\ncontainer: {network: none}"),
                      cell("%%submit who\nsource_directory: src\nscript: train.py\ncompute: docker\n"
                           "environment: fastai2")],
            "metadata": {"kernelspec": {"name": "skiff", "display_name": "Skiff"}},
            "nbformat": 4, "nbformat_minor": 5}
    place.write("who.ipynb", json.dumps(book))
    for root, folders, files in os.walk(tmp_path):
        for name in folders + files:
            os.chown(os.path.join(root, name), 12345, 12345, follow_symlinks=False)
    env = place.env(HOME=str(tmp_path), JUPYTER_PATH=str(tmp_path / "prefix/share/jupyter"))
    result = subprocess.run(
        ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", os.sys.executable, "-m", "nbconvert",
         "--execute", "--to", "notebook", "--stdout", "who.ipynb"],
        cwd=place.work, env=env, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    run = place.runs()[0]
    assert "I am 12345 /tmp" in place.log(run)
    assert (run / "outputs/mine").stat().st_uid == 12345


def cell(source):
    return {"cell_type": "code", "execution_count": None, "id": f"c{abs(hash(source)) % 10**8}", "metadata": {},
            "outputs": [], "source": source}


def test_the_image_s_entry_point_and_user_do_not_matter(place, image):
    kernel = place.kernel()
    place.environment(kernel, f"dockerfile: |\n  FROM {image}\n  USER nobody\n  ENTRYPOINT [\"/bin/false\"]\n"
                              "  WORKDIR /nowhere\n")
    text = place.submit(kernel, "open('outputs/a', 'w').write('a')\nprint('ran')\n").ok()
    assert "ran" in text


def test_an_image_without_a_shell(place, docker):
    """Nothing but one static program."""
    tiny = pathlib.Path(os.environ["SKIFF_BUILD"]) / "tests/engine/tiny"
    kernel = place.kernel()
    place.write("image/Dockerfile", "FROM scratch\nCOPY tiny /tiny\n")
    (place.work / "image/tiny").write_bytes(tiny.read_bytes())
    (place.work / "image/tiny").chmod(0o755)
    place.environment(kernel, "build: {path: image}\n")
    assert "both" in place.command(kernel, "[/tiny, both]").failed()  # it exits with 1
    text = place.command(kernel, "make all").failed()
    assert "no such program" in text


def test_what_the_compute_says_holds(place, image, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/words.txt").write_text("of the data")
    (tmp_path / "scratch").mkdir()
    kernel = place.kernel(compute=f"""container:
  network: none
  shm_size: 128m
  ulimits: {{nofile: "100:200"}}
  cpus: 1
  mounts: ["{tmp_path}/data:/data", "{tmp_path}/scratch:/scratch:rw"]
""")
    place.environment(kernel, private(image))
    text = place.submit(kernel, """
import os, resource, sys
shm = os.statvfs("/dev/shm")
print("shm", shm.f_blocks * shm.f_frsize // 2**20, "files", resource.getrlimit(resource.RLIMIT_NOFILE))
print(open("/data/words.txt").read(), "|", open(sys.argv[1]).read())
open("/scratch/made", "w").write("here")
try:
    open("/data/words.txt", "w")
except OSError as error:
    print("read-only:", error.strerror)
""", more="""arguments: ["${{inputs.words}}"]
inputs:
  words: {type: uri_file, path: ../data/words.txt}
""").ok()
    assert "shm 128 files (100, 200)" in text
    assert "of the data | of the data" in text and "read-only: Read-only file system" in text
    assert (tmp_path / "scratch/made").read_text() == "here"


def test_gpus_that_are_not_there_fail_early(place, image):
    kernel = place.kernel(compute="container: {network: none, gpus: all}")
    place.environment(kernel, private(image))
    text = place.submit(kernel, "print(1)").failed()
    assert "GPUs" in text and ("NVIDIA Container Toolkit" in text or "upgrade Podman" in text)


# --- how it ends ------------------------------------------------------------------------------------------


def test_a_failing_script_fails_the_cell(place, kernel):
    text = place.submit(kernel, "import sys\nprint('before')\nsys.exit(3)\n").failed()
    assert "exited with status 3" in text and "before" in text and place.containers() == []


def test_cancel_stops_the_whole_tree(place, kernel):
    place.submit(kernel, "import subprocess, time\nsubprocess.Popen(['sleep', '1000'])\n"
                         "print('up', flush=True)\ntime.sleep(1000)\n", options="--no-wait").ok()
    run = started(place)[0]
    kernel.run(f"%cancel {run.name}").ok()
    until(lambda: place.state(run) == "Canceled")
    assert until(lambda: place.containers() == [])


def test_cancel_in_a_terminal_with_no_kernel(place, kernel):
    place.submit(kernel, SLOW, options="--no-wait").ok()
    run = started(place)[0]
    kernel.kill()
    said = subprocess.run([str(BUILD / "skiff"), "cancel", run.name], env=place.env(), capture_output=True, text=True)
    assert "was asked to end" in said.stdout, said.stderr
    assert until(lambda: '"exited"' in (run / "status.json").read_text())
    place.start()
    until(lambda: place.state(run) == "Canceled")
    until(lambda: place.containers() == [])


def test_a_script_that_ignores_sigterm_is_killed_after_its_grace(place, kernel):
    place.submit(kernel, "import signal, time\nsignal.signal(signal.SIGTERM, lambda *_: print('no', flush=True))\n"
                         "print('up', flush=True)\nwhile True: time.sleep(1)\n", options="--no-wait").ok()
    run = started(place)[0]
    until(lambda: "up" in place.log(run))
    kernel.run(f"%cancel {run.name}").ok()
    until(lambda: place.state(run) == "Canceled")
    assert "no" in place.log(run)


def test_out_of_memory_is_told_apart(place, image):
    kernel = place.kernel(compute="container: {network: none, memory: 48m}")
    place.environment(kernel, private(image))
    text = place.submit(kernel, "x = []\nwhile True: x.append(bytearray(2**20))\n").failed()
    assert "out of memory" in text


def test_twenty_runs_on_four_slots(place, kernel):
    place.write("src/train.py", "import time\nprint('did it')\ntime.sleep(0.2)\n")
    for _ in range(20):
        place.submit(kernel, options="--no-wait").ok()
    runs = until(lambda: len(place.runs()) == 20 and place.runs())
    most = 0

    def all_done():
        nonlocal most
        most = max(most, sum(c["State"] == "running" for c in place.containers()))
        return all(place.states(run)[-1] == "Completed" for run in runs)

    until(all_done)
    assert 1 <= most <= 4
    assert all(place.log(run) == "did it\n" for run in runs)
    until(lambda: place.containers() == [])


# --- what survives what -----------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["drive.start.preparing", "drive.start.prepared", "drive.start.starting"])
def test_a_kernel_killed_before_the_start_starts_it_once(place, image, moment):
    kernel = place.kernel(SKIFF_FAIL_AT=moment)
    place.environment(kernel, private(image))
    place.write("src/train.py", "print('once')\n")
    kernel.send("%%submit x\nsource_directory: src\nscript: train.py\ncompute: gpu-cluster\nenvironment: fastai2",
                allow_stdin=True)
    kernel.wait_dead()
    place.start().run("%skiff").ok()
    run = place.runs()[0]
    until(lambda: place.state(run) == "Completed")
    assert place.log(run) == "once\n"
    until(lambda: place.containers() == [])


def test_a_kernel_that_is_killed_loses_nothing(place, kernel):
    place.submit(kernel, SLOW.replace("3000", "150"), options="--no-wait").ok()
    run = started(place)[0]
    until(lambda: "line 5" in place.log(run))
    kernel.kill()
    fresh = place.start()
    text = fresh.run(f"%wait {run.name}").ok()
    assert "Completed" in text
    assert place.log(run) == "".join(f"line {i}\n" for i in range(150))
    until(lambda: place.containers() == [])


def test_a_container_that_ended_while_nobody_looked_is_removed(place, kernel):
    place.submit(kernel, SLOW.replace("3000", "50"), options="--no-wait").ok()
    run = started(place)[0]
    kernel.kill()
    until(lambda: '"exited"' in (run / "status.json").read_text())
    fresh = place.start()
    until(lambda: place.state(run) == "Completed")
    until(lambda: place.containers() == [])
    assert "No container" in fresh.run("%computes --clean").ok()


def test_leftovers_are_removed_by_clean(place, kernel, docker):
    place.submit(kernel, "print(1)").ok()
    run = place.runs()[0]
    docker.ask("POST", "/containers/create", name=f"left-{run.name}", body={
        "Image": json.loads((run / "image.json").read_text())["id"], "Cmd": ["/bin/true"],
        "Labels": {"skiff.run": run.name, "skiff.home": str(place.home)}})
    other = docker.ask("POST", "/containers/create", body={
        "Image": json.loads((run / "image.json").read_text())["id"], "Cmd": ["/bin/true"],
        "Labels": {"skiff.run": run.name, "skiff.home": "/somebody/else"}})["Id"]
    assert "Would remove 1 container" in kernel.run("%computes --clean --dry-run").ok()
    assert f"left-{run.name}" in kernel.run("%computes --clean").ok()
    assert place.containers() == []
    docker.ask("DELETE", f"/containers/{other}")


def test_a_container_removed_by_hand_fails_its_run_and_says_so(place, kernel, docker):
    place.submit(kernel, SLOW, options="--no-wait").ok()
    run = started(place)[0]
    docker.ask("DELETE", f"/containers/skiff-{run.name}", force=1)
    until(lambda: place.state(run) == "Failed")
    assert "removed" in kernel.run(f"%status {run.name}").ok() or "ended from outside" in kernel.run(
        f"%status {run.name}").ok()


@pytest.mark.docker
def test_an_engine_that_dies_and_comes_back(place, kernel):
    """Not responding until it is known; then what became of the container, and a log without a gap."""
    place.submit(kernel, SLOW, options="--no-wait").ok()
    run = started(place)[0]
    until(lambda: "line 10" in place.log(run))
    pid = int(pathlib.Path(os.environ["WITH_DOCKER_PIDFILE"]).read_text())
    os.kill(pid, signal.SIGKILL)
    until(lambda: place.state(run) == "NotResponding")
    before = len(place.log(run))
    until(lambda: len(place.log(run)) > before)  # the script goes on, and so does its output
    subprocess.Popen([os.environ["WITH_DOCKER_START"]])
    until(lambda: place.state(run) in ("Failed", "Canceled"))  # without live-restore it ends its containers
    assert "from outside" in kernel.run(f"%status {run.name}").ok()
    lines = place.log(run).splitlines()
    assert lines == [f"line {i}" for i in range(len(lines))]
    place.submit(kernel, "print('again')").ok()


# --- secrets ----------------------------------------------------------------------------------------------


def test_a_password_is_found_nowhere(place, docker, image):
    kernel = place.kernel(SKIFF_LOG="debug", REGISTRY_PASSWORD=PASSWORD)
    for old in docker.images():
        docker.remove_image(old["Id"])
    place.environment(kernel, private(image))
    place.submit(kernel, SLOW, options="--no-wait").ok()
    run = started(place)[0]
    inspected = json.dumps(docker.inspect(f"skiff-{run.name}"))
    history = json.dumps(docker.ask("GET", f"/images/{image}/history"))
    arguments = [b" ".join((p / "cmdline").read_bytes().split(b"\0")) for p in pathlib.Path("/proc").iterdir()
                 if p.name.isdigit() and (p / "cmdline").exists()]
    kernel.run(f"%cancel {run.name}").ok()
    until(lambda: place.state(run) == "Canceled")
    shown = kernel.run(f"%status {run.name}").text() + kernel.run(f"%logs {run.name}").text()
    assert PASSWORD not in inspected + history + shown
    assert not [a for a in arguments if PASSWORD.encode() in a and b"htpasswd" not in a]
    for path in place.home.rglob("*"):
        if path.is_file():
            assert PASSWORD.encode() not in path.read_bytes(), path
