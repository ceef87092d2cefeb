"""The runners, proven on a hand-written network (fixture/network.c) whose costs and faults are known."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest

from keras_efficient.export.verify import arm, avr
from keras_efficient.export.verify import instruction_counter as counter
from keras_efficient.export.verify.arm import run_on_arm
from keras_efficient.export.verify.avr import can_simulate_avr, run_on_avr
from keras_efficient.export.verify.compilers import (
    ARM_INSTALL,
    AVR_INSTALL,
    HOST_INSTALL,
    ToolFailedError,
    ToolMissingError,
)
from keras_efficient.export.verify.host import run_on_host
from keras_efficient.export.verify.interface import Interface

FIXTURE = Path(__file__).parent / "fixture"
WEIGHTS = np.array([3, -1, 4, -1, 5, -9, 2, -6, 5, -3, 5, -8, 9, -7, 9, -3])
IMAGES = np.random.default_rng(7).integers(0, 256, (500, 4, 4))


def _lacks(*programs):
    return any(shutil.which(program) is None for program in programs)


NO_HOST = all(_lacks(name) for name in ("gcc", "clang", "cc"))
NO_AVR = _lacks("avr-gcc", "avr-size") or not can_simulate_avr()
NO_ARM = _lacks("arm-none-eabi-gcc", "qemu-system-arm")
host = pytest.mark.skipif(NO_HOST, reason=f"needs a C compiler: {HOST_INSTALL}")
avr_tools = pytest.mark.skipif(NO_AVR, reason=f"needs avr-gcc and simavr: {AVR_INSTALL}")
arm_tools = pytest.mark.skipif(NO_ARM, reason=f"needs the ARM compiler and qemu: {ARM_INSTALL}")
RUNNERS = [
    pytest.param(run_on_host, marks=host),
    pytest.param(run_on_avr, marks=avr_tools),
    pytest.param(run_on_arm, marks=arm_tools),
]


def _expected_logits():
    pixels = IMAGES.reshape(len(IMAGES), -1)
    return np.stack([pixels @ WEIGHTS, pixels.sum(axis=1), np.full(len(IMAGES), 1500)], axis=1)


@pytest.mark.parametrize("run", RUNNERS)
def test_every_logit_and_class_comes_back(run, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    result = run(FIXTURE, IMAGES)
    expected = _expected_logits()
    assert result.logits.dtype == np.int16 and np.array_equal(result.logits, expected)
    assert np.array_equal(result.classes, expected.argmax(axis=1)) and len(set(result.classes)) == 3
    assert not list(tmp_path.iterdir()), "something was left behind"


@pytest.mark.parametrize("run", RUNNERS)
def test_images_of_a_wrong_kind_are_refused(run):
    with pytest.raises(ValueError, match=r"shape \(n, 16\)"):
        run(FIXTURE, IMAGES[:, :3])
    with pytest.raises(ValueError, match="from 0 to 255"):
        run(FIXTURE, IMAGES / 255)


@pytest.mark.parametrize("run", RUNNERS)
def test_warnings_are_errors_that_show_the_compiler_s_message(run):
    with pytest.raises(ToolFailedError, match=r"(?s)Compiling network.c.*network\.c.*Werror=overflow"):
        run(FIXTURE, IMAGES, flags=("-DFRAME=9", "-DRECURSE=99999"))


@pytest.mark.parametrize("run", RUNNERS)
def test_missing_tools_name_their_packages(run, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match="apt-get install gcc"):
        run(FIXTURE, IMAGES)


@host
def test_host_reports_an_access_outside_of_an_array():
    if not run_on_host(FIXTURE, IMAGES[:1]).sanitized:
        pytest.skip("this compiler has no sanitizers")
    with pytest.raises(ToolFailedError, match="index 16 out of bounds"):
        run_on_host(FIXTURE, IMAGES, flags=("-DOUT_OF_BOUNDS",))


@host
def test_host_ends_an_endless_loop():
    with pytest.raises(ToolFailedError, match="took more than 1 s"):
        run_on_host(FIXTURE, IMAGES, flags=("-DFOREVER",), seconds=1)


@avr_tools
def test_avr_stack_is_exact():
    # The frame, 2 saved registers and a return address. 252: while the frame is made, the half
    # written stack pointer is lower than the frame.
    assert run_on_avr(FIXTURE, IMAGES[:2], flags=("-DFRAME=100",)).stack_bytes == 100 + 4
    assert run_on_avr(FIXTURE, IMAGES[:2], flags=("-DFRAME=252",)).stack_bytes == 252 + 4


@avr_tools
def test_avr_cycles_of_a_known_loop():
    short, long = (run_on_avr(FIXTURE, IMAGES[:3], flags=(f"-DDELAY={loops}",)) for loops in (1, 50001))
    for name in ("image_cycles", "inference_cycles"):
        before, after = getattr(short, name), getattr(long, name)
        assert after.min - before.min == after.max - before.max == 4 * 50000
        assert after.min <= after.mean <= after.max
    assert 16 * 6 < short.image_cycles.min - short.inference_cycles.min < 16 * 60


@avr_tools
def test_avr_bytes():
    few, many = (run_on_avr(FIXTURE, IMAGES[:1], flags=(f"-DVARIABLES={size}",)) for size in (10, 110))
    assert many.static_bytes - few.static_bytes == 100 and many.arena_bytes == 16
    assert few.static_bytes - few.arena_bytes == 3 * 2 + 1 + 10 and few.ram_bytes == few.static_bytes + few.stack_bytes
    assert 200 < few.flash_bytes < 600
    with pytest.raises(ToolFailedError, match=r"needs 3023 bytes of RAM, the ATmega328P has 2048"):
        run_on_avr(FIXTURE, IMAGES[:1], flags=("-DVARIABLES=3000",))


@avr_tools
def test_avr_overflow_and_endless_loop_are_errors():
    with pytest.raises(ToolFailedError, match="Image 0: the stack reaches the variables"):
        run_on_avr(FIXTURE, IMAGES, flags=("-DRECURSE=200",))
    # One byte too many: 1924 + 23 bytes of variables, 98 + 4 of stack.
    assert run_on_avr(FIXTURE, IMAGES[:1], flags=("-DFRAME=97", "-DVARIABLES=1924")).ram_bytes == 2048
    with pytest.raises(ToolFailedError, match="the stack reaches the variables. Stack: 102 bytes, variables: 1947"):
        run_on_avr(FIXTURE, IMAGES, flags=("-DFRAME=98", "-DVARIABLES=1924"))
    with pytest.raises(ToolFailedError, match="more cycles than the limit"):
        run_on_avr(FIXTURE, IMAGES, flags=("-DFOREVER",), cycle_limit=1_000_000)


@avr_tools
def test_avr_without_the_simulator_gives_sizes(monkeypatch):
    measured = run_on_avr(FIXTURE, IMAGES[:1])
    monkeypatch.setattr(avr, "can_simulate_avr", lambda: False)
    sizes = run_on_avr(FIXTURE, IMAGES[:1])
    assert (sizes.flash_bytes, sizes.static_bytes) == (measured.flash_bytes, measured.static_bytes)
    assert sizes.stack_bytes is sizes.ram_bytes is sizes.logits is sizes.image_cycles is None


@arm_tools
def test_arm_stack_and_bytes():
    small, large = (run_on_arm(FIXTURE, IMAGES[:2], flags=(f"-DFRAME={size}",)) for size in (100, 300))
    assert large.stack_bytes - small.stack_bytes == 200 and 100 < small.stack_bytes < 150
    assert small.arena_bytes == 16 and 0 <= small.static_bytes - 16 - 7 < 8
    assert 80 < small.flash_bytes < 400 < small.program_flash_bytes < 2000


@arm_tools
def test_arm_instructions_of_a_known_loop():
    short, long = (run_on_arm(FIXTURE, IMAGES[:3], flags=(f"-DDELAY={loops}",)) for loops in (1, 50001))
    for name in ("image_instructions", "inference_instructions"):
        assert abs(getattr(long, name).mean - getattr(short, name).mean - 2 * 50000) <= 20
    assert 16 * 5 < short.image_instructions.min - short.inference_instructions.min < 16 * 60


@pytest.fixture
def with_plugins(tmp_path):
    if arm.instruction_counter(tmp_path) is None:
        pytest.skip("needs a C compiler and a qemu that takes plugins")


@arm_tools
@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m3", "cortex-m4"])
def test_arm_counts_every_instruction_of_every_core(core, with_plugins):
    one, two = (run_on_arm(FIXTURE, IMAGES[:3], core=core, flags=(f"-DDELAY={loops}",)) for loops in (101, 111))
    assert np.array_equal(two.logits, _expected_logits()[:3])
    for name in ("image_instructions", "inference_instructions"):
        assert getattr(two, name).min - getattr(one, name).min == 2 * 10
        assert getattr(two, name).max - getattr(one, name).max == 2 * 10
    if core == "cortex-m4":  # a subtraction, and a branch taken
        assert two.inference_cycles.min - one.inference_cycles.min == (1 + 3) * 10
        assert two.image_cycles.min - one.image_cycles.min == (1 + 3) * 10
    else:
        assert two.image_cycles is two.inference_cycles is None


@arm_tools
def test_arm_counts_more_than_ticks_can(with_plugins, monkeypatch):
    """Ticks are a number of 24 bits; the counter's numbers are as large as they are."""
    many = run_on_arm(FIXTURE, IMAGES[:2], flags=("-DDELAY=60000", "-DREPEAT=1500"))
    assert many.image_instructions.min > 2 * 60000 * 1500
    monkeypatch.setattr(arm, "instruction_counter", lambda folder: None)
    assert run_on_arm(FIXTURE, IMAGES[:1], flags=("-DDELAY=60000", "-DREPEAT=1500")).image_instructions is None


