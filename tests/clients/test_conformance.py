# SPDX-License-Identifier: BSD-3-Clause
"""jupyter_kernel_test: what applies to a kernel without a companion. Plain code is an error here, so
the tests that print and return values by plain code come with the companion kernel."""

import os
import pathlib
import subprocess
import tempfile
import unittest

import jupyter_kernel_test

from conftest import BUILD

FOLDER = tempfile.TemporaryDirectory(prefix="skiff-conformance-")


def setUpModule():
    prefix = pathlib.Path(FOLDER.name)
    subprocess.run([str(BUILD / "skiff"), "install", "--prefix", str(prefix)], check=True,
                   stdout=subprocess.DEVNULL)
    os.environ["JUPYTER_PATH"] = str(prefix / "share/jupyter")
    os.environ["SKIFF_HOME"] = str(prefix / "home")


def tearDownModule():
    FOLDER.cleanup()
    del os.environ["JUPYTER_PATH"], os.environ["SKIFF_HOME"]


class SkiffKernelTests(jupyter_kernel_test.KernelTests):
    kernel_name = "skiff"
    language_name = "python"
    file_extension = ".py"
    code_generate_error = "1 / 0"
    code_display_data = [{"code": "%skiff", "mime": "text/html"},
                         {"code": "%workspace", "mime": "text/plain"}]
    code_inspect_sample = "%computes"
    completion_samples = [{"text": "%comp", "matches": {"%computes"}},
                          {"text": "%%envir", "matches": {"%%environment"}},
                          {"text": "%%submit x\nsource_dir", "matches": {"source_directory: "}}]
    complete_code_samples = ["%computes", "%%compute a\nvm_size: STANDARD_DS3_V2\n\n"]
    incomplete_code_samples = ["%%compute a\nvm_size: STANDARD_DS3_V2"]
    supported_history_operations = ("tail", "range", "search")
    code_history_pattern = "%work?pac*"

    # Of the 13 tests these do not apply yet: a Skiff cell writes no plain stdout or stderr of its own,
    # returns no value, pages nothing and clears nothing.
    test_execute_stdout = test_execute_stderr = test_execute_result = None
    test_pager = test_clear_output = None

    def test_history(self):
        for code in ("%workspace", "%skiff", "%workspace"):
            self.execute_helper(code)
        for access, options in (("tail", {"n": 3}), ("range", {"session": 0}),
                                ("search", {"pattern": self.code_history_pattern}),
                                ("search", {"pattern": "%workspace", "n": 1})):
            with self.subTest(access=access, **options):
                self.flush_channels()
                message = self.kc.history(raw=True, output=False, hist_access_type=access, **options)
                reply = self.get_non_kernel_info_reply(timeout=15)
                jupyter_kernel_test.msgspec_v5.validate_message(reply, "history_reply", message)
                inputs = [row[2] for row in reply["content"]["history"]]
                self.assertTrue(inputs)
                self.assertLessEqual(len(inputs), options.get("n", len(inputs)))
                self.assertIn("%workspace", inputs)


class SkiffWelcomeTests(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = "skiff"
    support_iopub_welcome = True


if __name__ == "__main__":
    unittest.main()
