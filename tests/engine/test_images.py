# SPDX-License-Identifier: BSD-3-Clause
"""Images: pulled from a private registry, built from Dockerfiles, with packages on top."""

import base64
import json
import re
import threading

import pytest

from conftest import BASE, PASSWORD, REGISTRY, USER, private, until

HELLO = """
import os, sys
print("hello from", os.getcwd(), sys.argv[1:])
"""


def forget(docker):
    """The engine has no image any more."""
    for image in docker.images():
        docker.remove_image(image["Id"])


def steps(text):
    """Did it build? Docker says Step 1/2, Podman STEP 1/2."""
    return re.search(r"^step \d+/", text, re.MULTILINE | re.IGNORECASE) is not None


def test_an_image_of_a_private_registry_is_pulled_once(place, docker, base):
    forget(docker)
    kernel = place.kernel()
    place.environment(kernel, private(base))
    result = place.submit(kernel, HELLO, more="arguments: [--epochs, 3]")
    text = result.ok()
    said = [m["content"]["data"].get("text/plain", "") for m in result.outputs if "data" in m["content"]]
    assert any(f"pulling {base}: " in line and "layer" in line for line in said)  # while it went on
    assert "credentials: env:REGISTRY_PASSWORD" in text
    assert "pulled, " in text
    assert "hello from /skiff/run/code ['--epochs', '3']" in text
    again = place.submit(kernel).ok()
    assert "Pulling" not in again and "hello from" in again
    run = place.runs()[0]
    image = json.loads((run / "image.json").read_text())
    assert image["digest"].startswith("sha256:")
    assert image["digest"] in docker.ask("GET", f"/images/{base}/json")["RepoDigests"][0]
    assert image["digest"][:19] in (run / "events.jsonl").read_text()
    listed = kernel.run("%environments").ok()
    assert image["digest"][:19] in listed and "MB" in listed
    assert place.containers() == []


def test_a_rerun_uses_the_digest_of_its_run(place, docker, image):
    name = f"{REGISTRY}/tests/moving"
    docker.load(BASE, name, "latest")
    docker.push(name, "latest", USER, PASSWORD)
    forget(docker)
    kernel = place.kernel()
    place.environment(kernel, private(f"{name}:latest"))
    place.submit(kernel, HELLO).ok()
    first = place.runs()[0]
    digest = json.loads((first / "image.json").read_text())["digest"]
    # the name moves on to another image
    docker.ask("POST", "/build", body=tar_of(f"FROM {name}@{digest}\nLABEL moved=on\n"), t=f"{name}:latest",
               headers={"Content-Type": "application/x-tar"})
    docker.push(name, "latest", USER, PASSWORD)
    place.submit(kernel).ok()
    assert len({image_of(run)["id"] for run in place.runs()}) == 2
    kernel.run(f"%rerun {first.name} --wait").ok()
    reruns = [run for run in place.runs() if json.loads((run / "run.json").read_text()).get("rerun_of")]
    assert image_of(reruns[0])["digest"] == digest


def image_of(run):
    return json.loads((run / "image.json").read_text())


def tar_of(dockerfile):
    import io
    import tarfile
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(dockerfile)
        tar.addfile(info, io.BytesIO(dockerfile.encode()))
    return out.getvalue()


def test_two_runs_pull_once(place, docker, base):
    forget(docker)
    kernel = place.kernel()
    place.environment(kernel, private(base))
    place.submit(kernel, HELLO, options="--no-wait").ok()
    place.submit(kernel, HELLO, options="--no-wait").ok()
    runs = place.runs()
    until(lambda: all(place.states(run)[-1] == "Completed" for run in runs))
    hows = sorted(json.loads((run / "image.json").read_text())["how"][:6] for run in runs)
    assert hows == ["pulled", "pulled"]  # one pull: both say it, at one time
    assert len({json.loads((run / "image.json").read_text())["ready_at"] for run in runs}) == 1


def test_a_cancelled_pull_is_taken_up_again(place, docker, base):
    forget(docker)
    kernel = place.kernel()
    place.environment(kernel, private(base))
    place.submit(kernel, HELLO, options="--no-wait").ok()
    run = place.runs()[0]
    kernel.run(f"%cancel {run.name}").ok()
    until(lambda: place.state(run) == "Canceled")
    place.submit(kernel, HELLO).ok()


