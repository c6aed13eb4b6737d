"""The report page in a real browser: plots, slider, themes, a phone's width."""

from __future__ import annotations

import pytest
from browser import EXECUTABLE, browser
from test_html import leave_crops, name_cells

from lic_lightning.reports.html import write_page

pytestmark = pytest.mark.skipif(EXECUTABLE is None, reason="no chromium or google-chrome here")


@pytest.fixture
def path(sweep):
    name_cells(sweep)
    leave_crops(sweep / "food-0.0018", "kodak")
    (sweep / "food-0.0018" / "git.txt").write_text("0123456789" * 4 + "\n")
    return write_page(sweep, bootstrap=0)


def test_plots_are_drawn_the_slider_moves_and_nothing_is_complained_of(path, tmp_path):
    with browser(tmp_path / "profile") as chrome:
        chrome.open(path)
        assert chrome.value("document.querySelectorAll('.holder .main-svg').length > 0")
        assert chrome.value("[...document.querySelectorAll('.holder')].every((e) => e.querySelector('.scatterlayer'))")

        colour = "getComputedStyle(document.querySelector('.scatterlayer path.js-line')).stroke"
        light = chrome.value(colour)
        chrome.theme("dark")
        assert chrome.value(colour) != light

        split = "document.querySelector('.stage').style.getPropertyValue('--split')"
        assert chrome.value(split) == "50%"
        chrome.value("document.querySelector('.stage input').focus()")
        chrome.press("ArrowLeft", 3)
        assert chrome.value(split) == "47%"

        chrome.value(
            "(() => { const s = document.querySelector('select'); s.value = 'original';"
            "s.dispatchEvent(new Event('change')) })()"
        )
        assert chrome.value("document.querySelector('img[data-place=left]').dataset.side") == "original"

        chrome.open(path, width=390, height=844)
        assert chrome.value("document.documentElement.scrollWidth") == 390
        assert chrome.complaints == []


def test_an_escaped_name_runs_no_script(path, sweep, tmp_path):
    evil = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
    (sweep / "cell").mkdir()
    (sweep / "cell" / "failed.txt").write_text(evil)
    with browser(tmp_path / "profile") as chrome:
        chrome.open(write_page(sweep, bootstrap=0))
        assert evil in chrome.value("document.body.innerText")
        assert chrome.value("document.title") == "main – lic report"
        assert chrome.complaints == []