@arm_tools
def test_arm_without_plugins_counts_ticks(with_plugins, monkeypatch):
    exact = run_on_arm(FIXTURE, IMAGES[:3], flags=("-DDELAY=101",))
    monkeypatch.setattr(arm, "instruction_counter", lambda folder: None)
    run = run_on_arm(FIXTURE, IMAGES[:3], flags=("-DDELAY=101",))
    assert run.image_instructions.min % 10 == 0 and run.image_cycles is run.inference_cycles is None
    assert np.array_equal(run.logits, _expected_logits()[:3])
    for name in ("image_instructions", "inference_instructions"):
        assert abs(getattr(run, name).mean - getattr(exact, name).mean) <= 20


def test_arm_has_three_cores():
    with pytest.raises(ValueError, match="`core` must be one of 'cortex-m0', .* Received: core='cortex-m7'"):
        run_on_arm(FIXTURE, IMAGES, core="cortex-m7")


@arm_tools
def test_counter_is_missing_where_qemu_takes_no_plugins(tmp_path, monkeypatch):
    def refuse(command, **options):
        if "-plugin" in command:
            raise ToolFailedError("-plugin: invalid option")
        return real(command, **options)

    real = counter.run_tool
    monkeypatch.setattr(counter, "run_tool", refuse)
    counter._version_taken.cache_clear()
    assert counter.instruction_counter(tmp_path) is None
    counter._version_taken.cache_clear()


