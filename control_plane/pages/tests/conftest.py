"""A directory to publish into, and pictures to upload."""

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from control_plane.campaigns.models import Campaign
from control_plane.pages import services
from control_plane.pages.services import TEXTS, Writing
from control_plane.pages.storage import PublishedDirectory


@pytest.fixture(autouse=True)
def published(settings: Any, tmp_path: Path) -> Path:
    """Where this test publishes; nothing is there yet, not even the directory."""
    path = tmp_path / "published"
    settings.ENV = dataclasses.replace(settings.ENV, publish_dir=path)
    return path


@pytest.fixture
def index(published: Path) -> Callable[[], dict[str, Any]]:
    """What is published now."""
    return lambda: PublishedDirectory(published).index()


def upload(width: int = 1000, height: int = 500, kind: str = "JPEG", **options: Any) -> io.BytesIO:
    """A picture file as somebody might upload it."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 60)).save(file, kind, **options)
    file.name = f"picture.{kind.lower()}"
    file.seek(0)
    return file


def write(campaign: Campaign, picture: Any = None, remove: bool = False, **texts: str) -> None:
    """Words for the head of a campaign's page, and none for its items."""
    every = dict.fromkeys(TEXTS, "")
    services.write_page(campaign, Writing(every | texts, picture, remove), {})


def write_addresses(campaign: Campaign, **addresses: str) -> None:
    """Where the campaign's shop is, and no words."""
    every = dict.fromkeys(TEXTS, "")
    services.write_page(campaign, Writing(every, addresses=addresses), {})
