"""What goes out: addresses exchanged, mark-up made safe, pictures once per app."""

from __future__ import annotations

import pytest

from content import links, markup, pictures, rendering
from content.models import PictureCopy
from wechat.media import MediaMissing
from wechat.models import App


def test_addresses_end_where_the_sentence_goes_on():
    text = "看https://a.example/x?q=1&b=2。或（http://b.example/c_(d)）, https://a.example/x?q=1&b=2!"
    assert links.urls_in(text) == [
        "https://a.example/x?q=1&b=2",
        "http://b.example/c_(d)",
    ]
    by = {"https://a.example/x?q=1&b=2": "https://t/1", "https://a.example": "wrong"}
    assert links.replaced(text, by) == (
        "看https://t/1。或（http://b.example/c_(d)）, https://t/1!"
    )


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        '[x](https://a.example/"onmouseover="alert(1))',
        "**<img src=x onerror=alert(1)>**",
        "# </h2><svg onload=alert(1)>",
        "- <b>\n> <iframe>",
    ],
)
def test_nothing_a_person_types_becomes_markup_of_its_own(attack):
    html = markup.to_html(attack)
    for sign in ("<script", "<img", "<svg", "<iframe", "<b>", 'href="java', '"onmouse'):
        assert sign not in html


def test_an_article_has_headings_lists_quotes_links_and_line_breaks():
    html = markup.to_html(
        "# 标题\n\n一行\n二行 **粗**\n- a\n- b\n> 引\n---\n[店](https://s.example/?a=1&b=2)"
    )
    for part in (
        *(
            ">标题</h2>",
            "一行<br>二行 <strong>粗</strong></p>",
            "<li>a</li><li>b</li></ul>",
        ),
        *(
            ">引</blockquote>",
            "<hr ",
            '<a href="https://s.example/?a=1&amp;b=2">店</a>',
        ),
    ):
        assert part in html


def test_a_text_goes_out_with_its_tracked_addresses(newsroom):
    version = newsroom.approved()
    app = App.objects.get(slug="linjian")
    url = rendering.links_of(version)[0]
    payload = rendering.payload_for(
        version, app=app, actor=newsroom.writer, tracked={url: "https://t.example/9"}
    )
    assert rendering.message_kind(version) == "text"
    assert payload == {"text": "会员日到店即享 8 折，详情 https://t.example/9。"}


def test_a_picture_is_given_to_each_app_once_and_again_when_it_was_purged(newsroom):
    item = newsroom.item(kind="picture", content={"picture_id": newsroom.picture().pk})
    version = newsroom.approved(item)
    app = App.objects.get(slug="linjian")

    def media():
        payload = rendering.payload_for(version, app=app, actor=newsroom.writer)
        return payload["media"]

    first = media()
    assert media() == first
    copy = PictureCopy.objects.get()
    copy.media.state = "purged"
    copy.media.save(update_fields=["state"])
    assert media() != first
    pictures.path_of(version.picture).unlink()
    PictureCopy.objects.all().delete()
    with pytest.raises(MediaMissing):
        media()


def test_an_article_goes_out_as_html_with_its_cover(newsroom):
    said = {
        "headline": "冬天",
        "byline": "林间",
        "summary": "三步",
        "body": "看[这里](https://s.example/a)",
        "source_url": "https://s.example/b",
        "picture_id": newsroom.picture().pk,
    }
    version = newsroom.approved(newsroom.item(kind="article", content=said))
    assert rendering.links_of(version) == ["https://s.example/a", "https://s.example/b"]
    payload = rendering.payload_for(
        version,
        app=App.objects.get(slug="linjian"),
        actor=newsroom.writer,
        tracked={
            "https://s.example/a": "https://t/1",
            "https://s.example/b": "https://t/2",
        },
    )
    article = payload["article"]
    assert '<a href="https://t/1">这里</a>' in article["content_html"]
    assert article["content_source_url"] == "https://t/2"
    assert (article["title"], article["author"], article["digest"]) == (
        *("冬天", "林间", "三步"),
    )
    assert article["cover_media"]
