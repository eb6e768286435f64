"""From an uploaded file to the pictures that are published.

Everything is decoded and drawn anew: what is published holds pixels and nothing that came with the
file, neither where it was taken nor what somebody has hidden behind its end.
"""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from PIL import Image, ImageOps, UnidentifiedImageError

UPLOAD_MAX_BYTES = 5 * 1024 * 1024
# 24 megapixels are 72 MB while they are decoded. Told from the header, before anything is decoded.
PIXELS_MAX = 24_000_000
SIDE_MIN_PX, SIDE_MAX_PX = 160, 8_000
FORMATS = ("JPEG", "PNG", "WEBP")
# Phone, phone with two pixels a point or desktop, large desktop.
WIDTHS_PX = (480, 960, 1600)
QUALITY = 80
NAME_CHARS = 32


@dataclass(frozen=True)
class Drawn:
    """One width of a picture."""

    name: str
    width: int
    height: int
    body: bytes


def name_of(body: bytes, suffix: str) -> str:
    """The name of a published file: the beginning of its SHA-256, 128 bits, and its suffix."""
    return f"{hashlib.sha256(body).hexdigest()[:NAME_CHARS]}.{suffix}"


def draw(upload: IO[bytes], size: int) -> list[Drawn]:
    """The picture in every width that is not above its own; raises ValidationError."""
    if size > UPLOAD_MAX_BYTES:
        raise ValidationError(
            _("The file has %(size)d KB, at most %(most)d KB are allowed."),
            code="too_large",
            params={"size": size // 1024, "most": UPLOAD_MAX_BYTES // 1024},
        )
    pixels = _decode(upload)
    return list(_widths(pixels))


def _decode(upload: IO[bytes]) -> Image.Image:
    try:
        with Image.open(upload, formats=FORMATS) as image:
            _check_size(*image.size)
            upright = ImageOps.exif_transpose(image)
            mode = "RGBA" if image.has_transparency_data else "RGB"
            # Told for WebP nothing but pixels, Pillow writes nothing but pixels: no EXIF, no XMP.
            return upright.convert(mode)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError) as error:
        raise ValidationError(
            _("This is not a JPEG, PNG or WebP picture, or it is damaged."), code="not_a_picture"
        ) from error
    except SyntaxError as error:  # what Pillow raises for some damaged PNG files
        raise ValidationError(
            _("This is not a JPEG, PNG or WebP picture, or it is damaged."), code="not_a_picture"
        ) from error


def _check_size(width: int, height: int) -> None:
    fits = min(width, height) >= SIDE_MIN_PX and max(width, height) <= SIDE_MAX_PX
    if not fits or width * height > PIXELS_MAX:
        raise ValidationError(
            _(
                "The picture is %(width)d × %(height)d pixels. Each side has to be from %(least)d "
                "to %(most)d, and both together at most 24 megapixels."
            ),
            code="wrong_size",
            params={"width": width, "height": height, "least": SIDE_MIN_PX, "most": SIDE_MAX_PX},
        )


def _widths(pixels: Image.Image) -> Iterator[Drawn]:
    own = min(pixels.width, WIDTHS_PX[-1])
    for width in sorted({*(one for one in WIDTHS_PX if one < own), own}):
        height = max(1, round(pixels.height * width / pixels.width))
        written = io.BytesIO()
        scaled = pixels.resize((width, height), Image.Resampling.LANCZOS)
        scaled.save(written, "WEBP", quality=QUALITY, method=4)
        body = written.getvalue()
        yield Drawn(name_of(body, "webp"), width, height, body)
