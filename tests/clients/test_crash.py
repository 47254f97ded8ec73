# SPDX-License-Identifier: BSD-3-Clause
"""kill -9 at every write of a submit, by the name of the place, and of the runner: what is lost is
nothing, and nothing runs twice."""

import os
import re
import signal
import time

import pytest

from conftest import NO_HURRY, ROOT

# Every place on the way of a submit; new ones are found by themselves.
UNITS = ("run", "submit", "drive", "settle", "snapshot_objects", "store.claim_node")
POINTS = sorted({name for folder in ("submission", "submission/backends")
                 for source in (ROOT / folder).glob("*.c")
                 for name in re.findall(r'failpoint\("([a-z_.]+)"\)', source.read_text())
                 if name.startswith(UNITS)})

COMPUTE = "%%compute cluster\nvm_size: STANDARD_DS3_V2\nmax_nodes: 1\n"
SUBMIT = "%%submit crash --no-wait\ncode: src\nscript: train.py\ncompute: cluster\n"
FINAL = ("Completed", "Failed", "Canceled")


def until(what):
    end = time.monotonic() + NO_HURRY
    while not (result := what()):
        assert time.monotonic() < end, "waited for nothing"
        time.sleep(0.02)
    return result


def ended(place):
    runs = place.runs()
    return bool(runs) and all(place.states(run)[-1] in FINAL for run in runs)


def test_the_points_are_found():
    assert len(POINTS) >= 12, POINTS


@pytest.mark.parametrize("point", POINTS)
def test_killed_at(place, point):
    mark = place.folder / "ran"
    place.write("src/train.py", f"open({str(mark)!r}, 'a').write('ran\\n')\nprint('hello')\n")
    first = place.start()
    first.run(COMPUTE).ok()
    first.stop()
    doomed = place.start(SKIFF_FAIL_AT=point)
    doomed.send(SUBMIT)
    until(lambda: not doomed.manager.is_alive() or ended(place))
    doomed.stop()
    after = place.start()
    for run in place.runs():
        after.run(f"%wait {run.name}").ok()
        states = place.states(run)
        assert states[0] == "NotStarted" and states[-1] == "Completed", states
        assert states.count("Running") == 1, states
        assert (run / "user_logs/std_log.txt").read_text() == "hello\n"
    ran = mark.read_text().count("ran") if mark.exists() else 0
    assert ran == len(place.runs()) <= 1
    # The place may be off this way; where the kernel died before the intent there is no run at all.
    listed = after.run("%runs").ok()
    assert all(run.name in listed for run in place.runs())


def test_a_killed_runner_takes_its_script_along(place, kernel):
    place.write("src/train.py", "import time\nprint('on', flush=True)\ntime.sleep(3600)\n")
    kernel.run("%%submit crash --no-wait\ncode: src\nscript: train.py\ncompute: local\n").ok()
    run = until(place.runs)[0]
    until(lambda: place.states(run)[-1] == "Running")
    for pid in place.processes():
        if b"skiff-runner" in open(f"/proc/{pid}/cmdline", "rb").read():
            os.kill(pid, signal.SIGKILL)
    kernel.run(f"%wait {run.name}").failed()
    assert place.states(run)[-1] == "Failed"
    assert "killed" in (run / "events.jsonl").read_text()
    until(lambda: place.processes() == [])
