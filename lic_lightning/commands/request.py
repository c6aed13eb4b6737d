"""What a command is asked: the parser of its arguments, and the error of what it can't do."""

import argparse


class RequestError(ValueError):
    """A request that can't be met; the message says which and why."""


def command_parser(name: str, description: str | None, examples: str | None = None) -> argparse.ArgumentParser:
    """Of `lic NAME`, to which the command adds its arguments; texts are printed as they are written."""
    return argparse.ArgumentParser(
        prog=f"lic {name}",
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
