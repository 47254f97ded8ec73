# SPDX-License-Identifier: BSD-3-Clause
"""Jupyter's own tests for kernels. What only Python cells could give is taken out, not skipped."""

import pathlib
import tempfile

import jupyter_kernel_test
import pytest
from jupyter_client.kernelspec import KernelSpecManager

from conftest import Place

SUBMIT = "%%submit hello --wait\nscript: hello.py\n"


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

    code_hello_world = SUBMIT
    code_generate_error = "1 / 0"  # plain code, and nobody to give it to
    code_display_data = [{"code": "%skiff", "mime": "text/html"}, {"code": "%computes", "mime": "text/html"},
                         {"code": "%skiff", "mime": "text/plain"}]
    code_inspect_sample = "%computes"
    code_history_pattern = "%comp?te*"
    supported_history_operations = ("tail", "range", "search")

    completion_samples = [
        {"text": "%comp", "matches": {"%computes"}},
        {"text": "%%comp", "matches": {"%%compute"}},
        {"text": "%%submit x --no", "matches": {"--no-wait"}},
        {"text": "%%submit x\nscri", "matches": {"script: "}},
    ]
    complete_code_samples = ["%runs", "%computes\n%runs", "%%compute cpu\nmax_nodes: 2\n\n"]
    incomplete_code_samples = ["%%compute cpu\nmax_nodes: 2"]

    # Results, pages, stderr and cleared outputs come from Python cells alone.
    test_execute_stderr = None
    test_execute_result = None
    test_pager = None
    test_clear_output = None

    def test_history(self):
        self.code_execute_result = [{"code": "%computes"}, {"code": "%runs"}, {"code": "%computes"},
                                    {"code": "%computes"}]
        super().test_history()


class TestWelcome(Installed, jupyter_kernel_test.IopubWelcomeTests):
    support_iopub_welcome = True
