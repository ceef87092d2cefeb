"""The library of the compiled engine: built once, loaded only where it is whole and the user's own."""

import os
import shutil
import subprocess
import time

import pytest

from keras_efficient import programs
from keras_efficient.training.engine_choice import choose_engine
from keras_efficient.training.engines import reason_against_library
from keras_efficient.training.engines.compiled import LibraryError, library
from keras_efficient.training.engines.compiled.cache import LibraryCache

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="the compiled engine needs a C compiler"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The cache folder of one build, and a copy of what it holds."""
    folder = tmp_path_factory.mktemp("built")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        library._load.cache_clear()
        library.load_library()
    library._load.cache_clear()
    (path,) = (folder / "keras_efficient").iterdir()
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A new cache folder; the library is loaded anew, and again after the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    library._load.cache_clear()
    yield tmp_path / "keras_efficient"
    library._load.cache_clear()


@pytest.fixture
def stored(cache, built):
    """A library as it stands in the cache."""
    cache.mkdir(mode=0o700)
    return shutil.copy(built, cache / built.name)


@pytest.fixture
def compilations(built, monkeypatch):
    """Counts the builds, and makes them short."""
    calls = []

    def compile_library(compiler, target):
        calls.append(target)
        shutil.copy(built, target)

    monkeypatch.setattr(library, "compile_library", compile_library)
    return calls


@pytest.fixture
def opened(monkeypatch):
    """What is loaded."""
    calls, original = [], library._open
    monkeypatch.setattr(library, "_open", lambda path: calls.append(path) or original(path))
    return calls


def test_the_library_is_built_once(cache, built, compilations, opened):
    assert library.load_library().ke_sizes
    (path,) = cache.iterdir()  # one file, nothing temporary beside it
    assert path.name == built.name and cache.stat().st_mode & 0o777 == 0o700
    library._load.cache_clear()
    assert library.load_library().ke_sizes
    assert len(compilations) == 1 and opened[1:] == [path] == list(cache.iterdir())
    shutil.rmtree(cache)
    library._load.cache_clear()
    assert library.load_library().ke_sizes and len(compilations) == 2


def _cut(path):
    os.truncate(path, path.stat().st_size // 2)


def _change_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _link(path):
    elsewhere = path.parent.parent / "elsewhere.so"
    shutil.move(path, elsewhere)
    path.symlink_to(elsewhere)


def _link_the_folder(path):
    elsewhere = path.parent.parent / "elsewhere"
    shutil.move(path.parent, elsewhere)
    path.parent.symlink_to(elsewhere)


def _pipe(path):
    path.unlink()
    os.mkfifo(path)


def _folder(path):
    path.unlink()
    path.mkdir()


def _huge(path):
    with open(path, "ab") as file:
        file.truncate(1 << 40)


_NOT_TO_BE_LOADED = {
    "cut": _cut,
    "empty": lambda path: os.truncate(path, 0),
    "changed": _change_a_byte,
    "no library": lambda path: path.write_text("no library"),
    "a link": _link,
    "in a linked folder": _link_the_folder,
    "a pipe": _pipe,
    "a folder": _folder,
    "huge": _huge,
    "the group's to write": lambda path: path.chmod(0o660),
    "everybody's to write": lambda path: path.chmod(0o666),
    "in a folder of the group": lambda path: path.parent.chmod(0o770),
    "in everybody's folder": lambda path: path.parent.chmod(0o777),
    "below everybody's folder": lambda path: path.parent.parent.chmod(0o777),
}


@pytest.mark.parametrize("damage", _NOT_TO_BE_LOADED)
def test_what_is_not_whole_and_own_is_built_again(stored, compilations, opened, damage):
    _NOT_TO_BE_LOADED[damage](stored)
    assert library.load_library().ke_sizes
    assert len(compilations) == 1 and opened == compilations  # and what stood there was not touched


def _owned_by_another(monkeypatch, name):
    """As if `name` belonged to somebody else."""

    def of(original):
        def status(path, *arguments, **keywords):
            found = original(path, *arguments, **keywords)
            place = os.readlink(f"/proc/self/fd/{path}") if isinstance(path, int) else str(path)
            if os.path.basename(place) != name:
                return found
            return os.stat_result((*found[:4], os.geteuid() + 1, *found[5:10]))

        return status

    for function in ("stat", "lstat", "fstat"):
        monkeypatch.setattr(os, function, of(getattr(os, function)))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="names of open files are read there")
@pytest.mark.parametrize("level", [0, 1, 2])
def test_what_belongs_to_another_user_is_not_loaded(stored, compilations, opened, monkeypatch, level):
    _owned_by_another(monkeypatch, (stored, *stored.parents)[level].name)
    assert library.load_library().ke_sizes
    assert len(compilations) == 1 and opened == compilations


def test_another_library_under_a_right_name_is_built_again(cache, tmp_path, compilations):
    other, content = tmp_path / "other.c", tmp_path / "other.so"
    other.write_text("int something(void) { return 1; }\n")
    subprocess.run([library.find_compiler(), "-shared", "-fPIC", other, "-o", content], check=True)
    LibraryCache(cache).store(library.library_key(library.find_compiler()), content.read_bytes())
    assert library.load_library().ke_sizes and len(compilations) == 1


def test_a_damaged_library_is_replaced(stored, built, compilations):
    _cut(stored)
    library.load_library()
    assert stored.read_bytes() == built.read_bytes() and list(stored.parent.iterdir()) == [stored]


@pytest.mark.parametrize("spoil", [lambda cache: cache.write_text("a file"), lambda cache: cache.mkdir(mode=0o500)])
def test_a_cache_that_cannot_be_written_does_no_harm(cache, compilations, spoil):
    spoil(cache)
    if cache.is_dir() and os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    assert library.load_library().ke_sizes
    assert cache.is_file() or not list(cache.iterdir())


def test_a_full_disk_leaves_no_half_file(cache, compilations, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert library.load_library().ke_sizes and not list(cache.iterdir())


def test_what_was_stored_is_on_the_disk_before_it_has_its_name(cache, monkeypatch):
    steps = []
    for name in ("fsync", "replace"):
        original = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, _n=name, _f=original: steps.append(_n) or _f(*a))
    assert LibraryCache(cache).store("key", b"content").read_bytes() == b"content"
    assert steps == ["fsync", "replace"]


def test_without_a_home_it_is_built_for_this_process(compilations, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # a uid without a name, and no HOME
    library._load.cache_clear()
    assert library.load_library().ke_sizes and len(compilations) == 1
    library._load.cache_clear()


def test_a_cache_that_is_no_absolute_path_is_that_of_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "somewhere")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert library._cache_folder() == tmp_path / ".cache/keras_efficient"


# --- The compiler --------------------------------------------------------------------------------------------------


def _compiler(folder, text):
    path = folder / "cc"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o755)


_BROKEN = {
    "it fails": ("#!/bin/sh\necho 'out of cheese' >&2\nexit 1\n", "cannot compile the step: out of cheese"),
    "it is no program": (b"\x00\x01\x02 no program", "Exec format error"),
    "its version is no text": (b"#!/bin/sh\nprintf '\\377\\376'\nexit 1\n", "cannot compile the step"),
    "it hangs": ("#!/bin/sh\nsleep 60\n", "cc took more than 0.3 s"),
    "what it starts hangs": ("#!/bin/sh\nsleep 60 &\n", "cc took more than 0.3 s"),
    "it talks without end": ("#!/bin/sh\nyes\n", "cc writes without end"),
    "it makes nothing": ("#!/bin/sh\nexit 0\n", "cc made no library"),
    "its interpreter is missing": ("#!/no/where\n", "No such file"),
}


@pytest.mark.parametrize("what", _BROKEN)
def test_a_compiler_that_is_broken_is_one_reason(cache, tmp_path, monkeypatch, what):
    text, reason = _BROKEN[what]
    _compiler(tmp_path, text)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    if "hang" in what:
        monkeypatch.setattr(library, "_VERSION_SECONDS", 0.3)
    with pytest.raises(LibraryError, match=reason):
        library.load_library()
    assert not list(cache.glob("*"))
    with pytest.warns(UserWarning, match=f"^Keras trains, slower than the compiled engine: .*{reason}"):
        assert choose_engine("compiled", tmp_path, reason_against_library) == "keras"


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, TypeError, AttributeError])
def test_what_the_system_is_not_to_blame_for_goes_through(cache, compilations, monkeypatch, error):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(library, "compile_library", fail)
    with pytest.raises(error):
        library.load_library()


def test_a_change_of_source_or_compiler_is_another_library(monkeypatch, tmp_path):
    before = library.library_key(library.find_compiler())
    changed = tmp_path / "sources"
    shutil.copytree(library.SOURCES, changed)
    (changed / "layers.h").write_text((changed / "layers.h").read_text() + "\n")
    monkeypatch.setattr(library, "SOURCES", changed)
    assert library.library_key(library.find_compiler()) != before


def test_an_end_of_this_process_ends_the_program(tmp_path, monkeypatch):
    """As Ctrl-C does while a compiler runs."""
    started = tmp_path / "started"
    _compiler(tmp_path, f"#!/bin/sh\necho $$ > {started}\nsleep 60\n")

    def interrupted(*arguments):
        while not (started.exists() and started.read_text().strip()):
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(programs, "_read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        programs.run_program([str(tmp_path / "cc")], 60)
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)
