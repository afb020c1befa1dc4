"""Pictures, drawn anew: what is shown never contains the file's own bytes."""

from __future__ import annotations

import io
import warnings

from PIL import (
    GifImagePlugin,
    Image,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from integrations.documents.types import Document, PageImage, UnreadableFile

PAGE_WIDTH = 1240  # pixels; A4 at 150 dpi
MAX_PAGE_HEIGHT = 2600
MAX_PIXELS = 30_000_000
JPEG_QUALITY = 78
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")

# Loaded now, since later no file can be opened.
_PLUGINS = (GifImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin)
Image.preinit()


def read_image(content: bytes) -> Document:
    try:
        image = _open_image(content)
    except (
        OSError, ValueError, SyntaxError, ArithmeticError, MemoryError, Image.DecompressionBombError
    ) as error:  # fmt: skip
        raise UnreadableFile("picture not readable") from error
    return Document(images=(encode_image(image),), page_count=1)


def _open_image(content: bytes) -> Image.Image:
    image: Image.Image = Image.open(io.BytesIO(content), formats=_FORMATS)
    if image.width * image.height > MAX_PIXELS:
        raise UnreadableFile("too many pixels")
    image.draft("RGB", (2 * PAGE_WIDTH, 2 * MAX_PAGE_HEIGHT))
    image.load()
    upright = ImageOps.exif_transpose(image)
    upright.thumbnail((PAGE_WIDTH, MAX_PAGE_HEIGHT))
    return _flatten(upright)


def _flatten(image: Image.Image) -> Image.Image:
    """On white, where it is transparent."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    background = Image.new("RGB", layer.size, "white")
    background.paste(layer, mask=layer.getchannel("A"))
    return background


def encode_image(image: Image.Image) -> PageImage:
    output = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image.save(output, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return PageImage(image.width, image.height, output.getvalue())
