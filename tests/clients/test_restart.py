# SPDX-License-Identifier: BSD-3-Clause
"""Runs outlive kernels: what a new kernel finds, follows and says, also without its index."""

import json
import os
import re
import signal
import sqlite3
import subprocess

import pytest

from conftest import BUILD, until

SUBMIT = "%%submit restart --no-wait\ncode: src\nscript: train.py\n"


@pytest.fixture
def run(place):
    """A run that has outlived its kernel: `place.go` goes, and it ends."""
    place.go = place.write("go", "")
    place.write("src/train.py", f"import os, time\nprint('first line', flush=True)\n"
                                f"while os.path.exists({str(place.go)!r}):\n    time.sleep(0.02)\n"
                                "for i in range(1000):\n    print('line', i)\n")
    kernel = place.start()
    kernel.run(SUBMIT, stdin=[]).ok()
    (folder,) = place.runs()
    until(lambda: (folder / "user_logs/std_log.txt").exists() and
          (folder / "user_logs/std_log.txt").read_text() == "first line\n")
    until(lambda: place.states(folder)[-1] == "Running")
    until(lambda: (folder / "shown").exists())  # the first line
    kernel.kill()
    assert place.processes() != []
    yield folder
    place.go.unlink(missing_ok=True)
    until(lambda: place.processes() == [])


REST = "".join(f"line {i}\n" for i in range(1000))
WHOLE = "first line\n" + REST


OURS = re.compile(r"\n?(\r\x1b\[K)?[a-z]+_[a-z]+_[a-z0-9]{10}( · .*)?: |\[the first .* were shown before")


def text_of(messages):
    """What a run printed, without the lines that tell of its states and where an attached cell goes on."""
    texts = [m["content"]["text"] for m in messages if m["msg_type"] == "stream"]
    return "".join(t for t in texts if not OURS.match(t))


def reindex(place):
    return subprocess.run([str(BUILD / "skiff"), "reindex"], env=place.env(), capture_output=True, text=True)


def test_kernel_killed(place, run):
    kernel = place.start()
    runs = kernel.run("%runs").ok()
    assert run.name in runs and "Running" in runs
    assert "11 B were shown before" in kernel.run(f"%attach {run.name} --no-wait", stdin=[]).ok()
    cell = kernel.send(f"%wait {run.name}", allow_stdin=True)
    kernel.until(lambda m: m["msg_type"] == "status" and m["parent_header"]["msg_id"] == cell)
    assert place.states(run)[-1] == "Running"
    place.go.unlink()
    seen = kernel.until(lambda m: m["msg_type"] == "status" and m["parent_header"]["msg_id"] == cell
                         and m["content"]["execution_state"] == "idle")
    assert kernel.client.get_shell_msg(timeout=1)["content"]["status"] == "ok"
    assert text_of(seen) == REST
    assert place.states(run)[-1] == "Completed"
    assert (run / "user_logs/std_log.txt").read_text() == WHOLE
    assert "line 999" in kernel.run(f"%logs {run.name}").ok()


def test_attach_goes_on_where_the_killed_kernel_was(place):
    """No byte of the log twice, none left out, whenever the kernel that showed it is killed."""
    place.go = place.write("go", "")
    place.write("src/train.py", "import os, time\nfor i in range(100):\n    print('line', i, flush=True)\n"
                                "    time.sleep(0.01)\n"
                                f"while os.path.exists({str(place.go)!r}):\n    time.sleep(0.02)\nprint('the end')\n")
    kernel = place.start()
    kernel.send(SUBMIT, allow_stdin=True)
    shown = ""
    for last_line in "line 0\n", "line 20\n", "line 99\n":
        seen = kernel.until(lambda m: m["msg_type"] == "stream" and last_line in m["content"]["text"])
        shown += text_of(seen)
        (folder,) = place.runs()
        until(lambda: (folder / "shown").exists() and int((folder / "shown").read_text()) >= len(shown))
        shown += text_of(kernel.kill())
        kernel = place.start()
        kernel.send(f"%attach {folder.name}", allow_stdin=True)
    place.go.unlink()
    shown += text_of(kernel.until(lambda m: "the end" in m["content"].get("text", "")))
    assert shown == (folder / "user_logs/std_log.txt").read_text()


