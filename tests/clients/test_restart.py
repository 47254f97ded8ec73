# SPDX-License-Identifier: BSD-3-Clause
"""Kernels come and go; runs do not: kill -9 in mid-run, a rebooted machine, a lost or corrupt index."""

import json
import pathlib
import sqlite3
import subprocess
import sys

from conftest import BUILD
from test_crash import until

SUBMIT = "%%submit restart --no-wait\ncode: src\nscript: train.py\ncompute: local\n"


def start_gated(place, kernel):
    """A run that prints, waits for a file, prints again, and ends."""
    gate = place.folder / "gate"
    place.write("src/train.py", f"import os, time\nprint('before', flush=True)\n"
                f"while not os.path.exists({str(gate)!r}): time.sleep(0.02)\nprint('after')\n")
    kernel.run(SUBMIT).ok()
    run = until(place.runs)[0]
    until(lambda: (run / "user_logs/std_log.txt").exists()
          and "before" in (run / "user_logs/std_log.txt").read_text())
    return run, gate


def test_a_new_kernel_goes_on_with_the_run(place):
    doomed = place.start()
    run, gate = start_gated(place, doomed)
    doomed.kill()
    after = place.start()
    assert "Running" in after.run("%runs").ok()
    message = after.send(f"%attach {run.name} --wait")
    after.until(lambda m: m["msg_type"] == "stream" and "before" in m["content"]["text"])
    gate.touch()
    seen = after.until(lambda m: m["msg_type"] == "status" and m["content"]["execution_state"] == "idle"
                       and m["parent_header"].get("msg_id") == message)
    text = "".join(m["content"]["text"] for m in seen if m["msg_type"] == "stream")
    assert "after" in text
    assert (run / "user_logs/std_log.txt").read_text() == "before\nafter\n"
    assert place.states(run) == ["NotStarted", "Preparing", "Starting", "Running", "Finalizing",
                                 "Completed"]


def test_two_kernels_see_one_end(place):
    first, second = place.start(), place.start()
    run, gate = start_gated(place, first)
    second.send(f"%attach {run.name} --no-wait")
    gate.touch()
    for kernel in (second, first):
        kernel.run(f"%wait {run.name}").ok()
    assert place.states(run).count("Completed") == 1


def test_a_rebooted_machine(place):
    doomed = place.start()
    run, gate = start_gated(place, doomed)
    doomed.kill()
    gate.touch()
    until(lambda: json.loads((run / "status.json").read_text())["state"] == "exited")
    status = json.loads((run / "status.json").read_text())
    status.update(state="running", ended_at=None, exit_code=None)
    for process in ("runner", "script"):
        status[process]["boot_id"] = "00000000-0000-0000-0000-000000000000"
    (run / "status.json").write_text(json.dumps(status))
    after = place.start()
    assert "Failed" in after.run("%runs").ok()
    assert place.states(run)[-2:] == ["NotResponding", "Failed"]
    assert "restarted" in after.run(f"%status {run.name}").ok()


def finished_run(place):
    kernel = place.start()
    place.write("src/train.py", "print('done')\n")
    kernel.run("%%environment plain\npython: python3\n").ok()
    kernel.run("%%compute cluster\nvm_size: STANDARD_DS3_V2\n").ok()
    kernel.run(SUBMIT).ok()
    run = until(place.runs)[0]
    kernel.run(f"%wait {run.name}").ok()
    kernel.stop()
    return run


def reindex(place):
    return subprocess.run([str(BUILD / "skiff"), "reindex"], env=place.env(), text=True,
                          capture_output=True)


def test_the_index_is_rebuilt_from_the_directories(place):
    run = finished_run(place)
    for name in ("store.db", "store.db-wal", "store.db-shm"):
        (place.home / name).unlink(missing_ok=True)
    done = reindex(place)
    assert done.returncode == 0 and "1 run" in done.stdout, done.stderr
    kernel = place.start()
    assert run.name in kernel.run("%runs").ok()
    assert "plain" in kernel.run("%environments").ok()
    assert "cluster" in kernel.run("%computes").ok()


def test_a_corrupt_index_is_moved_aside_rebuilt_and_said(place):
    run = finished_run(place)
    (place.home / "store.db-wal").unlink(missing_ok=True)
    (place.home / "store.db").write_bytes(b"this is no database" * 1000)
    kernel = place.start()
    assert run.name in kernel.run("%runs").ok()
    assert list(place.home.glob("store.db.corrupt-*"))


def test_a_newer_index_is_refused(place):
    finished_run(place)
    with sqlite3.connect(place.home / "store.db") as db:
        db.execute("PRAGMA user_version = 999")
    db.close()
    said = place.start().run("%runs").failed()
    assert "999" in said and "newer" in said, said


def test_a_corrupt_run_is_named_and_skipped(place):
    run = finished_run(place)
    other = run.parent / "broken_run_1234567890"
    other.mkdir()
    (other / "run.json").write_text("{ not json")
    done = reindex(place)
    assert done.returncode == 0 and other.name in done.stderr, done.stderr
    assert run.name in place.start().run("%runs").ok()


def test_a_kernel_goes_with_its_parent(place):
    """A server that is killed leaves no kernel behind."""
    script = ("import os, sys\nfrom jupyter_client.manager import KernelManager\n"
              "from jupyter_client.kernelspec import KernelSpecManager\n"
              "m = KernelManager(kernel_name='skiff')\n"
              f"m.kernel_spec_manager = KernelSpecManager(kernel_dirs=[{str(place.folder / 'kernels')!r}])\n"
              "m.start_kernel()\nc = m.blocking_client()\nc.start_channels()\nc.wait_for_ready(timeout=60)\n"
              "print(m.provisioner.process.pid, flush=True)\nos.kill(os.getpid(), 9)\n")
    done = subprocess.run([sys.executable, "-c", script], env=place.env(), text=True,
                          capture_output=True)
    pid = int(done.stdout)
    until(lambda: not pathlib.Path(f"/proc/{pid}/cmdline").exists()
          or b"skiff" not in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes())
