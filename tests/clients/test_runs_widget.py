# SPDX-License-Identifier: BSD-3-Clause
"""%runs as a live table, as pages see it over the wire: filters, pages, what is clicked, what it survives."""

import re

import pytest

from conftest import NO_HURRY
from page import VIEW, Page

NO_RUNS = "submit one with"


@pytest.fixture
def page(kernel):
    return Page(kernel)


def submit(place, page, script="pass", experiment="try", more="--wait"):
    """Submits a run as a terminal would, so that no widget of its own is there; its id."""
    place.write("src/train.py", script)
    before = {run.name for run in place.runs()}
    cell = page.kernel.client.execute(f"%%submit {experiment} {more}\ncode: src\nscript: train.py\n"
                               f"environment_variables: {{GO_ON: {place.work / 'go-on'}}}\n", allow_stdin=False)
    page.until(lambda m: (m["msg_type"] == "status" and m["content"]["execution_state"] == "idle"
                          and m["parent_header"].get("msg_id") == cell))
    (new,) = {run.name for run in place.runs()} - before
    return new


def views(messages):
    return [m["content"]["data"] for m in messages if m["msg_type"] == "display_data" and VIEW in m["content"]["data"]]


def part(page, root, name):
    return root.removesuffix("root") + name


def listed(page, root):
    """The ids on the page, in order, as their buttons say them."""
    lines = page.models[part(page, root, "lines")].get("children", [])
    body = page.models[part(page, root, "body")]["children"]
    if f"IPY_MODEL_{part(page, root, 'lines')}" not in body:
        return []
    names = [page.models[line.removeprefix("IPY_MODEL_")]["children"][0] for line in lines]
    return [page.models[name.removeprefix("IPY_MODEL_")]["description"] for name in names]


def button(page, root, run):
    return [i for i, m in page.models.items()
            if i.startswith(part(page, root, "row-")) and m.get("description") == run][0]


def click(page, model_id):
    page.send("comm_msg", model_id, {"method": "custom", "content": {"event": "click"}})


def update(page, model_id, **state):
    page.send("comm_msg", model_id, {"method": "update", "state": state, "buffer_paths": []})


def show(page, line="%runs"):
    """Runs the magic; the id of the table's root."""
    messages = page.run(line)
    assert not [m for m in messages if m["msg_type"] == "error"], messages
    (bundle,) = views(messages)
    return bundle[VIEW]["model_id"], bundle


def test_table_and_twin(place, page):
    root, bundle = show(page)
    assert NO_RUNS in page.draw(root) and NO_RUNS in bundle["text/plain"]
    first = submit(place, page)
    second = submit(place, page, "raise SystemExit(3)", "other")
    page.until(lambda _: listed(page, root) == [second, first])
    assert "Completed" in page.draw(root) and "Failed" in page.draw(root)
    again, bundle = show(page)
    assert again == root, "the same options are the same table"
    for wanted in (first, second, "Completed", "Failed"):
        assert wanted in bundle["text/html"] and wanted in bundle["text/plain"]
    page.quiet(1.5)
    assert not page.quiet(2), "an idle table sends nothing"


def test_live(place, page):
    root, _ = show(page, "%runs --live")
    run = submit(place, page, "import os, time\nwhile not os.path.exists(os.environ['GO_ON']): time.sleep(0.01)",
                 more="--no-wait")
    page.until(lambda _: "Running" in page.draw(root) and listed(page, root) == [run])
    before = page.draw(root)
    page.until(lambda _: page.draw(root) != before)  # its duration counts
    seconds = page.quiet(3)
    assert 1 <= len([m for m in seconds if m["msg_type"] == "comm_msg"]) <= 10
    place.write("go-on", "")
    page.until(lambda _: "change the filters" in page.draw(root) and listed(page, root) == [])


