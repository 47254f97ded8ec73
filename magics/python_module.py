# SPDX-License-Identifier: BSD-3-Clause
"""Skiff's runs in Python: skiff.last_run, skiff.run("calm_fox"), skiff.runs().

The notebook's kernel gives this module to its Python; there is nothing to install. A run is read
from its directory; what needs Skiff's own rules is asked of the program.
"""

import datetime as _datetime
import html as _html
import json as _json
import math as _math
import numbers as _numbers
import os as _os
import pathlib as _pathlib
import re as _re
import subprocess as _subprocess
import time as _time

__all__ = ["Run", "RunError", "RunFailedError", "RunCanceledError", "last_run", "run", "runs"]

#: The newest run submitted from this notebook, or None.
last_run = None

_home = None
_program = None

_FINAL = ("Completed", "Failed", "Canceled")

# Between two looks at a run that is waited for. Nothing tells another process of a change.
_LOOK_SOON = 0.05
_LOOK_LATE = 1.0


class RunError(Exception):
    """Something about a run did not work; `run` is the run, when there is one."""

    def __init__(self, text, run=None):
        super().__init__(text)
        self.run = run


class RunFailedError(RunError):
    """A run that was waited for has failed."""


class RunCanceledError(RunError):
    """A run that was waited for was cancelled."""


def _ask_program(*words):
    """What the program prints about a run of this home."""
    environment = {**_os.environ, "SKIFF_HOME": _home}
    done = _subprocess.run([_program, *words], env=environment, stdin=_subprocess.DEVNULL,
                           stdout=_subprocess.PIPE, stderr=_subprocess.PIPE, encoding="utf-8")
    if done.returncode != 0:
        raise RunError(done.stderr.strip().replace("skiff: ", "", 1))
    return done.stdout


def _local_time(text):
    """An instant of a file of Skiff's, in this machine's zone; None when there is none."""
    if not text:
        return None
    instant = _datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")
    return instant.replace(tzinfo=_datetime.timezone.utc).astimezone()


def _frame(metrics):
    """A DataFrame with a column for each metric; where a step came twice, its last value."""
    import pandas
    columns = {name: {point["step"]: point["value"] for point in points}
               for name, points in metrics.items()}
    frame = pandas.DataFrame(columns).sort_index()
    frame.index.name = "step"
    return frame


def _has_pandas():
    import importlib.util
    return importlib.util.find_spec("pandas") is not None


