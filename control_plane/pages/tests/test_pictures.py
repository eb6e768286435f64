"""What becomes of an uploaded file."""

import io

import pytest
from django.core.exceptions import ValidationError
from PIL import Image

from control_plane.pages.pictures import PIXELS_MAX, UPLOAD_MAX_BYTES, draw, name_of
from control_plane.pages.tests.conftest import upload

MARK = b"taken-at-home-31.2304-121.4737"


def _draw(file):
    return draw(file, len(file.getvalue()))


def test_every_width_up_to_its_own_is_drawn():
    drawn = _draw(upload(1000, 500))
    assert [(one.width, one.height) for one in drawn] == [(480, 240), (960, 480), (1000, 500)]
    for one in drawn:
        image = Image.open(io.BytesIO(one.body))
        assert (image.format, image.size) == ("WEBP", (one.width, one.height))
        assert one.name == name_of(one.body, "webp")


def test_a_large_one_is_made_smaller_and_a_small_one_is_not_made_larger():
    assert [one.width for one in _draw(upload(4000, 1000))] == [480, 960, 1600]
    assert [one.width for one in _draw(upload(300, 300))] == [300]


def test_nothing_that_came_with_the_file_is_left():
    exif = Image.Exif()
    exif[0x010E] = MARK.decode()
    file = upload(exif=exif.tobytes(), comment=MARK, icc_profile=MARK)
    file.seek(0, io.SEEK_END)
    file.write(MARK)
    file.seek(0)
    assert file.getvalue().count(MARK) >= 4
    for one in _draw(file):
        assert MARK not in one.body
        image = Image.open(io.BytesIO(one.body))
        assert not image.getexif()
        assert not {"icc_profile", "xmp", "comment"} & set(image.info)


def test_it_stands_upright_as_its_camera_meant():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    (small, *_) = _draw(upload(1000, 500, exif=exif.tobytes()))
    assert small.height > small.width


def test_what_can_be_seen_through_stays_so():
    file = io.BytesIO()
    Image.new("RGBA", (300, 200), (0, 0, 0, 0)).save(file, "PNG")
    file.seek(0)
    assert Image.open(io.BytesIO(_draw(file)[0].body)).mode == "RGBA"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_three_formats_are_read(kind):
    assert _draw(upload(300, 300, kind))


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (io.BytesIO(b""), "not_a_picture"),
        (io.BytesIO(b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>"), "not_a_picture"),
        (io.BytesIO(b"%!PS-Adobe-3.0 EPSF-3.0"), "not_a_picture"),
        (io.BytesIO(upload().getvalue()[:2000]), "not_a_picture"),
        (upload(300, 300, "GIF"), "not_a_picture"),
        (upload(300, 300, "BMP"), "not_a_picture"),
        (upload(8001, 200), "wrong_size"),
        (upload(159, 400), "wrong_size"),
    ],
)
def test_everything_else_is_refused(file, code):
    with pytest.raises(ValidationError) as refused:
        _draw(file)
    assert refused.value.code == code


def test_one_that_says_it_is_huge_is_refused_before_it_is_decoded(monkeypatch):
    """60 MB of pixels in a file of some kilobytes."""
    side = int(PIXELS_MAX**0.5) + 1
    file = upload(side, side, "PNG")
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(ValidationError) as refused:
        _draw(file)
    assert refused.value.code == "wrong_size"


def test_a_large_file_is_refused_unread(monkeypatch):
    monkeypatch.setattr(Image, "open", lambda *_: pytest.fail("it was opened"))
    with pytest.raises(ValidationError) as refused:
        draw(upload(), UPLOAD_MAX_BYTES + 1)
    assert refused.value.code == "too_large"
    assert "5120 KB" in refused.value.messages[0]
