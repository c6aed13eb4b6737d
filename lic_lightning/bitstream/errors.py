"""Why a file is not decoded, or not made; each kind says what was found."""


class BitstreamError(ValueError):
    """A `.lic` file that can't be decoded, or made."""


class ForeignFileError(BitstreamError):
    """No `.lic` file, or one of a version that this program does not know."""


class DamagedError(BitstreamError):
    """Cut short, extended or altered since it was written."""


class TooLargeError(BitstreamError):
    """More pixels than allowed, or than its bytes could ever stand for."""


class DecoderNotFoundError(BitstreamError):
    """The codec or the decoder that the file asks for is not here."""


class OutOfReachError(BitstreamError):
    """No file of the wanted size or quality under this decoder."""


class LatentsError(BitstreamError):
    """The streams are whole, but decode to other latents than the encoder wrote: another machine's arithmetic."""
