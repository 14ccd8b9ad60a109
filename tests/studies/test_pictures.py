"""Pictures of a training run: PNGs on a light and a dark ground, of what the run measured."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import pytest
from training_rows import hacked, row

from overseer.errors import OverseerError
from overseer.studies.pictures import DARK, LIGHT, pictures, plot
from overseer.training.monitor import Row

PNG = b"\x89PNG\r\n\x1a\n"


def test_colours_are_the_pages() -> None:
    """The style's own, whose contrast its tests hold."""
    style = files("overseer.reports.page").joinpath("page.css").read_text(encoding="utf-8")
    light, dark = style.split("@media (prefers-color-scheme: dark)")[:2]
    for palette, said in ((LIGHT, light), (DARK, dark)):
        held = (palette.ground, palette.ink, palette.soft, palette.line, palette.alarm, *palette.series)
        assert [colour for colour in held if f": {colour};" not in said] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "titles"),
    [
        (hacked(), ["Reward and truth over √KL", "Over the updates", "Traits of the answers"]),
        ([{"update": 0.0, "kl": 0.0, "score": 0.1}], ["Reward and truth over √KL", "Over the updates"]),
        ([row(0, score=float("nan")), row(1, score=0.2)], None),
    ],
    ids=["whole", "one round, nothing else", "a round without a score"],
)
def test_what_was_measured_is_drawn(rows: Sequence[Row], titles: list[str] | None) -> None:
    """Both grounds, different pictures, in words too; what was not measured is not there."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    drawn = pictures(rows)
    assert titles is None or [one.title for one in drawn] == titles
    assert all(one.light[:8] == one.dark[:8] == PNG and one.light != one.dark for one in drawn)
    assert ("hedging rose" in drawn[0].about) == (len(rows) > 2)


@pytest.mark.slow
def test_a_picture_is_written(tmp_path: Path) -> None:
    """A PNG file, the same again; one line where it cannot be."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    plot(hacked(), tmp_path / "curve.png")
    first = (tmp_path / "curve.png").read_bytes()
    assert first[:8] == PNG
    plot(hacked(), tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes() == first
    with pytest.raises(OverseerError, match=r"cannot be written: .* \(choose another file\)"):
        plot(hacked(), tmp_path / "nowhere" / "curve.png")
