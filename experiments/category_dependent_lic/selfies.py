"""The ids of Flickr30k's selfies, found by what the captions say.

The category paper tests on 3,931 selfies of Flickr30k and says neither how they were chosen nor which they are. Here an
image counts if one of its five captions speaks of a selfie, of someone who takes a picture of themselves, or of people
who face the camera. A stand-in for that list, and not checked against the images.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lic_lightning.files import write_atomically

PATTERNS = (
    r"\bself(ie|[- ]?portrait)s?\b",
    r"\b(photo(graph)?|picture|shot)s? of (himself|herself|themsel(f|ves))\b",
    r"\b(smil|grin|pos|look|star)\w* (at|for|in|into|to|toward|towards) (the|a) camera\b",
    r"\bclose-? ?up of (a |an |the )?([\w'-]+ ){0,4}face\b",
)
EPILOG = """\
CAPTIONS is results_20130124.token (one `ID.jpg#0<tab>caption` a line) or dataset_flickr30k.json. LIST has an id a
line; test_sets=flickr30k_selfie reads it from flickr30k/selfies.txt below paths.data.

example: python experiments/category_dependent_lic/selfies.py flickr30k/results_20130124.token
"""


class CaptionsError(ValueError):
    """A file that holds no Flickr30k captions, or a pattern that is no regular expression."""


def main(argv: list[str] | None = None) -> int:
    """Writes the list and says how many ids it has; 2 and one line where CAPTIONS is unfit or nothing matches."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("captions", metavar="CAPTIONS", type=Path)
    parser.add_argument("-o", "--output", metavar="LIST", type=Path, help="default: selfies.txt beside CAPTIONS")
    parser.add_argument(
        "--pattern", action="append", metavar="REGEX", help="instead of the built-in ones; may be repeated"
    )
    parser.add_argument(
        "--agree", type=int, default=1, choices=range(1, 6), help="of an image's five captions, how many must match"
    )
    args = parser.parse_args(argv)
    try:
        print(write_list(args.captions, args.output, args.pattern or PATTERNS, args.agree))
    except (OSError, CaptionsError) as error:
        print(f"selfies: {error}", file=sys.stderr)
        return 2
    return 0


def write_list(captions: Path, output: Path | None, patterns: Sequence[str], agree: int) -> str:
    """Writes the ids of the selfies, one a line, and returns how many there are and where.

    Raises:
        CaptionsError: the captions are of another form, or none matches.
    """
    texts = read_captions(captions)
    ids = selfies(texts, patterns, agree)
    if not ids:
        raise CaptionsError(f"no captions of {captions} match: no list was written")
    output = output or captions.with_name("selfies.txt")
    rule = f"{agree} or more captions of {captions.name} match {' or '.join(patterns)}"
    header = f"# {len(ids)} of {len(texts)} images: {rule}"
    write_atomically(output, "\n".join([header, *ids, ""]).encode())
    return f"{len(ids)} of {len(texts)} images: {output}"


def selfies(captions: Mapping[str, Iterable[str]], patterns: Iterable[str] = PATTERNS, agree: int = 1) -> list[str]:
    """Sorted ids of the images of which at least `agree` captions match one of the patterns, in either case.

    Raises:
        CaptionsError: a pattern is no regular expression.
    """
    try:
        rule = re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)
    except re.error as error:
        raise CaptionsError(f"a pattern is no regular expression: {error}") from error
    return sorted(i for i, texts in captions.items() if sum(bool(rule.search(text)) for text in texts) >= agree)


def read_captions(path: Path) -> dict[str, list[str]]:
    """Captions by image id, from the token file or from Karpathy's JSON.

    Raises:
        FileNotFoundError: no such file.
        CaptionsError: neither of the two forms; says which line or key.
    """
    text = path.read_text(encoding="utf-8")
    return _from_json(path, text) if path.suffix == ".json" else _from_tokens(path, text)


def _from_json(path: Path, text: str) -> dict[str, list[str]]:
    try:
        images = json.loads(text)["images"]
        return {Path(i["filename"]).stem: [sentence["raw"] for sentence in i["sentences"]] for i in images}
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise CaptionsError(
            f"{path} is not dataset_flickr30k.json: images, each with filename and sentences, each with raw ({error!r})"
        ) from error


def _from_tokens(path: Path, text: str) -> dict[str, list[str]]:
    captions = defaultdict(list)
    for number, line in enumerate(text.splitlines(), 1):
        name, tab, caption = line.partition("\t")
        file, hash_, _ = name.partition("#")
        if not tab or not hash_:
            raise CaptionsError(f"{path}, line {number}: expected `ID.jpg#0<tab>caption`, found {line[:60]!r}")
        captions[Path(file).stem].append(caption)
    return dict(captions)


if __name__ == "__main__":
    sys.exit(main())
