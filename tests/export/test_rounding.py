"""plan_rounding and its C against fractions: no plan, no shift, no width there."""

import itertools
import random
import shutil
import subprocess
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_efficient.export.c.kernels import used_kernels
from keras_efficient.export.c.rounding import rounding_lines
from keras_efficient.export.integer.codes import Codes
from keras_efficient.export.integer.rounding import plan_rounding
from keras_efficient.export.integer.rounding_steps import Term, take_step

LARGEST_BOUND = 2**46
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-pedantic", "-Wconversion", "-Werror")


def expected_integer(integers, terms, output, relu, rounding):
    """The definition, in fractions."""
    y = sum(k * Fraction(2) ** term.exponent for k, term in zip(integers, terms, strict=True))
    y = max(y, Fraction(0)) if relu else y
    if output.midrise:
        r = 2 * floor(y / Fraction(2) ** (output.exponent + 1)) + 1
    else:
        scaled = y / Fraction(2) ** output.exponent
        r = round(scaled) if rounding == "nearest" else floor(scaled)
    return min(max(r, output.low), output.high)


def some_vectors(rng, terms, output, count):
    """Integers at the bounds, around zero, anywhere, and such that the sum comes near a threshold."""
    vectors = []
    for _ in range(count):
        vector = [rng.choice((0, 1, -1, t.bound, -t.bound, t.bound - 1, rng.randint(-t.bound, t.bound))) for t in terms]
        aimed = rng.randrange(len(terms))
        if rng.random() < 0.7:
            near = rng.choice((0, output.low, output.high, rng.randint(output.low - 2, output.high + 2)))
            goal = (near + rng.choice((0, Fraction(1, 2)))) * Fraction(2) ** output.exponent
            others = sum(k * Fraction(2) ** t.exponent for k, t in zip(vector, terms, strict=True))
            others -= vector[aimed] * Fraction(2) ** terms[aimed].exponent
            vector[aimed] = floor((goal - others) / Fraction(2) ** terms[aimed].exponent) + rng.choice((-1, 0, 1))
        vectors.append([min(max(k, -t.bound), t.bound) for k, t in zip(vector, terms, strict=True)])
    return vectors


def check_plan(request, vectors):
    terms, output, relu, rounding = request
    plan = plan_rounding(*request)
    columns = np.array(vectors, dtype=np.int64).T
    want = [expected_integer(v, terms, output, relu, rounding) for v in vectors]
    assert plan.apply(*columns).tolist() == want
    assert set(want) <= set(range(output.low, output.high + 1, output.step))
    check_width(plan, columns)


def check_width(plan, columns):
    """Every number on the way has a place in `plan.bits` bits (Python's integers do not wrap)."""
    largest = 2 ** (plan.bits - 1) - 1
    used = {number for step in plan.steps for number in (step.register, step.amount if step.action == "add" else -1)}
    registers = [column.astype(object) for column in columns]
    for i in used - {-1} | {plan.register}:
        assert np.abs(registers[i]).max() <= largest
    for step in plan.steps:
        registers[step.register] = take_step(step, registers)
        assert np.abs(registers[step.register]).max() <= largest
    finish = plan.finish
    positive = np.clip(registers[plan.register], finish.lowest, finish.highest) + finish.offset
    assert finish.shift < plan.bits and (finish.shift == 0 or positive.min() >= 0)
    assert positive.max() + finish.added + 1 <= finish.peak + (finish.shift == 0 or not finish.nearest)
    assert finish.peak < 2**plan.bits and (plan.bits < 64 or finish.peak <= largest)


bounds = st.one_of(
    st.integers(0, 20),
    st.integers(0, 2**15),
    st.integers(0, LARGEST_BOUND),
    st.builds(
        lambda places, more: max(0, min(2**places + more, LARGEST_BOUND)), st.integers(0, 46), st.integers(-1, 1)
    ),
)


@st.composite
def requests(draw, spread, most_terms=3):
    exponents = st.one_of(st.integers(-spread, spread), st.integers(-3, 3))
    bits, signed = draw(st.integers(1, 16)), draw(st.booleans())
    output = Codes(bits, signed, draw(exponents))
    terms = draw(st.lists(st.builds(Term, bounds, exponents), min_size=1, max_size=most_terms))
    rounding = "nearest" if output.midrise else draw(st.sampled_from(("nearest", "nearest", "floor")))
    return terms, output, draw(st.booleans()), rounding


