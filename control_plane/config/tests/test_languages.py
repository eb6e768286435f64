"""English and simplified Chinese."""

import pytest
from django.conf import settings
from django.utils import translation


def _po_entries():
    path = settings.LOCALE_PATHS[0] / "zh_Hans" / "LC_MESSAGES" / "django.po"
    blocks = path.read_text(encoding="utf-8").split("\n\n")[1:]
    for block in blocks:
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        yield lines[0].removeprefix('msgid "')[:-1], lines[1].removeprefix('msgstr "')[:-1]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "title"),
    [
        ("zh-CN", "选择 活动 来修改"),
        ("zh-hans", "选择 活动 来修改"),
        ("en", "Select campaign to change"),
    ],
)
def test_the_admin_speaks_the_browsers_language(admin_client, language, title):
    page = admin_client.get("/admin/campaigns/campaign/", headers={"accept-language": language})
    assert title in page.content.decode()


@pytest.mark.django_db
def test_the_button_switches_the_language(admin_client):
    admin_client.post("/i18n/setlang/", {"language": "zh-hans", "next": "/admin/"})
    page = admin_client.get("/admin/").content.decode()
    assert "Sluice 秒杀平台" in page
    assert 'name="language" type="hidden" value="en"' in page


def test_the_compiled_catalogue_is_as_new_as_its_source():
    entries = list(_po_entries())
    assert len(entries) > 100
    with translation.override("zh-hans"):
        for source, translated in entries:
            assert translated, f"{source!r} is not translated"
            assert translation.gettext(source) == translated, "run msgfmt again"