@pytest.mark.parametrize("definition, words, step", [
    (private("{base}").replace("REGISTRY_PASSWORD", "WRONG_PASSWORD"), "wrong", "password"),
    (private(REGISTRY + "/fastdotai/nothing:here"), "no such image|not found|unknown", ""),
    (private(REGISTRY + "/fastdotai/fastai2:none"), "no such image|not found|unknown", ""),
    ("image: 127.0.0.1:1/a/b:1\nuser_managed_dependencies: true\n", "cannot be reached|not reach|refused", ""),
    ("image: " + REGISTRY + "/fastdotai/fastai2:latest\nuser_managed_dependencies: true\n", "password|log in", "registry"),
], ids=["wrong-password", "unknown-image", "unknown-tag", "unreachable", "anonymous"])
def test_what_went_wrong_with_a_pull_is_said(place, docker, base, definition, words, step):
    forget(docker)
    kernel = place.kernel(WRONG_PASSWORD="not-the-one")
    place.environment(kernel, definition.replace("{base}", base))
    text = place.submit(kernel, HELLO).failed()
    assert re.search(words, text), text
    assert step in text
    assert place.state(place.runs()[0]) == "Failed"
    assert "not-the-one" not in text


def test_a_password_that_is_not_there_is_found_before_anything_happens(place, base):
    kernel = place.kernel()
    place.environment(kernel, private(base, "env:NOBODY_SET_THIS"))
    text = place.submit(kernel, HELLO).failed()
    assert "NOBODY_SET_THIS" in text and place.runs() == []


def test_the_credentials_of_docker_login(place, docker, base, tmp_path):
    forget(docker)
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/config.json").write_text(json.dumps({"auths": {REGISTRY: {"auth": auth}}}))
    kernel = place.kernel(DOCKER_CONFIG=str(tmp_path / "docker"))
    place.environment(kernel, f"image: {base}\nuser_managed_dependencies: true\n")
    text = place.submit(kernel, HELLO).ok()
    assert "config.json" in text and "hello from" in text


def test_a_dockerfile_is_built_once(place, image):
    kernel = place.kernel()
    place.environment(kernel, "dockerfile: |\n"
                              f"  FROM {image}\n"
                              "  ENV MARK=made\n"
                              "  RUN echo \"Hello from custom container!\"\n")
    script = "import os\nprint('mark', os.environ['MARK'])\n"
    text = place.submit(kernel, script).ok()
    assert "step 3/" in text.lower() and "Hello from custom container!" in text and "mark made" in text
    again = place.submit(kernel).ok()
    assert not steps(again) and "mark made" in again
    assert "nothing in it has changed" in (place.runs()[0] / "events.jsonl").read_text() + (
        place.runs()[1] / "events.jsonl").read_text()
    assert "localhost/skiff:" in str(place.docker.images(f"skiff.home={place.home}")[0]["RepoTags"])


@pytest.mark.parametrize("lines, words", [
    (["RUN echo this is why >&2; exit 7", "RUN echo after"], ["this is why", "7", "step 2"]),
    (["RUN echo one", "RUN echo this is why >&2; exit 7"], ["this is why", "7", "step 3"]),
    (["COPY missing.txt /"], ["missing.txt"]),
    (["ADD"], ["ADD"]),
    (["FLY to the moon"], ["FLY"]),
    (["RUN no-such-program"], ["no-such-program", "not found"]),
], ids=["first", "second", "copy", "syntax", "instruction", "program"])
def test_a_failing_step_is_shown_with_its_last_lines(place, image, lines, words):
    kernel = place.kernel()
    place.write("image/Dockerfile", "\n".join([f"FROM {image}", *lines]) + "\n")
    place.environment(kernel, "build: {path: image}\n")
    text = place.submit(kernel, HELLO).failed()
    assert all(word in text for word in words), text
    assert place.state(place.runs()[0]) == "Failed" and place.containers() == []


def test_a_dockerfile_from_an_image_that_is_not_there(place, base):
    kernel = place.kernel()
    place.environment(kernel, f"dockerfile: |\n  FROM {REGISTRY}/fastdotai/nothing:here\n  RUN true\n"
                              f"registry: {{address: \"{REGISTRY}\", username: {USER}, password: \"env:REGISTRY_PASSWORD\"}}\n")
    text = place.submit(kernel, HELLO).failed()
    assert "nothing:here" in text


def test_a_dockerfile_from_a_private_image_that_is_pulled(place, docker, base):
    forget(docker)
    kernel = place.kernel()
    place.environment(kernel, f"dockerfile: |\n  FROM {base}\n  RUN true\n"
                              f"registry: {{address: \"{REGISTRY}\", username: {USER}, password: \"env:REGISTRY_PASSWORD\"}}\n")
    assert "hello from" in place.submit(kernel, HELLO).ok()


