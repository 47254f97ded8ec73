# SPDX-License-Identifier: BSD-3-Clause
"""Notebooks of Python give under Skiff what they give under ipykernel, cell by cell.

The notebooks are in notebooks-python/: cells between lines "# %%". Each is executed by nbclient under both kernels,
at the same time and each in a folder of its own, and the outputs are compared as nbformat has them. What differs
between any two runs is made equal by NORMAL; nothing else is.
"""

import asyncio
import concurrent.futures
import difflib
import json
import pathlib
import re
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient

from conftest import NO_HURRY

BOOKS = sorted((pathlib.Path(__file__).parent / "notebooks-python").glob("*.ipy"))

# What no two runs of one kernel have in common either.
NORMAL = [(re.compile(pattern), text) for pattern, text in (
    (r"(/\S*/)?(ipykernel|skiff)-work", "WORK"),                                   # the notebook's folder
    (r"/tmp/ipykernel_\d+/\d+\.py", "CELL.py"),                                  # a cell's name, made of the pid
    (r"\b0x[0-9a-f]{6,16}\b", "ADDRESS"),
    (r"\b\d+(\.\d+)? ?([mnuµμ]?s|min)\b", "TIME"),
    (r" at [0-9A-F]{12}>", " at ADDRESS>"),
)]

# Displays and comms have ids of their own: the first one of a notebook is ID-1, and so on.
OWN_ID = re.compile(r"(?<![0-9a-f])([0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})(?![0-9a-f])")


def cells(path):
    """The cells of a notebook in this folder."""
    return [cell.rstrip("\n") for cell in re.split(r"^# %%\n", path.read_text(), flags=re.MULTILINE)[1:]]


def new_book(kernel, sources):
    book = nbformat.v4.new_notebook()
    book.metadata.kernelspec = {"name": kernel, "display_name": kernel, "language": "python"}
    book.cells = [nbformat.v4.new_code_cell(source, id=f"cell-{n}") for n, source in enumerate(sources, 1)]
    return book


def normal(text):
    for pattern, common in NORMAL:
        text = pattern.sub(common, text)
    ids = {}
    return OWN_ID.sub(lambda match: ids.setdefault(match[0], f"ID-{len(ids) + 1}"), text)


def merged(outputs):
    """Pieces of one stream in a row are one: where a kernel flushes is chance."""
    whole = []
    for output in outputs:
        if whole and output["output_type"] == "stream" == whole[-1]["output_type"] and whole[-1]["name"] == output["name"]:
            whole[-1]["text"] += output["text"]
        else:
            whole.append(dict(output))
    return whole


def comparable(book):
    """What a reader sees of each cell, and what is saved of the widgets: a line for each value."""
    seen = [{"cell": number, "source": cell.source, "count": cell.execution_count, "outputs": merged(cell.outputs)}
            for number, cell in enumerate(book.cells, 1)]
    return normal(json.dumps([*seen, book.metadata.get("widgets")], indent=1, ensure_ascii=False)).split("\n")


async def execute(place, kernel, sources):
    work = place.folder / f"{kernel}-work"
    work.mkdir(exist_ok=True)
    book = new_book("python3" if kernel == "ipykernel" else kernel, sources)
    client = NotebookClient(book, timeout=NO_HURRY, allow_errors=True, resources={"metadata": {"path": str(work)}})
    await client.async_execute()
    return book


async def execute_under_both(place, sources):
    return await asyncio.gather(execute(place, "ipykernel", sources), execute(place, "skiff", sources))


@pytest.fixture(autouse=True)
def visible(place, monkeypatch):
    """Both kernels are found, and nothing is written into the home of whoever runs the tests."""
    more = {"IPYTHONDIR": str(place.folder / "ipython"), "PYTHONDONTWRITEBYTECODE": "1",
            "JUPYTER_PATH": str(place.folder / "prefix/share/jupyter")}
    for name, value in place.env(**more).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(place.work)


