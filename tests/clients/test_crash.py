# SPDX-License-Identifier: BSD-3-Clause
"""kill -9 at every place of the sources where it could hurt; then a new kernel, and what it makes of it."""

import json
import os
import re
import signal

import pytest

from conftest import BUILD, ROOT, until

FINAL = {"Completed", "Failed", "Canceled"}
CELLS = ["%%environment plain\nenvironment_variables: {A: b}\n", "%%compute cpu\nmax_nodes: 1\n",
         "%%submit crash --wait\ncode: src\nscript: train.py\nenvironment: plain\ncompute: cpu\n"]


def failpoints():
    """The names in the sources: a new one is tested without being told here."""
    names = []
    for path in sorted(ROOT.glob("submission/**/*.c")):
        names += re.findall(r'failpoint\("([^"]+)"\)', path.read_text())
    assert len(names) > 15
    return names


def started(place):
    """How often the script ran."""
    log = place.work / "starts"
    return len(log.read_text().splitlines()) if log.exists() else 0


def states_are_legal(place, run):
    for line in (run / "events.jsonl").read_bytes().splitlines(keepends=True):
        assert line.endswith(b"\n")
        json.loads(line)
    states = place.states(run)
    assert states[0] == "NotStarted"
    assert not FINAL & set(states[:-1]), states
    assert all(a != b for a, b in zip(states, states[1:])), states


def train(place):
    place.write("src/train.py", f"with open({str(place.work / 'starts')!r}, 'a') as log:\n    log.write('started\\n')\n"
                                "print('trained')\n")


@pytest.mark.skipif(b"SKIFF_FAIL_AT" not in (BUILD / "skiff").read_bytes(),
                    reason="the program was built without SKIFF_FAILPOINTS")
@pytest.mark.parametrize("name", failpoints())
def test_killed_at(place, name):
    train(place)
    victim = place.start(SKIFF_FAIL_AT=name)
    if name == "run.events.repaired":
        leave_torn_event(place, victim)
    else:
        for cell in CELLS:
            victim.send(cell)
    victim.wait_dead()
    survivor = place.start()
    # Whatever was left half-way does not hinder what comes after.
    if name != "run.events.repaired":
        for cell in CELLS[:2]:
            survivor.run(cell).ok()
    survivor.run("%runs").ok()
    assert len(place.runs()) <= 1
    for run in place.runs():
        survivor.run(f"%wait {run.name}").ok()
        states_are_legal(place, run)
        assert place.states(run)[-1] == "Completed"
        assert (run / "user_logs/std_log.txt").read_text() == "trained\n"
    assert started(place) == len(place.runs())
    assert place.processes() == []
    before = started(place)
    survivor.run(CELLS[2] if name != "run.events.repaired" else CELLS[2].split("environment")[0]).ok()
    assert started(place) == before + 1


def leave_torn_event(place, victim):
    """A run whose last event was being written when its kernel was killed; repairing it kills again."""
    first = place.start()
    first.run("%%submit crash --wait\ncode: src\nscript: train.py\n").ok()
    first.kill()
    (run,) = place.runs()
    lines = (run / "events.jsonl").read_text().splitlines(keepends=True)
    running = next(i for i, line in enumerate(lines) if '"Running"' in line)
    (run / "events.jsonl").write_text("".join(lines[:running + 1]) + lines[running + 1][:20])
    drop_index(place)
    victim.send("%runs")


def drop_index(place):
    for path in place.home.glob("store.db*"):
        path.unlink()


def test_runner_killed(place, kernel):
    place.write("src/train.py", "import os, time\nprint(os.getpid(), flush=True)\nwhile True:\n    time.sleep(1)\n")
    cell = kernel.send("%%submit crash --wait\ncode: src\nscript: train.py\n")
    kernel.until(lambda m: m["msg_type"] == "stream" and m["content"]["text"].strip().isdigit())
    (run,) = place.runs()
    status = json.loads((run / "status.json").read_text())
    os.kill(status["runner"]["pid"], signal.SIGKILL)
    seen = kernel.until(lambda m: m["msg_type"] == "status" and m["content"]["execution_state"] == "idle"
                        and m["parent_header"]["msg_id"] == cell)
    (error,) = [m["content"] for m in seen if m["msg_type"] == "error"]
    assert error["ename"] == "RunFailedError"
    last = json.loads((run / "events.jsonl").read_text().splitlines()[-1])
    assert last["state"] == "Failed" and "runner" in last["reason"], last
    states_are_legal(place, run)
    until(lambda: place.processes() == [])
