# SPDX-License-Identifier: BSD-3-Clause
"""The user's own ipywidgets, whose models live in the companion: linked both ways, and alive after a reload."""

import pytest
from playwright.sync_api import expect

BOTH = pytest.mark.parametrize("frontend", ["lab", "notebook"])
LINKED = """
import ipywidgets as w
slider, label, out = w.IntSlider(value=3), w.Label(), w.Output()
def moved(change):
    label.value = f"twice is {2 * change.new}"
    with out:
        print("moved to", change.new)
slider.observe(moved, names="value")
display(slider, label, out)
""".strip()


def readout(page, cell):
    return page.cell(cell).locator(".widget-readout").first


def move(page, cell, share):
    """Clicks on a slider's track; the value that it has then."""
    track = page.cell(cell).locator(".noUi-target").first
    before = readout(page, cell).inner_text()
    box = track.bounding_box()
    track.click(position={"x": box["width"] * share, "y": box["height"] / 2})
    expect(readout(page, cell)).not_to_have_text(before)
    return int(readout(page, cell).inner_text())


@BOTH
def test_slider_is_linked_to_python(notebook, frontend):
    page = notebook(frontend, LINKED, "slider.value", "slider.value = 42")
    page.run(0, 1)
    expect(readout(page, 0)).to_have_text("3")
    value = move(page, 0, 0.6)
    page.shows(0, f"twice is {2 * value}")
    page.shows(0, f"moved to {value}")
    page.run(1, 2)
    page.shows(1, f"{value}")
    page.run(2, 3)
    expect(readout(page, 0)).to_have_text("42")
    page.shows(0, "twice is 84")
    page.shot(f"slider-{frontend}")
    page.save()
    page.reload()
    page.ready()
    expect(readout(page, 0)).to_have_text("42")
    value = move(page, 0, 0.7)
    page.shows(0, f"twice is {2 * value}")
    page.run(1, 4)
    page.shows(1, f"{value}")


def test_interact_and_a_progress_bar(notebook):
    page = notebook("lab", "from ipywidgets import interact\n@interact(n=(0, 9))\ndef square(n=4):\n"
                    "    print('squared', n * n)",
                    "from tqdm.notebook import tqdm\nfor _ in tqdm(range(50), desc='steps'):\n    pass")
    page.run(0, 1)
    page.shows(0, "squared 16")
    value = move(page, 0, 0.9)
    page.shows(0, f"squared {value * value}")
    page.run(1, 2)
    page.shows(1, "50/50")
    page.shot("interact")


def test_reload_while_a_cell_runs(notebook):
    page = notebook("lab", LINKED, "import os, time\nprint('waiting')\nwhile not os.path.exists('go-on'):\n"
                    "    time.sleep(0.01)\nslider.value = 7\nwaited = 'to the end'", "print('waited', waited)")
    page.run(0, 1)
    page.start(1)
    page.shows(1, "waiting")
    page.save()
    page.reload()
    # Python is busy, and its widgets are there all the same.
    expect(readout(page, 0)).to_have_text("3")
    page.shot("reload-while-running")
    (page.server.work / "go-on").touch()
    expect(readout(page, 0)).to_have_text("7")
    page.run(2, 3)
    page.shows(2, "waited to the end")
    value = move(page, 0, 0.5)
    page.shows(0, f"twice is {2 * value}")
