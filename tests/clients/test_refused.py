# SPDX-License-Identifier: BSD-3-Clause
"""What cannot work is refused with words that help, and leaves the home as it was."""

import os
import shutil
import subprocess

import pytest

from conftest import BUILD
from test_submit import SHOW, tree

BOMB = "tags:\n  a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"  {chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(12)) + "script: train.py\n"

# The cell, and what the answer must say (a tuple: any of them).
BAD = {
    "bomb": ("%%submit x\n" + BOMB, ["alias"]),
    "duplicate key": ("%%submit x\nscript: train.py\nscript: train.py\n", ["`script`", "twice", "line 3"]),
    "tab": ("%%submit x\nscript: train.py\nlimits:\n\ttimeout: 3\n", ["tab", "line 4"]),
    "indentation": ("%%submit x\nscript: train.py\n   compute: local\n", ["line 3"]),
    "unknown key": ("%%submit x\nscritp: train.py\n", ["scritp", "script", "line 2"]),
    "both spellings": ("%%submit x\nscript: train.py\ncode: .\nsource_directory: .\n", ["code", "source_directory"]),
    "two ways": ("%%submit x\nscript: train.py\ncommand: ls\n", ["script", "command"]),
    "no script": ("%%submit x\nscript: trian.py\n", ["trian.py"]),
    "empty cell": ("%%submit x\n", ["script"]),
    "no folder": ("%%submit x\ncode: nowhere\nscript: train.py\n", ["nowhere", "code"]),
    "script outside": ("%%submit x\ncode: src\nscript: ../train.py\n", ["../train.py"]),
    "empty folder": ("%%submit x\ncode: empty\nscript: train.py\n", ["empty"]),
    "file as folder": ("%%submit x\ncode: train.py\nscript: train.py\n", ["train.py", ("folder", "directory")]),
    "no environment": ("%%submit x\nscript: train.py\nenvironment: plian\n", ["plian", "plain", "line 3"]),
    "no compute": ("%%submit x\nscript: train.py\ncompute: cpu-clutser\n", ["cpu-clutser", "cpu-cluster", "line 3"]),
    "no version": ("%%submit x\nscript: train.py\nenvironment: plain:9\n", ["plain", "9"]),
    "compute name": ("%%compute 1x\nmax_nodes: 1\n", ["1x", "letter", "line 1, column 11"]),
    "nodes": ("%%compute cpu\nmax_nodes: 0\n", ["max_nodes", "1"]),
    "nodes as text": ("%%compute cpu\nmax_nodes: many\n", ["many", "line 2"]),
    "image and python": ("%%environment e\nimage: a:1\npython: python3\n", ["image", "python"]),
    "option": ("%%submit x --dryrun\nscript: train.py\n", ["--dryrun", "--dry-run"]),
    "cell magic as line": ("%submit x\n", ["%%submit"]),
}


def test_bad_input(place, kernel):
    place.write("train.py", SHOW)
    place.write("src/train.py", SHOW)
    (place.work / "empty").mkdir()
    kernel.run("%%environment plain\nenvironment_variables: {A: b}\n").ok()
    kernel.run("%%compute cpu-cluster\nmax_nodes: 1\n").ok()
    before = tree(place.home)
    wrong = []
    for name, (cell, wanted) in BAD.items():
        result = kernel.run(cell)
        text = result.text()
        missing = [w for w in wanted if not any(o in text for o in (w if isinstance(w, tuple) else (w,)))]
        if result.status != "error" or missing or "→" not in text or tree(place.home) != before:
            wrong.append(f"{name}: {result.status}, without {missing}, home {tree(place.home) == before}:\n{text}")
            before = tree(place.home)
    assert not wrong, "\n".join(wrong)
    assert place.runs() == []


def test_run_ids(place, kernel):
    place.write("train.py", SHOW)
    runs = set()
    while len(runs) < 27:  # two of them begin with the same letter
        text = kernel.run("%%submit x --no-wait\nscript: train.py\n").ok()
        runs |= {word for line in text.splitlines() if "submitted run" in line for word in line.split()[2:]}
    first = sorted(run[0] for run in runs)
    letter = next(a for a, b in zip(first, first[1:]) if a == b)
    text = kernel.run(f"%status {letter}").failed()
    assert len([run for run in runs if run in text]) >= 2, text
    assert "no-such" in kernel.run("%status no-such").failed()
    for run in runs:
        kernel.run(f"%wait {run}").ok()


