"""The file format `.lic`: container, streams, checks (docs/file-format.md). Knows no Lightning, Hydra or training."""

from lic_lightning.bitstream.container import Container, parse
from lic_lightning.bitstream.errors import (
    BitstreamError,
    DamagedError,
    DecoderNotFoundError,
    ForeignFileError,
    LatentsError,
    OutOfReachError,
    TooLargeError,
)
from lic_lightning.bitstream.file_codec import FileCodec
