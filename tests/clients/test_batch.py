# SPDX-License-Identifier: BSD-3-Clause
"""Notebooks that nobody watches: nbclient, nbconvert and papermill, and cells that wait."""

import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from conftest import NO_HURRY, until

SUBMIT = "%%submit batch\ncode: src\nscript: train.py\n"
GOOD = "print('trained well')\n"
BAD = "print('about to break')\nraise ValueError('no such column')\n"


@pytest.fixture(autouse=True)
def visible(place, monkeypatch):
    """What runs in this process and what it starts find the kernel, the home and the folder."""
    for name, value in place.env(JUPYTER_PATH=str(place.folder / "prefix/share/jupyter")).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(place.work)


def notebook(place, script, *cells):
    place.write("src/train.py", script)
    book = nbformat.v4.new_notebook()
    book.metadata.kernelspec = {"name": "skiff", "display_name": "Skiff", "language": "python"}
    book.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(book, place.work / "book.ipynb")
    return book


def command(*words):
    return subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, timeout=2 * NO_HURRY,
                          stdin=subprocess.DEVNULL)


def nbconvert(*options):
    return command("nbconvert", "--to", "html", "--execute", "book.ipynb", *options)


def end(place):
    """The last state of the only run, of which nothing may be left behind."""
    (run,) = place.runs()
    assert place.processes() == []
    return place.states(run)[-1]


def said(book):
    """All that the outputs hold as text."""
    return "\n".join(str(output) for cell in book.cells for output in cell.get("outputs", []))


def test_nbclient(place):
    book = notebook(place, GOOD, "%%compute cpu\nmax_nodes: 1\n", SUBMIT + "compute: cpu\n", "%runs")
    NotebookClient(book, timeout=NO_HURRY, kernel_name="skiff").execute()
    assert "trained well" in said(book) and "Completed" in said(book)
    assert end(place) == "Completed"


def test_nbclient_fails(place):
    book = notebook(place, BAD, SUBMIT, "%runs")
    with pytest.raises(CellExecutionError) as caught:
        NotebookClient(book, timeout=NO_HURRY, kernel_name="skiff").execute()
    assert "RunFailedError" in str(caught.value) and "no such column" in str(caught.value)
    assert book.cells[1].execution_count is None
    assert end(place) == "Failed"


def test_nbconvert(place):
    notebook(place, GOOD, SUBMIT)
    done = nbconvert()
    assert done.returncode == 0, done.stderr
    page = (place.work / "book.html").read_text()
    assert "trained well" in page and "Completed" in page
    assert end(place) == "Completed"


def test_nbconvert_fails_and_says_why(place):
    notebook(place, BAD, SUBMIT)
    done = nbconvert()
    assert done.returncode != 0
    for wanted in ("RunFailedError", "ValueError: no such column", place.runs()[0].name):
        assert wanted in done.stderr
    assert end(place) == "Failed"


def test_nbconvert_allow_errors(place):
    notebook(place, BAD, SUBMIT, "%runs")
    done = nbconvert("--allow-errors")
    assert done.returncode == 0, done.stderr
    page = (place.work / "book.html").read_text()
    for wanted in ("about to break", "RunFailedError", "no such column", "Failed"):
        assert wanted in page
    assert end(place) == "Failed"


@pytest.mark.parametrize("script, state", [(GOOD, "Completed"), (BAD, "Failed")])
def test_papermill(place, script, state):
    notebook(place, script, SUBMIT)
    done = command("papermill", "book.ipynb", "out.ipynb", "--no-progress-bar")
    text = said(nbformat.read(place.work / "out.ipynb", 4))
    assert (done.returncode == 0) == (state == "Completed"), done.stderr
    assert state in text
    assert ("trained well" if state == "Completed" else "no such column") in text
    assert end(place) == state


def test_no_wait_leaves_the_run(place):
    place.write("go", "")
    wait = f"import os, time\nwhile os.path.exists({str(place.work / 'go')!r}):\n    time.sleep(0.05)\n"
    notebook(place, wait, SUBMIT.replace("batch", "batch --no-wait"))
    done = nbconvert()
    assert done.returncode == 0, done.stderr
    (run,) = place.runs()
    assert f"submitted run {run.name}" in (place.work / "book.html").read_text()
    # Preparing may still have been under way when the kernel was told to go: then the next takes it up.
    kernel = place.start()
    until(lambda: "Running" in place.states(run))
    (place.work / "go").unlink()
    kernel.run(f"%wait {run.name}").ok()
    assert end(place) == "Completed"


@pytest.mark.parametrize("cell", ["%secret token", "%%submit batch\ncode: src\nscript: train.py\n"
                                  "environment_variables: {TOKEN: 'secret:token'}\n"])
def test_nothing_prompts(place, cell):
    notebook(place, GOOD, cell)
    done = nbconvert()
    assert done.returncode != 0
    assert "token" in done.stderr and "%secret" in done.stderr
    assert place.runs() == [] or end(place) == "Failed"


def test_interrupt_detaches(place, kernel):
    place.write("go", "")
    notebook(place, f"import os, time\nprint('going', flush=True)\n"
                    f"while os.path.exists({str(place.work / 'go')!r}):\n    time.sleep(0.05)\n")
    cell = kernel.send(SUBMIT, allow_stdin=False)
    kernel.until(lambda m: m["msg_type"] == "stream" and "going" in m["content"]["text"])
    kernel.manager.interrupt_kernel()
    seen = kernel.until(lambda m: m["msg_type"] == "status" and m["content"]["execution_state"] == "idle"
                        and m["parent_header"]["msg_id"] == cell)
    (error,) = [m["content"] for m in seen if m["msg_type"] == "error"]
    (run,) = place.runs()
    assert error["ename"] == "KeyboardInterrupt"
    assert run.name in error["evalue"] and f"%cancel {run.name}" in "".join(error["traceback"])
    assert place.states(run)[-1] == "Running" and place.processes() != []
    (place.work / "go").unlink()
    kernel.run(f"%wait {run.name}").ok()
    assert end(place) == "Completed"