def test_wait_waits(place, run):
    kernel = place.start()
    cell = kernel.send(f"%wait {run.name}")
    kernel.until(lambda m: m["msg_type"] == "stream" and "Running" in m["content"]["text"])
    place.go.unlink()
    kernel.until(lambda m: m["msg_type"] == "status" and m["parent_header"]["msg_id"] == cell
                 and m["content"]["execution_state"] == "idle")
    assert place.states(run)[-1] == "Completed"


def test_ended_while_nobody_was_there(place, run):
    place.go.unlink()
    until(lambda: place.processes() == [])
    kernel = place.start()
    assert "Completed" in kernel.run("%runs").ok()
    text = kernel.run(f"%attach {run.name}").ok()
    assert "line 999" in text and "first line" not in text
    assert place.states(run)[-1] == "Completed"


def test_reboot(place, run):
    status = json.loads((run / "status.json").read_text())
    os.kill(status["runner"]["pid"], signal.SIGKILL)
    until(lambda: place.processes() == [])
    for who in ("runner", "script"):
        status[who]["boot_id"] = "00000000-1111-2222-3333-444444444444"
    (run / "status.json").write_text(json.dumps(status))
    kernel = place.start()
    assert "RunFailedError" in kernel.run(f"%wait {run.name}").failed()
    states = place.states(run)
    assert states[-1] == "Failed" and states[-2:] in (["NotResponding", "Failed"], ["Running", "Failed"])
    reason = json.loads((run / "events.jsonl").read_text().splitlines()[-1])["reason"]
    assert "restarted" in reason, reason


def test_index_deleted(place, run):
    for path in place.home.glob("store.db*"):
        path.unlink()
    done = reindex(place)
    assert done.returncode == 0, done.stderr
    assert "1 run in" in done.stdout
    kernel = place.start()
    assert run.name in kernel.run("%runs").ok()


def test_index_corrupt(place, run):
    for path in place.home.glob("store.db-*"):
        path.unlink()
    (place.home / "store.db").write_bytes(b"this is no database" * 1000)
    done = reindex(place)
    assert done.returncode == 0, done.stderr
    assert "damaged" in done.stderr and "1 run in" in done.stdout
    assert len([p for p in place.home.glob("store.db.corrupt-*") if p.name.endswith("Z")]) == 1
    kernel = place.start()
    assert "Running" in kernel.run("%runs").ok()


def test_index_corrupt_found_by_a_kernel(place, run, capfd):
    for path in place.home.glob("store.db-*"):
        path.unlink()
    (place.home / "store.db").write_bytes(b"this is no database" * 1000)
    kernel = place.start()
    text = kernel.run("%runs").ok()
    assert run.name in text
    assert "damaged" in text + capfd.readouterr().err
    assert list(place.home.glob("store.db.corrupt-*"))


def test_index_newer(place, run):
    with sqlite3.connect(place.home / "store.db") as db:
        db.execute("PRAGMA user_version = 999")
    db.close()
    text = place.start().run("%runs").failed()
    assert "newer Skiff" in text and "upgrade" in text
    done = reindex(place)
    assert done.returncode != 0 and "newer Skiff" in done.stderr
    assert not list(place.home.glob("store.db.corrupt-*"))


def test_corrupt_run_directory(place, run):
    broken = place.home / "runs/broken_run_1234567890"
    broken.mkdir()
    (broken / "run.json").write_text("{ this is cut")
    done = reindex(place)
    assert done.returncode == 0, done.stderr
    assert broken.name in done.stderr and "1 run in" in done.stdout
    kernel = place.start()
    assert run.name in kernel.run("%runs").ok()
    assert broken.name in kernel.run(f"%status {broken.name}").failed()
    assert (broken / "run.json").read_text() == "{ this is cut"
