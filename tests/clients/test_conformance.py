# SPDX-License-Identifier: BSD-3-Clause
"""Jupyter's own tests for kernels, all of them, on cells of Skiff and of Python."""

import pathlib
import tempfile

import jupyter_kernel_test
import pytest
from jupyter_client.kernelspec import KernelSpecManager

from conftest import Place


class Installed:
    """Installs the kernel where jupyter_client finds it, and gives it a folder with a script."""

    kernel_name = "skiff"

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def installed(cls):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            place = Place(pathlib.Path(folder))
            place.write("hello.py", "print('hello, world')\n")
            with pytest.MonkeyPatch.context() as patch:
                for name, value in place.env(JUPYTER_PATH=f"{folder}/prefix/share/jupyter").items():
                    patch.setenv(name, value)
                patch.chdir(place.work)
                assert "skiff" in KernelSpecManager().find_kernel_specs()
                super().setUpClass()
                yield
                super().tearDownClass()

    @classmethod
    def setUpClass(cls):
        """The fixture does it, when the kernelspec is there."""

    @classmethod
    def tearDownClass(cls):
        """As setUpClass()."""


class TestKernel(Installed, jupyter_kernel_test.KernelTests):
    language_name = "python"
    file_extension = ".py"

    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('test', file=sys.stderr)"
    code_page_something = "len?"
    code_generate_error = "1 / 0"
    code_execute_result = [
        {"code": "6 * 7", "result": "42"},
        {"code": "'a' + 'b'", "result": "'ab'"},
        {"code": "class H:\n    _repr_html_ = lambda self: '<b>h</b>'\nH()", "result": "<b>h</b>", "mime": "text/html"},
    ]
    code_display_data = [
        {"code": "%skiff", "mime": "text/html"},
        {"code": "%computes", "mime": "text/plain"},
        {"code": "from IPython.display import HTML, display; display(HTML('<b>x</b>'))", "mime": "text/html"},
    ]
    code_clear_output = "from IPython.display import clear_output; clear_output()"
    code_inspect_sample = "zip"
    code_history_pattern = "1?2*"
    supported_history_operations = ("tail", "range", "search")

    completion_samples = [
        {"text": "%comp", "matches": {"%computes"}},
        {"text": "%%comp", "matches": {"%%compute"}},
        {"text": "%%submit x --no", "matches": {"--no-wait"}},
        {"text": "%%submit x\nscri", "matches": {"script: "}},
        {"text": "zi", "matches": {"zip"}},
        {"text": "import textwrap as t; t.sho", "matches": {"shorten"}},
    ]
    complete_code_samples = ["%runs", "%computes\n%runs", "%%compute cpu\nmax_nodes: 2\n\n", "1",
                             "def f(x):\n    return x\n\n\n"]
    incomplete_code_samples = ["%%compute cpu\nmax_nodes: 2", "print('''hello", "def f(x):\n    x * 2"]
    invalid_code_samples = ["import = 7q"]

    def test_history(self):
        self.code_execute_result = [{"code": code, "result": result} for code, result in (
            ("1+1", "2"), ("%runs", None), ("1+2+3", "6"), ("1+2+3", "6"), ("2+2", "4"), ("12*12", "144"))]
        super().test_history()

    def test_inspect_magic(self):
        self.code_inspect_sample = "%computes"
        self.test_inspect()


class TestWelcome(Installed, jupyter_kernel_test.IopubWelcomeTests):
    support_iopub_welcome = True