@pytest.mark.parametrize(("spread", "most_terms"), [(5, 3), (20, 3), (60, 3), (400, 3), (60, 8)])
@settings(max_examples=150)
@given(data=st.data())
def test_the_answer_is_exact(spread, most_terms, data):
    request = data.draw(requests(spread, most_terms))
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    check_plan(request, some_vectors(rng, request[0], request[1], 40))


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("relu", [False, True])
def test_every_sum_of_small_terms(bits, signed, relu):
    """All sums, at all exponents about the output's unit, ties included."""
    for exponents in itertools.product((-3, -1, 0, 2), (-9, -2, 1)):
        terms = [Term(9, exponents[0]), Term(6, exponents[1])]
        vectors = list(itertools.product(range(-9, 10), range(-6, 7)))
        for rounding in ("nearest",) if signed and bits <= 2 else ("nearest", "floor"):
            check_plan((terms, Codes(bits, signed, 0), relu, rounding), vectors)


@pytest.mark.parametrize("exponents", [(-300, 0, 300), (-20, -10, 0), (100, 120, 140), (-140, -120, -100)])
def test_what_is_far_decides_ties_and_signs(exponents):
    """Small coarse integers that cancel or tie, and fine ones that break the tie."""
    terms = [Term(2**46, exponents[0]), Term(2**46, exponents[1]), Term(2**46, exponents[2])]
    near = (-(2**46), -(2**45) - 1, -1024, -3, -2, -1, 0, 1, 2, 3, 512, 1536, 2**45, 2**46)
    for output in (Codes(8, True, 1), Codes(4, False, 1), Codes(1, True, 0), Codes(16, True, exponents[0])):
        check_plan((terms, output, False, "nearest"), list(itertools.product(near, repeat=3)))


@pytest.mark.parametrize("bound", [100, 767, 4600, 5000, 32767])
@pytest.mark.parametrize("shift", [8, 9, 11, 14])
def test_signed_output_beyond_the_sum(bound, shift):
    """No place for the output's whole range: integers count from the lowest sum, and ties stay even."""
    output = Codes(8, True, shift)
    ties = range(-(2**15), 2**15, 2 ** (shift - 1))
    vectors = [[k] for tie in ties for k in (tie - 1, tie, tie + 1) if abs(k) <= bound]
    check_plan(([Term(bound, 0)], output, False, "nearest"), vectors)
    check_plan(([Term(bound, 0)], output, False, "floor"), vectors)
    assert plan_rounding([Term(bound, 0)], output).bits == 16


# (product's bound and exponent, bias' exponent, output)
ORDINARY = [
    ((5116, -7), -8, Codes(4, False, -4)),
    ((5116, -11), -12, Codes(4, False, -4)),
    ((5116, -7), -5, Codes(4, True, -3)),
    ((9180, -12), -12, Codes(8, True, -7)),
    ((16000, -12), -13, Codes(2, True, -2)),
    ((30000, -9), -9, Codes(8, False, -8)),
]


@pytest.mark.parametrize(("product", "bias", "output"), ORDINARY)
def test_ordinary_layers_take_sixteen_bits(product, bias, output):
    plan = plan_rounding([Term(*product), Term(127, bias)], output, relu=not output.signed)
    assert plan.bits == 16
    assert {step.action for step in plan.steps} <= {"lower", "add"}


def test_the_width_is_that_of_the_sum():
    bits = [plan_rounding([Term(bound, 0)], Codes(8, False, 4)).bits for bound in (32759, 32768, 2**31, 2**46)]
    assert bits == [16, 32, 64, 64]
    assert plan_rounding([Term(20000, 0), Term(15000, 0)], Codes(16, True, 0)).bits == 32
    assert plan_rounding([Term(32767, 0)], Codes(16, True, 0)).bits == 16


