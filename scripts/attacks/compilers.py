"""Compilers, caches and homes that are broken, foreign or planted; ends of LiteRT's converter."""

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from attacks.litert import LITERT
from attacks.shared import PATIENCE, Attack, check, program

_SECONDS = 120
_COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
_ANOTHER_USER = 54_321
_TRAIN = """
import json, os, sys, warnings
{before}
import numpy as np, keras_efficient as ke
x, y = np.random.default_rng(0).random((64, 4, 4, 1), "float32"), np.arange(64) % 4
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    network, stages = [["S", 4, 4, 8, 8]], [ke.Stage("float", 1, 1, batch_size=16)]
    ke.train_network(network, (x, y, x, y), stages, sys.argv[1], verbose=False, engine="compiled")
engines = [json.load(open(f"{{sys.argv[1]}}/{{name}}.json"))["engine"] for name in ("manifest", "result")]
reasons = [str(warning.message) for warning in said if "Keras trains" in str(warning.message)]
print(json.dumps({{"engines": engines, "reasons": reasons}}))
"""


def _trained(folder, before="", run="run", **environment):
    """What a short training with the compiled engine came to."""
    text = f"import sys; sys.argv[1:] = [{run!r}]\n{_TRAIN.format(before=before)}"
    done = program(text, folder, _SECONDS, **{"XDG_CACHE_HOME": str(folder / "cache"), **environment})
    check(done.returncode == 0 and "Traceback" not in done.stderr, f"exit code {done.returncode}: {done.stderr}")
    check(not (folder / "RAN").exists(), "the code of a planted library ran")
    return json.loads(done.stdout.splitlines()[-1])


def _check_engine(found, engine):
    reasons = 0 if engine == "compiled" else 1
    check(found["engines"] == [engine] * 2 and len(found["reasons"]) == reasons, found)


# --- Compilers: Keras trains, and one warning says why ---------------------------------------------------------------

_COMPILERS = {
    "fails": "#!/bin/sh\necho 'out of cheese' >&2\nexit 1\n",
    "is no program": "\0\1\2 no program",
    "is empty": "",
    "has an interpreter that is missing": "#!/no/where\n",
    "has a version that is no UTF-8": "#!/bin/sh\nprintf '\\377\\376'\nexit 1\n",
    "has errors that are no UTF-8": "#!/bin/sh\nprintf '\\377\\376' >&2\nexit 1\n",
    "hangs": "#!/bin/sh\nsleep 600\n",
    "starts what hangs": "#!/bin/sh\nsleep 600 &\nexit 0\n",
    "talks without end": "#!/bin/sh\nyes\n",
    "makes nothing": "#!/bin/sh\nexit 0\n",
    "makes rubbish": '#!/bin/sh\nwhile [ $# -gt 1 ]; do [ "$1" = -o ] && echo rubbish > "$2"; shift; done\nexit 0\n',
    "makes another library": f'#!/bin/sh\nwhile [ $# -gt 1 ]; do [ "$1" = -o ] && to=$2; shift; done\n'
    f'[ -z "$to" ] || echo \'int a;\' | {_COMPILER} -x c -shared -fPIC - -o "$to"\n',
    "is killed": "#!/bin/sh\nkill -9 $$\n",
    "removes what it should make": '#!/bin/sh\nwhile [ $# -gt 1 ]; do [ "$1" = -o ] && rm "$2"; shift; done\nexit 0\n',
}


def _broken_compiler(text):
    def run(folder):
        _put_compiler(folder, text)
        _check_engine(_trained(folder, PATH=f"{folder}/bin{os.pathsep}{os.environ['PATH']}"), "keras")

    return run


def _put_compiler(folder, text):
    (folder / "bin").mkdir()
    (folder / "bin/cc").write_text(text)
    (folder / "bin/cc").chmod(0o755)


def _no_compiler(folder):
    _check_engine(_trained(folder, PATH=str(folder)), "keras")


# --- Caches: what is not whole and the user's own is built again -----------------------------------------------------


@functools.cache
def _built():
    """A library as the package stores it."""
    folder = Path(tempfile.mkdtemp(prefix="attack-library-"))
    _check_engine(_trained(folder), "compiled")
    (path,) = (folder / "cache/keras_efficient").iterdir()
    return path


@functools.cache
def _planted():
    """A library whose constructor leaves a file where it runs."""
    path = Path(tempfile.mkdtemp(prefix="attack-library-")) / "planted.so"
    text = '#include <stdio.h>\n__attribute__((constructor)) static void run(void) { fclose(fopen("RAN", "w")); }\n'
    subprocess.run([_COMPILER, "-x", "c", "-", "-shared", "-fPIC", "-o", path], input=text.encode(), check=True)
    return path


def _cut(share):
    return lambda path: os.truncate(path, int(path.stat().st_size * share))


