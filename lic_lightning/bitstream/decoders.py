"""The decoder that a file asks for, found by its fingerprint among the weights on this machine."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from compressai.zoo.image import model_urls

from lic_lightning.bitstream.container import Container
from lic_lightning.bitstream.errors import DecoderNotFoundError
from lic_lightning.bitstream.file_codec import FileCodec, short_fingerprint
from lic_lightning.codecs.registry import names
from lic_lightning.codecs.shipped import shipped_lmbdas, shipped_path
from lic_lightning.codecs.weights import WeightsError, load_codec, zoo_path

SUFFIXES = (".safetensors", ".tar", ".pth", ".ckpt")


class Decoders:
    """Weights in their order of search: those given, the shipped ones, the zoo's that lie on this machine.

    Args:
        weights: files of weights, or folders, searched with all that is below them.
    """

    def __init__(self, weights: Sequence[Path] = ()) -> None:
        self.weights = weights
        self._found: dict[bytes, FileCodec] = {}

    def for_file(self, file: Container) -> FileCodec:
        """The codec whose decoder a file was written for.

        Raises:
            DecoderNotFoundError: an unknown codec, or none of the weights have that decoder.
            FileNotFoundError: weights that were given are not there.
        """
        if file.codec not in names():
            raise DecoderNotFoundError(f"written for the codec {file.codec}, which is not among {', '.join(names())}")
        looked_at = 0
        if file.fingerprint in self._found:
            return self._found[file.fingerprint]
        for path in self._candidates(file.codec):
            looked_at += 1
            try:
                codec = load_codec(file.codec, weights=str(path), lmbda=1.0)  # with a path, λ picks nothing
            except WeightsError:
                continue  # of another codec
            if short_fingerprint(file.codec, codec) == file.fingerprint:
                self._found[file.fingerprint] = FileCodec(file.codec, codec)
                return self._found[file.fingerprint]
        raise DecoderNotFoundError(
            f"written for {file.codec} with decoder {file.fingerprint.hex()}, which none of {looked_at} weights has "
            "(given, shipped and the zoo's); add --weights PATH with the reference that the encoder was tuned from"
        )

    def _candidates(self, name: str) -> Iterator[Path]:
        for path in self.weights:
            if path.is_dir():
                yield from sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES)
            elif path.is_file():
                yield path
            else:
                raise FileNotFoundError(f"no weights at {path}")
        yield from (shipped_path(name, lmbda) for lmbda in shipped_lmbdas(name))
        for metric, urls in model_urls.get(name, {}).items():
            yield from filter(Path.is_file, (zoo_path(name, metric, quality) for quality in urls))