def test_plain_c():
    plan = plan_rounding([Term(5116, -11), Term(127, -12)], Codes(4, False, -4), relu=True)
    assert rounding_lines(plan, ["sum", "bias[c]"], "code") == [
        "{",
        "    int16_t t = (int16_t)(bias[c] + sum * 2);",
        "    if (t < 0) t = 0;",
        "    if (t > 3840) t = 3840;",
        "    code = (uint8_t)((t + 127 + ((t >> 8) & 1)) >> 8);",
        "}",
    ]
    logits = plan_rounding([Term(5116, -11), Term(127, -12)], Codes(16, True, -12))
    assert rounding_lines(logits, ["sum", "bias[c]"], "logit", as_index=False)[2:-1] == ["    logit = (int16_t)t;"]


@pytest.mark.parametrize(
    ("bound", "output", "unsigned"),
    [
        (32759, Codes(12, False, 4), False),  # 32759 + half a unit is 32767
        (32760, Codes(12, False, 4), True),
        (10000, Codes(15, True, 1), False),
        (10000, Codes(16, True, 1), True),  # the index goes up to 65535
    ],
)
def test_sums_that_int16_cannot_hold(bound, output, unsigned):
    """On a machine with an `int` of 16 bits they would overflow; elsewhere nothing shows it."""
    plan = plan_rounding([Term(bound, 0)], output)
    assert plan.bits == 16
    assert any(line.strip().startswith("uint16_t") for line in rounding_lines(plan, ["sum"], "code")) == unsigned


@pytest.mark.parametrize(
    ("terms", "output", "rounding", "message"),
    [
        ([], Codes(4, False, 0), "nearest", "terms"),
        ([Term(-1, 0)], Codes(4, False, 0), "nearest", "terms"),
        ([Term(2**64, 0)], Codes(4, False, 0), "nearest", "terms"),
        ([Term(1, 0)], Codes(17, False, 0), "nearest", "output"),
        ([Term(1, 0)], Codes(4, False, 0), "up", "rounding"),
        ([Term(1, 0)], Codes(2, True, 0), "floor", "rounding"),
    ],
)
def test_what_is_refused(terms, output, rounding, message):
    with pytest.raises(ValueError, match=f"`{message}`"):
        plan_rounding(terms, output, rounding=rounding)


def test_one_array_for_each_term():
    with pytest.raises(ValueError, match="one per term"):
        plan_rounding([Term(1, 0), Term(1, 0)], Codes(4, False, 0)).apply(np.zeros(3))


# C ------------------------------------------------------------------------------------------------


def crowded_request(rng):
    """Signed codes that make the sum positive only in all 16 or 32 bits."""
    width, bits = rng.choice((15, 15, 31)), rng.randint(3, 9)
    output = Codes(bits, True, width - bits + rng.randint(0, 3))
    return [Term(rng.randint(2 ** (width - 1), 2**width - 1), 0)], output, False, rng.choice(("nearest", "floor"))


def some_request(rng):
    if rng.random() < 0.2:
        return crowded_request(rng)
    spread = rng.choice((3, 3, 8, 40, 400))
    bits, signed = rng.randint(1, 16), rng.random() < 0.6
    output = Codes(bits, signed, rng.randint(-spread, spread))
    terms = [
        Term(
            rng.choice((0, 1, 127, 5116, 32767, 2**31, rng.randint(0, 2 ** rng.randint(1, 46)))),
            rng.randint(-spread, spread),
        )
        for _ in range(rng.randint(1, 3))
    ]
    rounding = "nearest" if output.midrise else rng.choice(("nearest", "nearest", "floor"))
    return terms, output, rng.random() < 0.5, rounding


def c_function(number, request, as_index, by_words=False):
    """Takes the terms in types of their own, under names that the plan's variables must avoid."""
    plan = plan_rounding(*request)
    names = ("t", "t1", "some.t2")[: len(plan.terms)]
    kinds = [next(f"int{bits}_t" for bits in (8, 16, 32, 64) if t.bound < 2 ** (bits - 1)) for t in plan.terms]
    used = [f"const {kinds[i]} {name} = ({kinds[i]})k[{i}]; (void){name};" for i, name in enumerate(names[:2])]
    fields = f"const struct {{ {kinds[2]} t2; }} some = {{ ({kinds[2]})k[2] }}; (void)some;" if len(names) == 3 else ""
    lines = rounding_lines(plan, names, "result", as_index, by_words)
    head = f"static int32_t plan_{number}(const int64_t *k) {{ int32_t result = -99999;"
    return "\n".join((head, *used, fields, *lines, "return result; }"))


