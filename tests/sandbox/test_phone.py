"""The virtual phone in a browser: every deed by hand, and what arrives by itself."""

import re
from html import escape
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.sandbox.console import opened
from tests.sandbox.test_masses import draft
from tests.sandbox.test_messages import png
from tests.sandbox.world import World

pytestmark = pytest.mark.browser
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 375, "height": 740}


@pytest.fixture
def phone(page: Page, world: World) -> Page:
    """The page at 1280 px; a script error fails the test."""
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.set_viewport_size(WIDE)
    page.goto(world.url)
    expect(page.locator("#clock")).to_contain_text(":")
    yield page
    assert problems == []


def open_chat(page: Page, world: World, person: dict[str, Any], address: str) -> None:
    page.goto(f"{world.url}/?person={person['id']}&account={address}")
    expect(page.locator("#chat-name")).not_to_have_text("选择一个人")


def events(world: World, slug: str = "lin-service") -> list[str]:
    return [one["kind"] for one in world.get("pushes", account=slug)]


def test_a_person_is_created_found_and_follows(phone: Page, world: World) -> None:
    world.person("别人")
    phone.click("#create")
    phone.fill("dialog input[name=name]", "白小鹿")
    phone.click("dialog button[type=submit]")
    expect(phone.locator("#people button[aria-current=true]")).to_contain_text("白小鹿")
    phone.fill("#search", "别")
    expect(phone.locator("#people li")).to_have_count(1)
    phone.fill("#search", "查无此人")
    expect(phone.locator("#people-empty")).to_be_visible()
    phone.fill("#search", "")
    phone.click("text=关注公众号")
    expect(phone.locator("#compose")).to_be_visible()
    expect(phone.locator("#pushes .badge").first).to_contain_text("已收")
    assert events(world) == ["event.subscribe"]


def test_text_emoji_and_an_answer_without_reload(phone: Page, world: World) -> None:
    person, openid = world.follower()
    open_chat(phone, world, person, "lin-service")
    phone.fill("#text", "周末营业吗")
    phone.click("#emoji")
    phone.click(".emojis button >> nth=0")
    phone.press("#text", "Enter")
    mine = phone.locator(".line.person .bubble")
    expect(mine).to_have_text("周末营业吗😀")
    expect(phone.locator("#text")).to_have_value("")
    world.write_to(openid, "营业的，见 https://example.com/x 。")
    theirs = phone.locator(".line.account .bubble")
    expect(theirs).to_contain_text("营业的", timeout=1500)
    expect(theirs.locator("a")).to_have_attribute("title", "https://example.com/x")
    expect(phone.locator("#calls")).to_contain_text("message/custom/send")
    expect(phone.locator("#allowance")).to_contain_text("5 条")
    assert re.fullmatch(r"\d\d:\d\d:\d\d", phone.locator(".when").first.inner_text())


def test_markup_in_a_message_stays_text(phone: Page, world: World) -> None:
    person, openid = world.follower()
    open_chat(phone, world, person, "lin-service")
    text = "<img src=x onerror=alert(1)>"
    world.write_to(openid, text)
    expect(phone.locator(".line.account .bubble")).to_have_text(text)
    expect(phone.locator(".chat img")).to_have_count(0)


def test_pictures_go_both_ways(phone: Page, world: World) -> None:
    person, openid = world.follower()
    open_chat(phone, world, person, "lin-service")
    phone.click("#picture")
    phone.click(".pictures button >> nth=2")
    expect(phone.locator(".line.person img")).to_have_count(1)
    phone.click("#picture")
    phone.set_input_files(
        ".pictures input[type=file]",
        files=[{"name": "a.png", "mimeType": "image/png", "buffer": png()}],
    )
    expect(phone.locator(".line.person img")).to_have_count(2)
    media_id = world.upload(png())["media_id"]
    body = {"touser": openid, "msgtype": "image", "image": {"media_id": media_id}}
    world.mp("message/custom/send", body)
    image = phone.locator(".line.account img")
    expect(image).to_be_visible()
    assert image.evaluate("one => one.complete && one.naturalWidth") == 8
    assert events(world).count("message.image") == 2


def test_the_menu_of_the_account_is_tapped(phone: Page, world: World) -> None:
    person, _ = world.follower()
    menu = {
        "button": [
            {"type": "click", "name": "会员", "key": "K1"},
            {
                "name": "更多",
                "sub_button": [
                    {"type": "view", "name": "新品", "url": "https://e.com"}
                ],
            },
        ]
    }
    world.mp("menu/create", menu)
    open_chat(phone, world, person, "lin-service")
    phone.click("#menu >> text=会员")
    phone.click("#menu >> text=更多")
    phone.click("#menu >> text=新品")
    expect(phone.locator("#pushes")).to_contain_text("打开链接")
    assert events(world)[-2:] == ["event.CLICK", "event.VIEW"]