class Run:
    """A run of Skiff's, as it is now: its state and log are read when they are asked for."""

    def __init__(self, id):
        self.id = id
        self.path = _pathlib.Path(_home, "runs", id)
        self.outputs_path = self.path / "outputs"
        self.log_path = self.path / "user_logs" / "std_log.txt"

    @property
    def intent(self):
        """What was asked for: the run's run.json."""
        return _json.loads((self.path / "run.json").read_text(encoding="utf-8"))

    @property
    def events(self):
        """Every change of state and remark with its time, oldest first."""
        text = (self.path / "events.jsonl").read_text(encoding="utf-8")
        whole = text[:text.rfind("\n") + 1]  # what has no newline yet never happened
        return [_json.loads(line) for line in whole.splitlines()]

    def _last_change(self):
        return [event for event in self.events if "state" in event][-1]

    @property
    def state(self):
        """The state, by Azure's names: "Running", "Completed", "Failed", ..."""
        return self._last_change()["state"]

    @property
    def reason(self):
        """Why it is in this state; None when the state says it all."""
        return self._last_change().get("reason")

    def log(self):
        """What the script has printed so far."""
        try:
            return self.log_path.read_bytes().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def metrics(self, dataframe=None):
        """The metrics: a DataFrame (a column for each, steps as index) where pandas is installed,
        else a dict of lists, {"loss": [{"step": 0.0, "value": 0.5}, ...]}. `dataframe` says which."""
        metrics = _json.loads(_ask_program("metrics", self.id))
        if dataframe is None:
            dataframe = _has_pandas()
        return _frame(metrics) if dataframe else metrics

    def _size(self):
        return (self.path / "events.jsonl").stat().st_size

    def wait(self, timeout=None, raise_on_error=True):
        """Waits for the end and returns the final state. A run that failed or was cancelled raises
        RunFailedError or RunCanceledError, unless `raise_on_error` is false; TimeoutError after
        `timeout` seconds. Interrupting it does nothing to the run."""
        end = None if timeout is None else _time.monotonic() + timeout
        seen, pause = None, _LOOK_SOON
        while True:
            size = self._size()
            if size != seen:
                seen, pause = size, _LOOK_SOON
                state = self.state
                if state in _FINAL:
                    return self._judge(state, raise_on_error)
            left = _math.inf if end is None else end - _time.monotonic()
            if left <= 0:
                raise TimeoutError(f"run {self.id} is {state} after {timeout} seconds")
            _time.sleep(min(pause, left))
            pause = min(pause * 1.5, _LOOK_LATE)

    def _judge(self, state, raise_on_error):
        if state == "Completed" or not raise_on_error:
            return state
        kind, verb = ((RunFailedError, "failed") if state == "Failed" else
                      (RunCanceledError, "was cancelled"))
        reason = self.reason
        raise kind(f"run {self.id} {verb}{': ' + reason if reason else ''}", self)

    def cancel(self):
        """Asks the run to end; nothing happens when it has ended. wait() waits until it has."""
        _ask_program("cancel", self.id)

    def _facts(self):
        intent, change = self.intent, self._last_change()
        facts = {"state": change["state"], "reason": change.get("reason"),
                 "experiment": intent.get("experiment"),
                 "compute": (intent.get("compute") or {}).get("name"),
                 "environment": (intent.get("environment") or {}).get("name"),
                 "submitted": _local_time(intent.get("created_at")), "folder": self.path}
        return {name: value for name, value in facts.items() if value}

    def __eq__(self, other):
        return isinstance(other, Run) and other.path == self.path

    def __hash__(self):
        return hash(self.path)

    def __repr__(self):
        try:
            return f"<Run {self.id}: {self.state}>"
        except (OSError, ValueError, LookupError):  # the directory is gone, or was changed
            return f"<Run {self.id}: not found>"

    def _repr_html_(self):
        try:
            facts = self._facts()
        except (OSError, ValueError, LookupError):
            return _html.escape(repr(self))
        rows = "".join(f"<tr><td style='opacity:0.65;text-align:left'>{name}</td>"
                       f"<td style='text-align:left'>{_html.escape(_shown(value))}</td></tr>"
                       for name, value in facts.items())
        return f"<div><b>Run {_html.escape(self.id)}</b><table>{rows}</table></div>"


def _shown(value):
    return f"{value:%Y-%m-%d %H:%M:%S %Z}" if isinstance(value, _datetime.datetime) else str(value)


def _ids():
    folder = _pathlib.Path(_home, "runs")
    if not folder.is_dir():
        return []
    return [entry.name for entry in folder.iterdir() if (entry / "run.json").is_file()]


def run(id):
    """The run with this id, or the one whose id begins with it."""
    ids = _ids()
    found = [id] if id in ids else sorted(name for name in ids if name.startswith(id))
    if len(found) == 1:
        return Run(found[0])
    if not found:
        raise LookupError(f"there is no run {id!r} in {_home}; skiff.runs() has all")
    raise LookupError(f"several runs begin with {id!r}: {', '.join(found[:10])}")


def runs():
    """All runs, newest first."""
    def created(run):
        try:
            return run.intent.get("created_at") or ""
        except (OSError, ValueError):
            return ""
    return sorted((Run(id) for id in _ids()), key=created, reverse=True)


# --- what the kernel needs -------------------------------------------------------------------------

# Of one value, in characters; the kernel counts bytes, and says so in the same words.
_VALUE_MAX = 100000

# JSON leaves them as they are; YAML takes them for line breaks, or does not take them.
_ESCAPED = _re.compile("[\x7f-\x9f\u2028\u2029\ufeff]")