def c_program(requests_and_indices, vectors_each, seed, by_words=False):
    """`first_wrong` gives the place of the first wrong answer, or -1."""
    rng, functions, cases = random.Random(seed), [], []
    for number, (request, as_index) in enumerate(requests_and_indices):
        terms, output, *_ = request
        functions.append(c_function(number, request, as_index, by_words))
        for vector in some_vectors(rng, terms, output, vectors_each):
            answer = expected_integer(vector, *request)
            answer = int(output.indices(answer)) if as_index else answer
            cases.append(f"{{{{{', '.join(map(str, vector))}}}, {answer}}}")
    names = ", ".join(f"plan_{number}" for number in range(len(functions)))
    kernels = used_kernels("\n".join(functions))
    return "\n".join((
        "#include <stdint.h>\n#define NETWORK_INLINE static inline __attribute__((always_inline))",
        *("\n".join(lines) for lines in kernels),
        *functions,
        f"static int32_t (*const plans[])(const int64_t *) = {{ {names} }};",
        f"static const struct {{ int64_t k[3]; int32_t answer; }} cases[] = {{ {', '.join(cases)} }};",
        "int first_wrong(void); int first_wrong(void) {",
        f"for (int i = 0; i < {len(cases)}; i++)",
        f"if (plans[i / {vectors_each}](cases[i].k) != cases[i].answer) return i;",
        "return -1; }",
    ))  # fmt: skip


def mixed_requests(count, seed, widths=(16, 32, 64)):
    rng = random.Random(seed)
    requests_made = (some_request(rng) for _ in itertools.count())
    fitting = (request for request in requests_made if plan_rounding(*request).bits in widths)
    return [(request, rng.random() < 0.6) for request in itertools.islice(fitting, count)]


def compiled(compiler, flags, source, tmp_path):
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    (tmp_path / "test.c").write_text(source)
    command = [compiler, *WARNINGS, *flags, "test.c", "-o", "test"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:3000]
    return tmp_path / "test"


PC_MAIN = '\n#include <stdio.h>\nint main(void) { printf("%d\\n", first_wrong()); return 0; }\n'


@pytest.mark.parametrize("by_words", [False, True])
@pytest.mark.parametrize("flags", [("-O1", "-fsanitize=undefined,address", "-fno-sanitize-recover=all"), ("-O2",)])
def test_c_on_this_machine(flags, by_words, tmp_path):
    source = c_program(mixed_requests(200, 1), 40, 2, by_words)
    assert source.count("network_round_index(") > 20 or not by_words
    program = compiled("gcc", flags, source + PC_MAIN, tmp_path)
    done = subprocess.run([program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("-1\n", "")


@pytest.mark.parametrize(
    ("compiler", "flags"), [("avr-gcc", ("-mmcu=atmega328p", "-Os")), ("arm-none-eabi-gcc", ("-mcpu=cortex-m0", "-O2"))]
)
def test_c_compiles_without_warnings(compiler, flags, tmp_path):
    compiled(compiler, (*flags, "-c"), c_program(mixed_requests(60, 3), 1, 4), tmp_path)


AVR_MAIN = """
#include <avr/io.h>
#include <avr/sleep.h>
#include <avr/interrupt.h>
static void put(char c) { while (!(UCSR0A & (1 << UDRE0))) {} UDR0 = (uint8_t)c; }
int main(void) {
  const int wrong = first_wrong();
  UCSR0B = 1 << TXEN0;
  put(wrong < 0 ? 'g' : 'b');
  for (int i = 12; i >= 0; i -= 4) put("0123456789abcdef"[((unsigned)wrong >> i) & 15]);
  put('\\n'); cli(); sleep_mode(); return 0; }
"""


def test_c_where_int_has_16_bits(tmp_path):
    if shutil.which("simavr") is None:
        pytest.skip("no simavr")
    source = c_program(mixed_requests(60, 5, widths=(16, 32)), 6, 6) + AVR_MAIN
    program = compiled("avr-gcc", ("-mmcu=atmega1284p", "-Os"), source, tmp_path)
    command = ["simavr", "-m", "atmega1284p", "-f", "16000000", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "gffff" in done.stdout + done.stderr, done.stdout + done.stderr