def test_a_code_is_scanned_and_the_account_left_and_joined_again(
    phone: Page, world: World
) -> None:
    scene = {"scene": {"scene_str": "湖滨店"}}
    body = {"action_name": "QR_LIMIT_STR_SCENE", "action_info": scene}
    world.mp("qrcode/create", body)
    person = world.person()
    open_chat(phone, world, person, "lin-service")
    phone.click("text=扫带参数的二维码关注")
    phone.click("dialog .picks >> text=湖滨店")
    expect(phone.locator("#compose")).to_be_visible()
    phone.click("#chat-more")
    phone.click("dialog >> text=扫二维码")
    phone.fill("dialog input[name=scene]", "收银台")
    phone.click("dialog button[type=submit]")
    expect(phone.locator("#chat")).to_contain_text("扫描了二维码 收银台")
    phone.click("#chat-more")
    phone.click("dialog >> text=取消关注")
    expect(phone.locator("#again")).to_contain_text("未关注")
    phone.click("#again >> text=关注")
    expect(phone.locator("#compose")).to_be_visible()
    assert events(world) == [
        "event.subscribe",
        "event.SCAN",
        "event.unsubscribe",
        "event.subscribe",
    ]


def test_a_colleague_is_added_greets_and_is_deleted(phone: Page, world: World) -> None:
    person = world.person()
    open_chat(phone, world, person, "lin-service")
    phone.click("text=加同事")
    phone.select_option("dialog select", "zhangsan")
    phone.fill("dialog input[name=state]", "门店A")
    phone.click("dialog button[type=submit]")
    expect(phone.locator("[data-address=zhangsan]")).to_be_visible()
    event = opened(world.console.wait(1)[0], world.accounts["lin-corp"])
    assert event["State"] == "门店A"
    body = {"welcome_code": event["WelcomeCode"], "text": {"content": "欢迎来到林间"}}
    world.qy("externalcontact/send_welcome_msg", body)
    expect(phone.locator(".line.account .bubble")).to_have_text("欢迎来到林间")
    phone.click("#chat-more")
    phone.click("dialog >> text=被同事删除")
    expect(phone.locator("#again")).to_contain_text("已不是好友")
    assert events(world, "lin-corp")[-1] == "contact.del_external_contact"


def test_customer_service_is_chatted_with(phone: Page, world: World) -> None:
    person = world.person()
    kf = world.accounts["lin-corp"]["kf_accounts"][0]["open_kfid"]
    open_chat(phone, world, person, kf)
    phone.fill("#text", "想退一单")
    phone.click("#send")
    expect(phone.locator(".line.person .bubble")).to_have_text("想退一单")
    body = {
        "touser": person["external_userid"],
        "open_kfid": kf,
        "msgtype": "text",
        "text": {"content": "好的"},
    }
    assert world.qy("kf/send_msg", body)["errcode"] == 0
    expect(phone.locator(".line.account .bubble")).to_have_text("好的")


def test_the_clock_is_moved_and_set_back(phone: Page, world: World) -> None:
    phone.click("text=+48 时")
    expect(phone.locator("#clock-offset")).to_have_text("快 2 天 0 时")
    phone.click("#clock-more")
    phone.fill("dialog input", "3")
    phone.select_option("dialog select", "3600")
    phone.click("dialog button[type=submit]")
    expect(phone.locator("#clock-offset")).to_have_text("快 2 天 3 时")
    phone.click("#clock-reset")
    expect(phone.locator("#clock-offset")).to_be_hidden()


def test_pushes_and_calls_open_in_full(phone: Page, world: World) -> None:
    world.post("push", retries=0)
    world.console.answers.append((500, b"kaputt", 0))
    _, openid = world.follower()
    world.write_to(openid, "全文在此")
    badge = phone.locator("#pushes .badge").first
    expect(badge).to_have_text("放弃 · HTTP 500")
    phone.click("#pushes button")
    expect(phone.locator("dialog")).to_contain_text("<![CDATA[subscribe]]>")
    expect(phone.locator("dialog")).to_contain_text("kaputt")
    phone.keyboard.press("Escape")
    phone.click("#calls button >> nth=0")
    expect(phone.locator("dialog")).to_contain_text("全文在此")