def compare(theirs, ours):
    lines = list(difflib.unified_diff(comparable(theirs), comparable(ours), "ipykernel", "skiff", lineterm=""))
    assert not lines, "\n".join(lines)


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_notebook(place, path):
    compare(*asyncio.run(execute_under_both(place, cells(path))))


def outputs(cell):
    """Its outputs in short."""
    return [output.get("text") or output.get("data", {}).get("text/plain") or output["ename"] for output in cell.outputs]


def test_numbers_with_cells_of_skiff(place):
    """In and Out agree with the prompts: a cell of Skiff takes a number, is in In and has nothing in Out."""
    book = asyncio.run(execute(place, "skiff", [
        "%skiff", "1 + 1", "%computes", "%no_such_magic_of_anybody", "%%submit", "%runs", "In[1], In[3], In[6], len(In)",
        "sorted(Out), _7 == Out[7]", "_i, _ii, _i6", "%history -n 1-3", "1 / 0", "%runs",
        "   ", "%history 12", "Out[1]"]))
    assert [cell.execution_count for cell in book.cells] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, None, 13, 14]
    assert "2" in outputs(book.cells[1])
    assert outputs(book.cells[6]) == ["('%skiff', '%computes', '%runs', 8)"]
    assert outputs(book.cells[7]) == ["([2, 7], True)"]
    assert outputs(book.cells[8]) == ["('sorted(Out), _7 == Out[7]', 'In[1], In[3], In[6], len(In)', '%runs')"]
    assert outputs(book.cells[9]) == ["   1: %skiff\n   2: 1 + 1\n   3: %computes\n"]
    assert "In[11]" in re.sub(r"\x1b\[[\d;]*m", "", "".join(book.cells[10].outputs[0].traceback))
    assert outputs(book.cells[13]) == ["%runs\n"]
    assert outputs(book.cells[14]) == ["KeyError"]


def command(*words):
    return subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, timeout=2 * NO_HURRY,
                          stdin=subprocess.DEVNULL)


def under_both(words):
    """A command for each kernel, at the same time."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for done in pool.map(lambda kernel: command(*words(kernel)), ("ipykernel", "skiff")):
            assert done.returncode == 0, done.stderr


def write_books(name, sources):
    for kernel in ("ipykernel", "skiff"):
        pathlib.Path(kernel).mkdir()
        book = new_book("python3" if kernel == "ipykernel" else kernel, sources)
        book.cells[0].metadata.tags = ["parameters"]
        nbformat.write(book, f"{kernel}/{name}")


def test_papermill():
    """Parameters are put behind the cell that is tagged, as Python."""
    write_books("in.ipynb", ["size = 1\nname = 'default'", "size * 2, name, rates", "import IPython\nIPython.display.HTML(name)"])
    under_both(lambda kernel: ["papermill", f"{kernel}/in.ipynb", f"{kernel}/out.ipynb", "--no-progress-bar", "-p", "size", "21",
                               "-p", "name", "given", "-y", "rates: [0.5, null, true]"])
    theirs, ours = (nbformat.read(f"{kernel}/out.ipynb", 4) for kernel in ("ipykernel", "skiff"))
    assert outputs(ours.cells[2]) == ["(42, 'given', [0.5, None, True])"]
    compare(theirs, ours)


def test_nbconvert():
    write_books("book.ipynb", cells(BOOKS[0].with_name("display.ipy")))
    under_both(lambda kernel: ["nbconvert", "--to", "html", "--execute", "--allow-errors", f"{kernel}/book.ipynb"])
    pages = [normal(pathlib.Path(f"{kernel}/book.html").read_text()).split("\n") for kernel in ("ipykernel", "skiff")]
    lines = list(difflib.unified_diff(*pages, "ipykernel", "skiff", lineterm=""))
    assert not lines, "\n".join(lines)