def test_a_conda_file_becomes_an_environment_of_the_image(place, docker, image):
    """With a conda that does as little as can be: the environment it is told, with a Python in it."""
    conda = r"""#!/bin/sh
[ "$1 $2 $3 $5" = "env create --prefix --file" ] || exit 64
grep -q '"python=3.11"' "$6" || exit 65
mkdir -p "$4/bin" && ln -s /usr/bin/python3 "$4/bin/python" && echo "made $4"
"""
    place.write("conda/conda", conda)
    (place.work / "conda/conda").chmod(0o755)
    place.write("conda/Dockerfile", f"FROM {image}\nCOPY conda /usr/local/bin/conda\n")
    kernel = place.kernel()
    place.environment(kernel, "build: {path: conda}\n", name="with-conda")
    place.submit(kernel, HELLO, name="with-conda").ok()
    built = image_of(place.runs()[0])["reference"]
    place.environment(kernel, f"image: {built}\nconda_file:\n  dependencies: [python=3.11, numpy]\n")
    script = "import os, shutil\nprint(shutil.which('python'), os.environ['CONDA_PREFIX'])\n"
    text = place.submit(kernel, script).ok()
    assert "made /opt/skiff/conda" in text and "/opt/skiff/conda/bin/python /opt/skiff/conda" in text
    place.environment(kernel, f"image: {image}\nconda_file:\n  dependencies: [python=3.11]\n", name="without")
    assert "no micromamba, mamba or conda" in place.submit(kernel, name="without").failed()


def test_a_folder_is_built_with_its_ignore_file(place, image):
    place.write("image/Dockerfile", f"FROM {image}\nCOPY . /data/\n")
    place.write("image/.dockerignore", "*.log\nsecret\n!keep.log\n")
    place.write("image/a.txt", "a")
    place.write("image/b.log", "b")
    place.write("image/keep.log", "k")
    place.write("image/secret/key", "s")
    kernel = place.kernel()
    place.environment(kernel, "build: {path: image}\n")
    script = "import os\nprint(sorted(os.listdir('/data')))\n"
    assert "['.dockerignore', 'Dockerfile', 'a.txt', 'keep.log']" in place.submit(kernel, script).ok()
    place.write("image/b.log", "changed")  # ignored: nothing to build
    assert not steps(place.submit(kernel).ok())
    place.write("image/a.txt", "changed")
    assert steps(place.submit(kernel).ok())


def test_packages_are_put_on_top(place, image, tmp_path):
    wheel(tmp_path / "index", "skiffly", "1.0", "WORD = 'from the wheel'\n")
    with served(tmp_path / "index") as address:
        kernel = place.kernel(compute="container: {network: host}")
        place.environment(kernel, f"image: {image}\npip: [\"--no-index\", \"--find-links {address}/\", skiffly==1.0]\n")
        script = "import skiffly, sys\nprint(skiffly.WORD, sys.prefix)\n"
        text = place.submit(kernel, script).ok()
        assert "from the wheel /opt/skiff/python" in text
    again = place.submit(kernel).ok()  # the index is gone, and is not needed
    assert "from the wheel" in again and not steps(again)


def test_packages_that_are_not_there_fail_the_run(place, image, tmp_path):
    (tmp_path / "empty").mkdir()
    with served(tmp_path / "empty") as address:
        kernel = place.kernel(compute="container: {network: host}")
        place.environment(kernel, f"image: {image}\npip: [\"--no-index\", \"--find-links {address}/\", nosuchthing]\n")
        text = place.submit(kernel, HELLO).failed()
    assert "nosuchthing" in text and "No matching distribution" in text


def test_what_was_built_is_removed_when_it_is_not_needed(place, docker, image):
    kernel = place.kernel()
    mine = f"skiff.home={place.home}"
    place.environment(kernel, f"dockerfile: |\n  FROM {image}\n  RUN echo {place.home} one > /made\n")
    place.submit(kernel, HELLO).ok()
    place.environment(kernel, f"dockerfile: |\n  FROM {image}\n  RUN echo {place.home} two > /made\n")
    place.submit(kernel, HELLO).ok()
    assert len(docker.images(mine)) == 2
    before = {i["Id"] for i in docker.images()}
    would = kernel.run("%environments --prune --dry-run").ok()
    assert "Would remove 1 image" in would and len(docker.images(mine)) == 2
    assert "Removed 1 image" in kernel.run("%environments --prune").ok()
    assert len(docker.images(mine)) == 1
    assert "fastai2" in kernel.run("%environments --prune").ok()  # kept, and why
    assert "Removed 1 image" in kernel.run("%environments --remove fastai2").ok()
    assert docker.images(mine) == []
    assert len(before - {i["Id"] for i in docker.images()}) == 2  # nothing else went
    place.submit(kernel, HELLO).ok()  # and it is built again
    place.environment(kernel, private(image), name="pulled")
    assert "pulled and not built here" in place_fails(kernel, place)


def place_fails(kernel, place):
    place.submit(kernel, HELLO, name="pulled").ok()
    return kernel.run("%environments --remove pulled").failed()


# --- a package index --------------------------------------------------------------------------------------


def wheel(folder, name, version, text):
    import zipfile
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as out:
        out.writestr(f"{name}.py", text)
        out.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        out.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        out.writestr(f"{info}/RECORD", "")


class served:
    """A folder over HTTP on this machine."""

    def __init__(self, folder):
        import functools
        import http.server
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def __exit__(self, *_):
        self.server.shutdown()