def test_file_that_is_not_there(place, kernel):
    text = kernel.run("%%submit x --file nowhere.yml").failed()
    assert "nowhere.yml" in text and f"→ relative paths begin at {place.work}" in text


def shown(result):
    """What a page shows of a cell: the kinds of its outputs, and what follows the arrow."""
    kinds = [m["msg_type"] for m in result.outputs if m["msg_type"] not in ("status", "execute_input")]
    return kinds, [line for line in result.text().splitlines() if "→" in line]


def test_panels_are_for_people(place, kernel):
    """A person has a panel, with a place in the cell or without; in batch all is in the traceback."""
    for cell in ("%%compute cpu\nmax_nodes: many\n", "%status no-such", "%logs no-such", "%computes no-such"):
        kinds, steps = shown(kernel.run(cell, stdin=[]))
        assert kinds == ["display_data", "error"] and len(steps) == 1, (cell, kinds, steps)
        kinds, steps = shown(kernel.run(cell))
        assert kinds == ["error"] and len(steps) == 1, (cell, kinds, steps)


def test_a_python_cell_without_python_is_one_error(place):
    kernel = place.start(PATH="/nowhere")
    for stdin in ([], None):
        result = kernel.run("1 / 0", stdin=stdin)
        assert result.reply["content"]["ename"] == "NoCompanionError"
        kinds, steps = shown(result)
        assert kinds == ["error"] and len(steps) == 1
    kinds, _ = shown(kernel.run("x = 1\n%%environment e\nimage: a\n", stdin=[]))
    assert kinds == ["display_data", "error"]  # this one is Skiff's


# --- homes that cannot be written to ------------------------------------------------------------------

class Mounted:
    """A small disk as the home."""

    def __init__(self, folder, options):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "skiff-test", str(folder)], capture_output=True)
        if done.returncode != 0:
            pytest.skip("only root may mount a small disk here")

    def read_only(self):
        subprocess.run(["mount", "-o", "remount,ro", str(self.folder)], check=True)

    def unmount(self):
        subprocess.run(["umount", "-l", str(self.folder)], check=True)


@pytest.fixture
def mounted(place):
    mounts = []

    def mount(options):
        mounts.append(Mounted(place.home, options))
        return mounts[-1]
    yield mount
    for kernel in place.kernels:
        kernel.stop()
    for one in mounts:
        one.unmount()


def test_read_only_home(place, mounted):
    place.write("train.py", SHOW)
    mounted("size=1m").read_only()
    kernel = place.start()
    for cell in ("%%submit x\nscript: train.py\n", "%%compute cpu\nmax_nodes: 1\n", "%%environment e\npip: [six]\n"):
        text = kernel.run(cell).failed()
        assert str(place.home) in text and "SKIFF_HOME" in text, text
    kernel.run("%skiff").ok()


@pytest.mark.skipif(os.getuid() != 0 or shutil.which("setpriv") is None, reason="only root may become somebody else")
def test_home_of_somebody_else(place):
    """As a user without rights: the index is opened by a command, as a kernel would open it."""
    place.home.mkdir(mode=0o755)
    for folder in [place.home, *place.home.parents]:
        if folder != folder.parent and folder.stat().st_mode & 0o005 != 0o005:
            folder.chmod(folder.stat().st_mode | 0o005)
        if folder.name.startswith("pytest-of-"):
            break
    program = shutil.copy(BUILD / "skiff", place.folder / "skiff")
    done = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", program, "reindex"],
                          env=place.env(), capture_output=True, text=True)
    assert done.returncode != 0
    assert str(place.home) in done.stderr and "SKIFF_HOME" in done.stderr
    assert tree(place.home) == []


def test_full_home(place, mounted):
    place.write("src/train.py", SHOW)
    place.write("src/data.bin", "x" * 3_000_000)
    mounted("size=2m")
    kernel = place.start()
    text = kernel.run("%%submit x --wait\ncode: src\nscript: train.py\n").failed()
    assert "space" in text.lower(), text
    assert place.processes() == []
    # With space again, everything works, and nothing of the failure is in the way.
    subprocess.run(["mount", "-o", "remount,size=40m", str(place.home)], check=True)
    kernel.run("%%submit x --wait\ncode: src\nscript: train.py\n").ok()
    assert place.processes() == []
