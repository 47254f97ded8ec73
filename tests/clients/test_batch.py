# SPDX-License-Identifier: BSD-3-Clause
"""Batch jobs tell the truth: nbclient, nbconvert and papermill; a failed run is a failed cell is an exit
status; nothing prompts, and no process is left that was not asked for."""

import json
import subprocess
import sys

import nbclient
import nbformat
import pytest

GOOD = "print('trained')\nopen('outputs/model.txt', 'w').write('m')\n"
BAD = "print('reading')\nraise ValueError('no data in /nowhere')\n"
SUBMIT = "%%submit batch\ncode: src\nscript: train.py\ncompute: local\n"


def notebook(place, *cells):
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    book.metadata.kernelspec = {"name": "skiff", "display_name": "Skiff", "language": "python"}
    path = place.work / "job.ipynb"
    nbformat.write(book, path)
    return path


def command(place, *words):
    env = place.env(JUPYTER_PATH=str(place.folder / "prefix/share/jupyter"))
    return subprocess.run([sys.executable, "-m", *words], cwd=place.work, env=env, text=True,
                          capture_output=True, stdin=subprocess.DEVNULL)


def nbconvert(place, *options):
    return command(place, "nbconvert", "--to", "html", "--execute", "job.ipynb", *options)


def test_nbconvert_waits_and_succeeds(place):
    place.write("src/train.py", GOOD)
    notebook(place, SUBMIT, "%outputs")
    done = nbconvert(place)
    assert done.returncode == 0, done.stderr
    page = (place.work / "job.html").read_text()
    assert "trained" in page and "Completed" in page and "model.txt" in page
    assert place.processes() == []


def test_nbconvert_fails_with_the_run_and_says_why(place):
    place.write("src/train.py", BAD)
    notebook(place, SUBMIT, "%runs")
    done = nbconvert(place)
    assert done.returncode != 0
    assert "no data in /nowhere" in done.stderr and "exited with status 1" in done.stderr
    assert place.states(place.runs()[0])[-1] == "Failed"
    assert place.processes() == []


def test_the_page_says_why(place):
    place.write("src/train.py", BAD)
    notebook(place, SUBMIT, "%runs")
    done = nbconvert(place, "--allow-errors")
    assert done.returncode == 0, done.stderr
    page = (place.work / "job.html").read_text()
    assert "no data in /nowhere" in page and "Failed" in page


def test_a_bad_cell_fails_before_anything_happens(place):
    notebook(place, "%%submit batch\ncode: src\nscrpt: train.py\n")
    done = nbconvert(place)
    assert done.returncode != 0
    for said in ("line 3", "scrpt", "did you mean", "script"):
        assert said in done.stderr, done.stderr
    assert place.runs() == []


def test_nothing_prompts(place):
    notebook(place, "%secret TOKEN")
    done = nbconvert(place)
    assert done.returncode != 0
    assert "env:" in done.stderr, done.stderr


def test_no_wait_returns_and_the_run_outlives_the_job(place, kernel):
    place.write("src/train.py", "import time\nprint('on', flush=True)\ntime.sleep(3600)\n")
    notebook(place, SUBMIT.replace("%%submit batch", "%%submit batch --no-wait"))
    done = nbconvert(place)
    assert done.returncode == 0, done.stderr
    run = kernel.run("%runs").ok()
    name = place.runs()[0].name
    assert name in run
    kernel.run(f"%cancel {name}").ok()
    kernel.run(f"%wait {name}").failed()
    assert place.states(place.runs()[0])[-1] == "Canceled"
    assert place.processes() == []


def test_nbclient(place, monkeypatch):
    place.write("src/train.py", GOOD)
    path = notebook(place, SUBMIT, "%metrics")
    for name, value in place.env(JUPYTER_PATH=str(place.folder / "prefix/share/jupyter")).items():
        monkeypatch.setenv(name, value)
    book = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(book, kernel_name="skiff",
                            resources={"metadata": {"path": str(place.work)}}).execute()
    assert book.cells[0].execution_count == 1 and book.cells[1].execution_count == 2
    assert "trained" in json.dumps(book.cells[0].outputs)


@pytest.mark.parametrize("script, good", [(GOOD, True), (BAD, False)])
def test_papermill(place, script, good):
    place.write("src/train.py", script)
    notebook(place, SUBMIT)
    done = command(place, "papermill", "job.ipynb", "out.ipynb", "--no-progress-bar")
    assert (done.returncode == 0) == good, done.stderr
    assert good or "no data in /nowhere" in done.stderr
    assert (place.work / "out.ipynb").exists()


def test_interrupting_a_waiting_cell_detaches(place, kernel):
    place.write("src/train.py", "import time\nprint('on', flush=True)\ntime.sleep(3600)\n")
    message = kernel.send(SUBMIT.replace("%%submit batch", "%%submit batch --wait"))
    kernel.until(lambda m: m["msg_type"] == "stream" and "on" in m["content"]["text"])
    kernel.manager.interrupt_kernel()
    reply = kernel.client.get_shell_msg(timeout=60)
    while reply["parent_header"]["msg_id"] != message:
        reply = kernel.client.get_shell_msg(timeout=60)
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    assert "%cancel" in "\n".join(reply["content"]["traceback"])
    run = place.runs()[0]
    assert place.states(run)[-1] == "Running"
    kernel.run(f"%cancel {run.name}").ok()
    kernel.run(f"%wait {run.name}").failed()