def _replace_by(make):
    def damage(path):
        path.unlink()
        make(path)

    return damage


def _change(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _plant(path):
    """Under the name of a whole one, and under that of an earlier version of the package."""
    shutil.copy(_planted(), path)
    shutil.copy(_planted(), path.parent / f"{path.name.rsplit('-', 1)[0]}.so")


def _give_away(what):
    """Root gives it to another user; another user can only let all write it."""

    def damage(path):
        target = {"file": path, "folder": path.parent, "cache": path.parent.parent}[what]
        if os.geteuid() == 0:
            shutil.chown(target, _ANOTHER_USER)
        else:
            target.chmod(0o777)

    return damage


_DAMAGES = {
    "cut to 10 %": _cut(0.1),
    "cut to half": _cut(0.5),
    "cut to 90 %": _cut(0.9),
    "empty": _cut(0),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "with a changed byte": _change,
    "planted": _plant,
    "a link to a planted one": _replace_by(lambda path: path.symlink_to(_planted())),
    "a link that leads nowhere": _replace_by(lambda path: path.symlink_to("/no/where")),
    "a pipe": _replace_by(os.mkfifo),
    "a folder": _replace_by(Path.mkdir),
    "of another user": _give_away("file"),
    "in another user's folder": _give_away("folder"),
    "below another user's folder": _give_away("cache"),
    "everybody's to write": lambda path: path.chmod(0o666),
    "in everybody's folder": lambda path: path.parent.chmod(0o777),
}


def _damaged(damage):
    def run(folder):
        cache = folder / "cache/keras_efficient"
        cache.mkdir(mode=0o700, parents=True)
        damage(Path(shutil.copy(_built(), cache)))
        _check_engine(_trained(folder), "compiled")

    return run


def _spoiled(spoil, engine="compiled", before="", **environment):
    """A cache folder that is not as it should be."""

    def run(folder):
        spoil(folder / "cache")
        _check_engine(_trained(folder, before, **environment), engine)

    return run


def _nameless(folder):
    """No HOME, and a user whom the system knows by no name."""
    names = ("HOME", "USER", "LOGNAME", "USERNAME", "XDG_CACHE_HOME")
    before = f"[os.environ.pop(name, None) for name in {names}]\nimport pwd\npwd.getpwuid = dict().__getitem__"
    _check_engine(_trained(folder, before, MPLCONFIGDIR=str(folder)), "compiled")


def _circle(cache):
    cache.mkdir()
    (cache / "keras_efficient").symlink_to("keras_efficient")


_SMALL_FILES = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))"


def _two_at_once(folder):
    text = f"import sys; sys.argv[1:] = [{{!r}}]\n{_TRAIN.format(before='').replace('{', '{{').replace('}', '}}')}"
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", text.format(f"run_{number}")],
            cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in range(2)
    ]  # fmt: skip
    for process in processes:
        said, errors = process.communicate(timeout=_SECONDS * PATIENCE)
        check(process.returncode == 0, errors)
        _check_engine(json.loads(said.splitlines()[-1]), "compiled")
    found = sorted((folder / "cache/keras_efficient").iterdir())
    check(len(found) == 1, found)


def _healthy(folder):
    """A control: what is whole is loaded, and the compiler is asked for its version only."""
    _put_compiler(folder, f'#!/bin/sh\necho "$1" >> {folder}/calls\nexec {_COMPILER} "$@"\n')
    environment = {"PATH": f"{folder}/bin{os.pathsep}{os.environ['PATH']}"}
    for run, calls in (("first", ["--version", "-std=gnu11"]), ("second", ["--version"])):
        (folder / "calls").unlink(missing_ok=True)
        _check_engine(_trained(folder, run=run, **environment), "compiled")
        seen = list(dict.fromkeys((folder / "calls").read_text().split()))
        check(seen == calls, f"{run}: {seen}")


ATTACKS = [
    *(Attack(f"a compiler that {what}", _broken_compiler(text)) for what, text in _COMPILERS.items()),
    Attack("no compiler", _no_compiler),
    *(Attack(f"a library {what}", _damaged(damage), what == "cut to half") for what, damage in _DAMAGES.items()),
    Attack("a cache that is a file", _spoiled(lambda cache: cache.write_text("a file"))),
    Attack("a cache that cannot be written", _spoiled(lambda cache: cache.mkdir(mode=0o500))),
    Attack("a cache that is a link in a circle", _spoiled(_circle)),
    Attack("a cache with no room for the library", _spoiled(Path.mkdir, "keras", _SMALL_FILES)),
    Attack("a temporary folder that is not there", _spoiled(Path.mkdir, TMPDIR="/no/where")),
    Attack("no home, no name", _nameless),
    Attack("two processes that build at once", _two_at_once),
    Attack("control: a healthy cache", _healthy),
    *LITERT,
]
