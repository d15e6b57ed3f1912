"""Times on the command line: as they are typed, and as tables show them."""

from __future__ import annotations

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from qbe.cli.times import clock, length, seconds

LONG = 100 * 3600.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90.5", 90.5),
        ("1:30.5", 90.5),
        ("0:01:30.5", 90.5),
        ("1:02:03.25", 3723.25),
        ("0", 0.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("0:02", 2.0),
        ("0:2", 2.0),
        ("75:00", 4500.0),
        ("3600", 3600.0),
        (" 1:00\r", 60.0),  # a line of a table may come with what is around it
    ],
)
def test_a_time_in_seconds_minutes_or_hours(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "a", "-1", "+1", "1:-2", "1:60", "0:75", "1:60:00", "1:2:3:4", ":30", "1:", "1.5:30", "1::2", "nan", "inf",
     "1e3", "1,5", "0x10", "1_0", "1:30.5s"],
)  # fmt: skip
def test_what_is_no_time_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(typer.BadParameter) as error:
        seconds(text)
    assert str(error.value).startswith(f"{text}: not a time")
    assert "\n" not in str(error.value)


@given(st.integers(0, int(LONG * 10)))
def test_what_a_table_shows_can_be_typed(tenths: int) -> None:
    assert seconds(clock(tenths / 10)) == pytest.approx(tenths / 10, abs=1e-9)


@given(st.floats(0, LONG))
def test_seconds_can_be_typed_as_they_are(given: float) -> None:
    assert seconds(f"{given:.6f}") == float(f"{given:.6f}")


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_hours_minutes_and_seconds_count_sixty_each(hours: int, minutes: int, whole: int, thousandths: int) -> None:
    wanted = hours * 3600 + minutes * 60 + whole + thousandths / 1000
    assert seconds(f"{hours}:{minutes:02d}:{whole:02d}.{thousandths:03d}") == pytest.approx(wanted, abs=1e-9)
    assert seconds(f"{hours * 60 + minutes}:{whole}.{thousandths:03d}") == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("text", ["0", "0:00", "0:00:00.0"])
def test_a_length_is_over_nothing(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="must be over 0 seconds"):
        length(text)
    assert length("0:00.1") == 0.1
