# SPDX-License-Identifier: BSD-3-Clause
"""jupyter console: a front end of text alone, as a person at a terminal sees it."""

import sys

import pexpect
import pytest

from conftest import NO_HURRY

SCRIPT = """import os, time
for step in range(3):
    print(f'step: {step} loss: {1 / (step + 1):.4f}', flush=True)
while not os.path.exists(os.environ['GO_ON']):
    time.sleep(0.01)
print('last words')
"""


@pytest.fixture
def console(place):
    env = {**place.env(), "JUPYTER_PATH": str(place.folder / "prefix/share/jupyter"), "TERM": "dumb",
           "PROMPT_TOOLKIT_NO_CPR": "1", "JUPYTER_RUNTIME_DIR": str(place.folder / "runtime"),
           "IPYTHONDIR": str(place.folder / "ipython"), "JUPYTER_CONFIG_DIR": str(place.folder / "config")}
    child = pexpect.spawn(sys.executable, ["-m", "jupyter_console", "--kernel", "skiff", "--simple-prompt"],
                          env=env, cwd=str(place.work), encoding="utf-8", timeout=NO_HURRY, dimensions=(40, 200),
                          logfile=open(place.folder / "console.log", "w"))
    child.expect(r"In \[1\]: ")
    yield child
    child.sendeof()
    child.close(force=True)


def test_a_run_as_text(place, console):
    place.write("src/train.py", SCRIPT)
    place.write("job.yml", f"code: src\nscript: train.py\nenvironment_variables: {{GO_ON: {place.work / 'go-on'}}}\n")
    console.sendline("%%submit try --wait --file job.yml")
    console.expect("Not started")
    console.expect("step: 2 loss: 0.3333")
    (run,) = place.runs()
    console.sendintr()
    console.expect("stopped waiting; run .* goes on")
    console.expect(r"In \[2\]: ")
    console.sendline(f"%wait {run.name}")
    console.expect(f"{run.name}: Running [0-9]")
    place.write("go-on", "")
    console.expect(f"{run.name}: Completed")
    console.expect(r"In \[3\]: ")
    console.sendline(f"%attach {run.name}")
    console.expect("last words")
    assert place.states(run)[-1] == "Completed"
    text = (place.folder / "console.log").read_text()
    assert "<div" not in text and "widget" not in text.lower()