@arm_tools
def test_arm_overflow_and_endless_loop_are_errors():
    with pytest.raises(ToolFailedError, match="the stack leaves the RAM"):
        run_on_arm(FIXTURE, IMAGES, flags=("-DRECURSE=1000",))
    with pytest.raises(ToolFailedError, match="The stack reaches the variables"):
        run_on_arm(FIXTURE, IMAGES, flags=("-DVARIABLES=600", "-DFRAME=380"), ram_bytes=1024)
    with pytest.raises(ToolFailedError, match="overflowed by"):
        run_on_arm(FIXTURE, IMAGES, flags=("-DVARIABLES=1024",), ram_bytes=1024)
    with pytest.raises(ToolFailedError, match="took more than 2 s"):
        run_on_arm(FIXTURE, IMAGES, flags=("-DFOREVER",), seconds=2)


def test_interface_reads_the_header(tmp_path):
    assert Interface.read(FIXTURE) == Interface(inputs=16, logits=3, arena_bytes=16)
    (tmp_path / "network.h").write_text("#define NETWORK_INPUTS 784u /* 28 x 28 */\n#define NETWORK_LOGITS (10)\n")
    with pytest.raises(ValueError, match="#define NETWORK_ARENA_BYTES <number>"):
        Interface.read(tmp_path)
