# SPDX-License-Identifier: BSD-3-Clause
"""Cells of both kinds on the page: run, numbered, interrupted, restarted, and asked for what they could say."""

import re

import pytest
from playwright.sync_api import expect

BOTH = pytest.mark.parametrize("frontend", ["lab", "notebook"])


@BOTH
def test_python_and_skiff_cells_are_numbered_as_one(notebook, frontend):
    page = notebook(frontend, "x = 20\nprint('x is', x)", "%workspace", "%%environment plain\nos: linux",
                    "x + 1", "In[1][:6], Out[4]")
    page.run(0, 1)
    page.shows(0, "x is 20")
    page.run(1, 2)
    page.shows(1, "local")
    page.run(2, 3)
    page.shows(2, 'unknown key "os"')
    page.run(3, 4)
    expect(page.cell(3).locator(".jp-OutputPrompt")).to_have_text("[4]:")
    page.shows(3, "21")
    page.run(4, 5)
    page.shows(4, "('x = 20', 21)")
    page.shot(f"cells-{frontend}")


@BOTH
def test_stop_and_restart(notebook, frontend):
    page = notebook(frontend, "x = 1", "print('going round')\nwhile True:\n    pass",
                    "print('x' in globals(), 'it is')")
    page.run(0, 1)
    page.start(1)
    page.shows(1, "going round")
    page.expect_status("busy")
    page.press("notebook:interrupt-kernel")
    page.done(1, 2)
    page.shows(1, "KeyboardInterrupt")
    page.run(2, 3)
    page.shows(2, "True it is")
    page.shot(f"interrupt-{frontend}")
    page.start(1)
    expect(page.output(1)).to_have_text(re.compile(r"^\s*going round\s*$"))
    page.restart()
    page.run(2, 1)
    page.shows(2, "False it is")
    page.run(0, 2)
    page.run(2, 3)
    page.shows(2, "True it is")


def test_tab_completes_python_and_skiff(notebook):
    page = notebook("lab", "zebra_count = 1\nzebra_colour = 'striped'", "", "")
    page.run(0, 1)
    page.type(1, "zebra_c")
    page.page.keyboard.press("Tab")
    menu = page.page.locator(".jp-Completer:not(.lm-mod-hidden) .jp-Completer-item")
    expect(menu.filter(has_text="zebra_colour")).to_be_visible()
    expect(menu.filter(has_text="zebra_count")).to_be_visible()
    page.shot("completion-python")
    page.page.keyboard.press("ArrowDown")
    page.page.keyboard.press("Enter")
    expect(page.cell(1).locator(".cm-content")).to_have_text("zebra_count")
    expect(menu).to_have_count(0)
    page.type(2, "%%sub")
    page.page.keyboard.press("Tab")
    expect(menu).to_contain_text("%%submit")
    page.page.keyboard.press("Enter")
    expect(menu).to_have_count(0)
    page.type(2, " try\nsour")
    page.page.keyboard.press("Tab")
    expect(menu).to_contain_text("source_directory:")
    page.shot("completion-skiff")
    page.page.keyboard.press("Enter")
    expect(page.cell(2).locator(".cm-content")).to_have_text("%%submit trysource_directory: ")


def test_shift_tab_explains_python_and_skiff(notebook):
    page = notebook("lab", "def stripes(zebra, width=2):\n    '''How many stripes a zebra has.'''", "stripes",
                    "%%submit")
    tip = page.page.locator(".jp-Tooltip")
    page.run(0, 1)
    for cell, text in ((1, "How many stripes"), (2, "%%submit")):
        page.edit(cell)
        page.page.keyboard.press("Control+End")
        page.page.keyboard.press("Shift+Tab")
        expect(tip).to_contain_text(text)
        page.shot(f"inspection-{cell}")
        page.page.keyboard.press("Escape")
        expect(tip).to_have_count(0)


@BOTH
def test_input_is_asked_on_the_page(notebook, frontend):
    page = notebook(frontend, "name = input('Your name? ')\nprint('Hello', name)",
                    "import getpass\nsecret = getpass.getpass('A secret? ')\nprint(len(secret), 'letters')")
    page.start(0)
    page.answer(0, "Ada")
    page.done(0, 1)
    page.shows(0, "Hello Ada")
    page.start(1)
    expect(page.output(1).locator("input.jp-Stdin-input")).to_have_attribute("type", "password")
    page.answer(1, "hush")
    page.done(1, 2)
    page.shows(1, "4 letters")
    expect(page.output(1)).not_to_contain_text("hush")
    page.shot(f"input-{frontend}")


def test_display_is_updated_in_place(notebook):
    page = notebook("lab", "shown = display('the first', display_id=True)", "shown.update('the second')",
                    "from tqdm import tqdm\nfor _ in tqdm(range(300)):\n    pass")
    page.run(0, 1)
    page.shows(0, "the first")
    page.run(1, 2)
    page.shows(0, "the second")
    expect(page.output(0)).not_to_contain_text("the first")
    page.run(2, 3)
    page.shows(2, "300/300")
    # The bar was drawn over itself: one line is left.
    expect(page.output(2).locator("pre").first).to_have_text(re.compile(r"^\s*100%[^%]*300/300[^%]*$"))
    page.shot("display")


def test_run_all_stops_at_an_error(notebook):
    page = notebook("lab", "print('before')", "1 / 0", "print('never', 'seen')", "%runs")
    page.menu("Run", "Run All Cells")
    page.done(1, 2)
    page.shows(1, "ZeroDivisionError")
    page.expect_status("idle")
    expect(page.cell(2).locator(".jp-InputPrompt")).to_have_text("[ ]:")
    expect(page.cell(3).locator(".jp-InputPrompt")).to_have_text("[ ]:")
    expect(page.output(2)).not_to_contain_text("never seen")
    page.shot("error")