def test_filters(place, page):
    good = submit(place, page, experiment="good")
    bad = submit(place, page, "raise SystemExit(3)", "bad")
    root, _ = show(page)
    experiment, state, text = (part(page, root, name) for name in ("experiment", "state", "text"))
    assert page.models[experiment]["_options_labels"] == ["All experiments", "bad", "good"]
    update(page, experiment, index=2)
    page.until(lambda _: listed(page, root) == [good])
    update(page, experiment, index=0)
    page.until(lambda _: listed(page, root) == [bad, good])
    update(page, state, index=page.models[state]["_options_labels"].index("Failed"))
    page.until(lambda _: listed(page, root) == [bad])
    update(page, state, index=0)
    for typed in ("go", "goo", "good"):
        update(page, text, value=typed)
    page.until(lambda _: listed(page, root) == [good])
    update(page, text, value="nothing is like this")
    page.until(lambda _: "change the filters" in page.draw(root))
    assert show(page)[0] == root and listed(page, root) == [bad, good], "the cell shows what it says"
    other, _ = show(page, "%runs --experiment bad")
    assert other != root and listed(page, other) == [bad]
    assert page.models[part(page, other, "experiment")]["index"] == 1


def test_pages(place, page):
    runs = [submit(place, page) for _ in range(5)][::-1]
    root, _ = show(page, "%runs -n 2")
    older, newer = part(page, root, "older"), part(page, root, "newer")
    assert listed(page, root) == runs[:2]
    click(page, older)
    page.until(lambda _: listed(page, root) == runs[2:4] and "3&#8211;4" in page.draw(root))
    click(page, older)
    page.until(lambda _: listed(page, root) == runs[4:] and page.models[older]["disabled"])
    assert not page.models[newer]["disabled"]
    for _ in range(5):
        click(page, older)  # replayed: there is none
    click(page, newer)
    page.until(lambda _: listed(page, root) == runs[2:4])
    for _ in range(5):
        click(page, newer)
    page.until(lambda _: listed(page, root) == runs[:2])


def test_clicks_show_runs_below(place, page):
    runs = [submit(place, page) for _ in range(6)]
    root, _ = show(page)
    area = part(page, root, "area")

    def shown():
        return [re.sub("^IPY_MODEL_skiff-|-root$", "", child) for child in page.models[area]["children"]]

    for i, run in enumerate(runs):
        click(page, button(page, root, run))
        page.until(lambda _, i=i: shown() == runs[max(0, i - 4):i + 1][::-1])
    click(page, button(page, root, runs[-1]))
    page.until(lambda _: shown() == runs[1:-1][::-1])


def test_hostile(place, page):
    run = submit(place, page)
    root, _ = show(page)
    state, experiment, text = (part(page, root, name) for name in ("state", "experiment", "text"))
    for index in (-1, 14, 2**62, -2**62, "1", None, [1], 1.5):
        update(page, state, index=index)
        update(page, experiment, index=index)
    update(page, text, value="x" * 1_000_000)
    page.until(lambda _: "change the filters" in page.draw(root))
    update(page, text, value="é" * 300)
    update(page, text, value={"a": 1})
    update(page, text, value="")
    page.until(lambda _: listed(page, root) == [run])
    assert page.models[state].get("index", 0) == 0 and page.models[experiment].get("index", 0) == 0
    click(page, part(page, root, "row-19-name"))  # nothing is in this row
    click(page, part(page, root, "row-99-name"))
    click(page, part(page, root, "lines"))
    folder = place.runs()[-1]
    folder.rename(folder.with_name("elsewhere"))
    click(page, button(page, root, run))
    page.until(lambda _: "Error" in page.draw(root))
    assert run in page.draw(root)
    for _ in range(300):
        update(page, state, index=3)
        update(page, state, index=0)
    page.run("%runs")


def test_new_kernel_brings_it_back(place, page, kernel):
    run = submit(place, page)
    root, _ = show(page, "%runs --experiment try")
    kernel.manager.restart_kernel()
    page = Page(kernel, load=False)
    kernel.client.wait_for_ready(timeout=NO_HURRY)
    page.load()
    assert "As of" in page.draw(root) and run in page.draw(root)
    page.until(lambda _: "As of" not in page.draw(root))
    click(page, part(page, root, "row-0-name"))
    page.until(lambda _: page.models[part(page, root, "area")]["children"])
