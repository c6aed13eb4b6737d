"""The documentation builds strictly, fetches nothing, and what it tells to type is what there is."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from lic_lightning.cli import COMMANDS
from lic_lightning.runs.identity import CONF

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
TITLED = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```', re.MULTILINE | re.DOTALL)
OWN = [ROOT / "docs/how-to/your-own-folder.md", *sorted((ROOT / "docs/how-to").glob("add-*.md"))]


def blocks(language: str) -> list[tuple[str, str]]:
    """Code blocks of a language in all pages: (page, content)."""
    return [(page.name, text) for page in PAGES for lang, text in FENCE.findall(page.read_text()) if lang == language]


@pytest.fixture(scope="module")
def own_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with every file that the pages on extension show, under its name."""
    folder = tmp_path_factory.mktemp("my_study")
    for page in OWN:
        for name, text in TITLED.findall(page.read_text()):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    return folder


def commands() -> list[tuple[str, str]]:
    """Lines of all plain code blocks that call `lic`, but for abridged ones and shell variables: (page, line)."""
    return [
        (page, line.partition(" #")[0].strip())
        for language in ("", "bash", "sh")
        for page, text in blocks(language)
        for line in text.replace("\\\n", " ").splitlines()
        if line.startswith("lic ") and not set("…$<") & set(line)
    ]


class Resources(HTMLParser):
    """What a browser fetches by itself to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        fetches = tag in ("script", "img", "iframe", "source", "video", "audio") or (
            tag == "link" and named.get("rel") not in ("canonical", "prev", "next")
        )
        if fetches and (address := named.get("src") or named.get("href")):
            self.found.append(address)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly: a broken link, anchor or docstring fails here."""
    pytest.importorskip("mkdocs", reason="needs the extra `docs`")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_a_page_fetches_nothing_from_another_host(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        resources = Resources()
        resources.feed(page.read_text())
        assert resources.found
        assert not [address for address in resources.found if re.match(r"(https?:)?//", address)], page
    for style in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import\s*)[\"']?(https?:)?//", style.read_text()), style


def test_docstrings_are_in_the_reference(site: Path) -> None:
    text = (site / "reference" / "data.html").read_text()
    assert 'id="lic_lightning.data.ListDataset"' in text
    assert "an entry a line" in text or "one entry a line" in text


def test_snippets_of_the_readme_are_taken_up(site: Path) -> None:
    assert "make quickstart" in (site / "index.html").read_text()
    assert "95 % paired bootstrap" in (site / "concepts" / "rd.html").read_text()


def test_there_are_commands_to_check() -> None:
    assert len(commands()) > 15


def _one(override: Override) -> str:
    """One setting out of a sweep's: the first value of a list, the lower end of an interval."""
    key = override.input_line.partition("=")[0]
    if override.is_interval_sweep():
        return f"{key}={override.value().start}"
    return f"{key}={next(override.sweep_string_iterator())}" if override.is_sweep_override() else override.input_line


@pytest.mark.parametrize(("page", "line"), commands())
def test_a_command_exists_with_the_settings_that_it_names(
    page: str, line: str, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIC_CONF", str(own_folder / "conf"))
    _, name, *arguments = shlex.split(line)
    assert name in COMMANDS
    if not COMMANDS[name].hydra:
        return
    # Hydra's own settings name launchers and sweepers, which are extras
    settings = [argument for argument in arguments if "=" in argument and not argument.startswith("hydra")]
    overrides = OverridesParser.create().parse_overrides(settings)
    single = [_one(override) for override in overrides]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        assert compose(name, overrides=single)


@pytest.mark.parametrize(("page", "text"), blocks("python"))
def test_python_in_the_pages_parses(page: str, text: str) -> None:
    ast.parse(text)


ROOMS = (ROOT / "docs/concepts/rooms.md").read_text()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w/-]+\.(?:py|yaml))`", ROOMS))))
def test_the_page_of_rooms_names_files_that_exist(path: str) -> None:
    assert any((folder / path).is_file() for folder in (ROOT, ROOT / "lic_lightning"))


@pytest.mark.parametrize(("path", "name"), re.findall(r"^\| `([\w/]+\.py)` \| `(\w+)`", ROOMS, re.MULTILINE))
def test_the_page_of_rooms_names_what_stands_in_the_file(path: str, name: str) -> None:
    tree = ast.parse((ROOT / "lic_lightning" / path).read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


@pytest.mark.parametrize("group", ["category", "test_sets"])
def test_every_data_config_is_in_the_page_of_layouts(group: str) -> None:
    text = (ROOT / "docs/how-to/data-layouts.md").read_text()
    names = {path.stem for path in (CONF / group).glob("*.yaml")} - {"none", "reference_set"}
    assert not [name for name in sorted(names) if f"`{name}`" not in text]