def test_faults_and_push_settings_are_set_by_hand(phone: Page, world: World) -> None:
    phone.click("#open-faults")
    phone.select_option("dialog select", "html")
    phone.fill("dialog input[type=number]", "2")
    phone.click("dialog button[type=submit]")
    expect(phone.locator("dialog table")).to_contain_text("还有 2 次")
    assert world.get("faults")[0]["fault"] == "html"
    expect(phone.locator("#fault-mark")).to_be_visible()
    phone.click("dialog >> text=全部清除")
    expect(phone.locator("dialog")).to_contain_text("现在没有故障")
    phone.keyboard.press("Escape")
    phone.click("#open-push")
    phone.fill("dialog input >> nth=0", "1")
    phone.click("dialog button[type=submit]")
    expect(phone.locator("#push-mark")).to_be_visible()
    assert world.get("push")["duplicates"] == 1


def test_an_accounts_mode_is_changed_and_its_url_checked(
    phone: Page, world: World
) -> None:
    phone.click("#open-accounts")
    phone.select_option("dialog select >> nth=1", "plain")
    expect(phone.locator("#toast")).to_contain_text("明文")
    world.console.verify = lambda slug, query: query["echostr"]
    phone.click("dialog >> text=验证 URL >> nth=0")
    expect(phone.locator("dialog")).to_contain_text("通过")
    assert world.get("accounts/lin-daily")["mode"] == "plain"


def test_a_narrow_screen_shows_one_part_at_a_time(phone: Page, world: World) -> None:
    world.follower()
    phone.set_viewport_size(NARROW)
    phone.goto(world.url)
    phone.click("#people button >> nth=0")
    expect(phone.locator("#compose")).to_be_visible()
    phone.click("[data-show=strip]")
    expect(phone.locator("#pushes li")).to_have_count(1)
    for view in ("people", "phone", "strip"):
        phone.click(f"[data-show={view}]")
        width = phone.evaluate("document.documentElement.scrollWidth")
        assert width == NARROW["width"], view


def test_a_stopped_simulator_is_said(phone: Page) -> None:
    phone.route("**/phone/state*", lambda route: route.abort())
    expect(phone.locator("#clock")).to_have_text("没有连接")
    phone.unroute("**/phone/state*")
    expect(phone.locator("#clock")).to_contain_text(":")


def lands(phone: Page, link: Locator, landing: str) -> None:
    """The link opens a tab, which WeChat sends back with a code."""
    with phone.context.expect_page() as opened_page:
        link.click()
    opened_page.value.wait_for_url(f"{landing}?code=*state=t1")
    opened_page.value.close()


def test_a_mass_message_shows_opens_and_tells_the_page_who_reads(
    phone: Page, world: World
) -> None:
    landing = world.console.url + "/landing"
    world.post("accounts/lin-service", web_domains=[urlsplit(landing).netloc])
    query = {
        "appid": world.accounts["lin-service"]["app_id"],
        "redirect_uri": landing,
        "response_type": "code",
        "scope": "snsapi_base",
        "state": "t1",
    }
    link = f"{world.url}/mp/connect/oauth2/authorize?{urlencode(query)}"
    content = f'<p>到店有礼，<a href="{escape(link)}">领取</a><script>x</script></p>'
    media_id = draft(world, content=content)
    person, openid = world.follower()
    touser = [openid, world.follower()[1]]
    said = {"touser": touser, "msgtype": "mpnews", "mpnews": {"media_id": media_id}}
    world.mp("message/mass/send", said)
    body = {"touser": touser, "msgtype": "text", "text": {"content": "点 " + link}}
    world.mp("message/mass/send", body)
    for size in (WIDE, NARROW):
        phone.set_viewport_size(size)
        open_chat(phone, world, person, "lin-service")
        expect(phone.locator(".articles b")).to_have_text("周年庆开始了")
        phone.click(".articles .lead")
        page = phone.frame_locator("#viewer-page")
        expect(page.locator("h1")).to_have_text("周年庆开始了")
        expect(page.locator("script")).to_have_count(0)
        lands(phone, page.locator("a >> text=领取"), landing)
        phone.click("#viewer-close")
        lands(phone, phone.locator(".bubble a[title]"), landing)
    phone.set_viewport_size(WIDE)
    phone.click("#open-mass")
    expect(phone.locator("dialog")).to_contain_text("周年庆开始了")
    expect(phone.locator("dialog .badge.ok")).to_have_count(2)