def _problem(value):
    """Why a value cannot stand in a cell; None when it can."""
    if isinstance(value, str):
        if len(value) > _VALUE_MAX:
            return f"is a text of {len(value)} characters; at most {_VALUE_MAX} can stand in a cell"
        if "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
            return "is a text that holds a NUL or half a character"
    elif isinstance(value, bool):
        return None
    elif isinstance(value, _numbers.Integral):
        if not -2**63 <= int(value) < 2**63:
            return "is a number of more than 64 bits"
    elif isinstance(value, _numbers.Real):
        if not _math.isfinite(value):
            return f"is the number {value}"
    else:
        return f"is of type {type(value).__name__}"


def _plain(value):
    """Scalars of numpy, torch and their like as Python's own; the rest as it is."""
    if getattr(value, "shape", None) == () and callable(getattr(value, "item", None)):
        value = value.item()
    if isinstance(value, str):
        return str.__str__(value)  # of an Enum, its value
    if isinstance(value, bool):
        return value
    if isinstance(value, _numbers.Integral):
        return int(value)
    return float(value) if isinstance(value, _numbers.Real) else value


def _as_json(value):
    text = _json.dumps(value, ensure_ascii=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _answer(value):
    """What the kernel puts into a cell for a value: as JSON, and as a part of a text."""
    if isinstance(value, list):
        values = [_plain(item) for item in value]
        problem = next((text for text in map(_problem, values) if text), None)
        if problem is None and len(str(values)) > _VALUE_MAX:
            problem = f"is longer than {_VALUE_MAX} characters"
        elif problem:
            problem = f"is a list, one of whose items {problem}"
        return {"problem": problem} if problem else {"json": _as_json(values)}
    value = _plain(value)
    problem = _problem(value)
    if problem:
        return {"problem": problem}
    text = _as_json(value)
    return {"json": text, "text": value if isinstance(value, str) else text}


class _Answers(list):
    """The answers as the display data of an expression."""

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"application/json": list(self), "text/plain": ""}


def _values(shell, expressions):
    """The values of a cell's expressions, up to the first that has none."""
    answers = _Answers()
    for expression in expressions:
        try:
            code = compile(expression, "<expression>", "eval")
            answers.append(_answer(eval(code, shell.user_global_ns, shell.user_ns)))
        except BaseException as error:  # also an interrupt: the cell must hear of it
            text = error.msg if isinstance(error, SyntaxError) else str(error)
            answers.append({"ename": type(error).__name__, "evalue": text})
        if "json" not in answers[-1]:
            break
    return answers


def _explain_magics(shell, magics):
    """Makes a magic of Skiff's among Python say where it belongs. Only where IPython finds none: what
    %lsmagic lists, automagic and completion are as they are without Skiff."""
    find = getattr(shell, "_find_with_lazy_load", None)
    if find is None:
        return
    # Below the first line IPython takes %%name for a line magic of the name "%name".
    names = {*magics["line"], *("%" + name for name in magics["cell"])}

    def find_or_explain(kind, name):
        found = find(kind, name)
        if found is None and kind == "line" and name in names:
            from IPython.core.error import UsageError
            raise UsageError(f"%{name} is Skiff's, and Skiff's magics do not mix with Python in one "
                             "cell: put it, and what belongs to it, in a cell of its own")
        return found

    shell._find_with_lazy_load = find_or_explain


def _submitted(id):
    global last_run
    last_run = Run(id)


def _start(shell, module, home, program, magics, run_id):
    """Called by the kernel in each Python it starts. `magics`: {"line": [names], "cell": [names]}."""
    global _home, _program
    _home, _program = home, program
    if run_id is not None:
        _submitted(run_id)
    _explain_magics(shell, magics)
    shell._skiff_values = lambda expressions: _values(shell, expressions)
    shell._skiff_submitted = _submitted
    if "skiff" not in shell.user_ns:
        shell.push({"skiff": module}, interactive=False)
