# SPDX-License-Identifier: BSD-3-Clause
"""A page as the kernel sees one: it asks for all widgets when it is loaded, keeps their models by what is said on
IOPub, clicks, and checks every state against ipywidgets' own classes as it comes."""

import queue
import time

import ipywidgets
from ipywidgets.widgets.widget import _registry
from traitlets import Instance, TraitError

from conftest import NO_HURRY

VIEW = "application/vnd.jupyter.widget-view+json"


def widget_class(state):
    """The installed package's class of a model."""
    versions = _registry._registry[state["_model_module"]]
    names = next(iter(versions.values()))[state["_model_name"]]
    views = next(iter(names.values()))
    return next(iter(next(iter(views.values())).values()))


def refers(value):
    return isinstance(value, str) and value.startswith("IPY_MODEL_")


def check_state(model_id, state, known=None):
    """Every key is one of the class, and its value one that the class takes. `known` is the whole state, of an
    update."""
    own = widget_class(known or state)()
    labels = state.get("_options_labels", (known or state).get("_options_labels"))
    if labels is not None:
        own.options = labels  # an index is one of them
    for key, value in state.items():
        assert key in own.keys, f"{model_id}: {own._model_name.default_value} has no {key}"
        if key in ("_model_module_version", "_view_module_version"):
            assert value == getattr(own, key)
        elif key == "_options_labels":
            assert list(own._options_labels) == value
        elif key.startswith("_"):
            assert value == getattr(own, key), (model_id, key, value)
        elif refers(value):
            assert isinstance(own.traits()[key], Instance), (model_id, key)
        elif key == "children":
            assert all(refers(child) for child in value)
        else:
            try:
                own.set_trait(key, value)
            except TraitError as error:
                raise AssertionError(f"{model_id}: {error}") from error


def references(value):
    if refers(value):
        yield value.removeprefix("IPY_MODEL_")
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


class Page:
    """One load of a page: a client with its models. `kernel` is a Kernel of conftest."""

    def __init__(self, kernel, load=True):
        self.kernel = kernel
        self.models = {}
        self.displays = {}  # display_id -> bundle, as they are now
        self.outputs = []  # display ids in the order they came
        self.updates = 0
        self.bytes = 0
        self.seen = []
        if load:
            self.load()

    # --- what it says

    def send(self, kind, comm_id, data, target=None, metadata=None):
        content = {"comm_id": comm_id, "data": data}
        if target is not None:
            content["target_name"] = target
        session = self.kernel.client.session
        return session.send(self.kernel.client.shell_channel.socket, kind, content,
                            metadata=metadata)["header"]["msg_id"]

    def load(self):
        """As a page does at its beginning."""
        control = f"control-{time.monotonic_ns()}"
        self.send("comm_open", control, {}, "jupyter.widget.control", {"version": "1.0.0"})
        self.send("comm_msg", control, {"method": "request_states"})
        self.until(lambda m: m["msg_type"] == "comm_msg" and m["content"]["comm_id"] == control)
        self.send("comm_close", control, {})

    def click(self, name):
        (model_id,) = [i for i in self.models if i.endswith(f"-{name}")]
        self.send("comm_msg", model_id, {"method": "custom", "content": {"event": "click"}})

    def execute(self, code, **options):
        return self.kernel.client.execute(code, allow_stdin=True, **options)

    def run(self, code):
        """Executes a cell to its idle; what IOPub said about it."""
        msg_id = self.execute(code)
        self.until(lambda m: (m["msg_type"] == "status" and m["content"]["execution_state"] == "idle"
                              and m["parent_header"].get("msg_id") == msg_id))
        return [m for m in self.seen if m["parent_header"].get("msg_id") == msg_id]

    # --- what it hears

    def take(self, message):
        kind, content = message["msg_type"], message["content"]
        self.seen.append(message)
        if kind == "comm_open" and content["target_name"] == "jupyter.widget":
            assert message["metadata"]["version"].startswith("2.")
            self.open(content["comm_id"], content["data"]["state"])
        elif kind == "comm_msg" and content["data"].get("method") == "update_states":
            for model_id, model in content["data"]["states"].items():
                self.models[model_id] = {}
            for model_id, model in content["data"]["states"].items():
                assert set(model) == {"model_name", "model_module", "model_module_version", "state"}
                self.open(model_id, model["state"])
        elif kind == "comm_msg" and content["comm_id"] in self.models:
            if content["data"]["method"] in ("update", "echo_update"):
                self.update(content["comm_id"], content["data"]["state"])
        elif kind in ("display_data", "update_display_data"):
            display_id = content.get("transient", {}).get("display_id")
            if kind == "display_data":
                self.outputs.append(display_id)
            if VIEW in content["data"]:
                self.check_references([f"IPY_MODEL_{content['data'][VIEW]['model_id']}"])
            self.displays[display_id] = content["data"]

    def check_references(self, value):
        for model_id in references(value):
            assert model_id in self.models, f"{model_id} is used before it is open"

    def open(self, model_id, state):
        check_state(model_id, state)
        for value in state.values():
            self.check_references(value)
        self.models[model_id] = dict(state)

    def update(self, model_id, state):
        self.updates += 1
        self.bytes += sum(len(str(value)) for value in state.values())
        check_state(model_id, state, self.models[model_id])
        for value in state.values():
            self.check_references(value)
        self.models[model_id].update(state)

    def until(self, what=None):
        """Takes messages until what(message), or what() without one, is true."""
        end = time.monotonic() + NO_HURRY
        while time.monotonic() < end:
            try:
                message = self.kernel.client.get_iopub_msg(timeout=0.2)
            except queue.Empty:
                assert self.kernel.manager.is_alive(), "the kernel died"
                continue
            self.take(message)
            if what(message):
                return message
        raise AssertionError(f"nothing of the kind came; the page shows:\n{self.text()}")

    def until_shows(self, text):
        self.until(lambda _: text in self.text())

    def quiet(self, seconds):
        """The messages of so many seconds."""
        end = time.monotonic() + seconds
        count = len(self.seen)
        while time.monotonic() < end:
            try:
                self.take(self.kernel.client.get_iopub_msg(timeout=max(0.01, end - time.monotonic())))
            except queue.Empty:
                pass
        return self.seen[count:]

    # --- what it shows

    def model(self, name, run=""):
        (found,) = [m for i, m in self.models.items() if i.endswith(f"{run}-{name}")]
        return found

    def draw(self, model_id):
        """What a reader sees of a model and what is in it, as one text of HTML."""
        state = self.models[model_id]
        own = state.get("value", state.get("description", ""))
        return "\n".join([str(own)] + [self.draw(child) for child in references(state.get("children", []))])

    def roots(self):
        return [b[VIEW]["model_id"] for b in self.displays.values() if VIEW in b]

    def text(self):
        return "\n".join(self.draw(root) for root in self.roots())


assert ipywidgets.__version__.startswith("8.")
