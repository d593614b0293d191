"""What every operation of the API has in common: tokens, pages, refusals."""

import pytest
from rest_framework.test import APIClient

from staff import tokens
from staff.models import ApiToken, Staff
from tests.api.conftest import client_of

INBOX = "/api/v1/inbox"


@pytest.fixture
def manager(api, brand):
    return api("ops_manager", brand)


def test_no_token_is_401_and_says_which_scheme():
    answer = APIClient().get(INBOX)

    assert answer.status_code == 401
    assert answer.json()["code"] == "not_authenticated"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Bearer pd_x", "Token " + "pd_" + "A" * 43, "Bearer \x00é"],
)
def test_a_wrong_token_is_401(header):
    answer = APIClient().get(INBOX, HTTP_AUTHORIZATION=header)

    assert answer.status_code == 401
    assert answer.json()["code"] == "authentication_failed"


@pytest.mark.parametrize("scheme", ["Bearer", "Token", "bearer"])
def test_both_schemes_are_taken(make_staff, brand, scheme):
    person = make_staff("ops_manager", org_unit=brand.unit)
    token = tokens.issue(person, name="till", actor=person)

    answer = APIClient().get(INBOX, HTTP_AUTHORIZATION=f"{scheme} {token}")

    assert answer.status_code == 200


def test_a_deactivated_person_s_token_is_401_at_once(manager):
    Staff.objects.filter(pk=manager.person.pk).update(is_active=False)

    assert manager.get(INBOX).status_code == 401


def test_a_session_is_no_token(client, make_staff):
    client.force_login(make_staff("administrator", is_superuser=True))

    assert client.get(INBOX).status_code == 401


def test_the_last_use_of_a_token_is_kept_to_the_minute(manager):
    manager.get(INBOX)
    first = ApiToken.objects.get().last_used_at
    manager.get(INBOX)

    assert first is not None
    assert ApiToken.objects.get().last_used_at == first


def test_a_role_without_the_permission_is_403(api, brand):
    answer = api("agent", brand).get(INBOX)

    assert answer.status_code == 403
    assert answer.json()["code"] == "permission_denied"


def test_somebody_without_a_unit_sees_nothing(make_staff, brand):
    brand.inbound()
    client = client_of(make_staff("ops_manager"))

    assert client.get(INBOX).json()["results"] == []


def test_pages_lead_forth_and_back_without_counting(
    manager, brand, django_assert_num_queries
):
    ids = [brand.inbound().pk for _ in range(5)][::-1]

    first = manager.get(INBOX, {"page_size": 2}).json()
    second = manager.get(first["next"]).json()
    third = manager.get(second["next"]).json()
    again = manager.get(second["previous"]).json()

    pages = [
        [row["id"] for row in page["results"]] for page in (first, second, third, again)
    ]
    assert pages == [ids[:2], ids[2:4], ids[4:], ids[:2]]
    assert (first["previous"], third["next"], again["previous"]) == (None, None, None)


def test_rows_that_arrive_while_paging_shift_nothing(manager, brand):
    ids = [brand.inbound().pk for _ in range(4)][::-1]
    first = manager.get(INBOX, {"page_size": 2}).json()

    brand.inbound()
    second = manager.get(first["next"]).json()

    assert [row["id"] for row in second["results"]] == ids[2:]


def test_filters_stay_on_the_next_page(manager, brand):
    for state in ("dead", "done", "dead", "done", "dead"):
        brand.inbound(state=state)

    first = manager.get(INBOX, {"page_size": 2, "state": "dead"}).json()
    second = manager.get(first["next"]).json()

    assert [row["state"] for row in second["results"]] == ["dead"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("state=gone", "state"),
        ("state=", "state"),
        ("state=dead&state=done", "state"),
        ("stat=dead", "stat"),
        ("dedupe_key=a%00b", "dedupe_key"),
        ("dedupe_key=", "dedupe_key"),
        ("dedupe_key=" + "x" * 401, "dedupe_key"),
        ("cursor=", "cursor"),
        ("cursor=x1", "cursor"),
        ("cursor=n1%0A", "cursor"),
        ("cursor=n٣", "cursor"),
        ("cursor=n" + "9" * 19, "cursor"),
        ("cursor=n1.2", "cursor"),
        ("page_size=0", "page_size"),
        ("page_size=201", "page_size"),
        ("page_size=-1", "page_size"),
        ("page_size=1_0", "page_size"),
        ("page_size=٣", "page_size"),
        ("page_size=" + "9" * 5000, "page_size"),
    ],
)
def test_a_bad_parameter_is_400_and_named(manager, query, field):
    answer = manager.get(f"{INBOX}?{query}")

    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"
    assert list(answer.json()["extra"]["fields"]) == [field]


@pytest.mark.parametrize(
    "address",
    [
        "/api/v1/members/0",
        "/api/v1/members/99999999999999999999999999",
        "/api/v1/members/99999999999999999999999999/events",
        "/api/v1/members/-1",
        "/api/v1/members/x",
        "/api/v1/members/%00",
        "/api/v1/nothing",
        "/api/v1/",
    ],
)
def test_what_is_not_there_is_404_in_the_api_s_own_form(manager, address):
    answer = manager.get(address)

    assert answer.status_code == 404
    assert set(answer.json()) == {"code", "message", "extra"}


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "trace"])
def test_a_wrong_method_is_405_and_names_the_right_ones(manager, method):
    answer = getattr(manager, method)(INBOX)

    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    assert answer.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize("size", [70_000, 3_000_000])
def test_a_body_too_large_is_413_however_large(manager, size):
    answer = manager.post(
        "/api/v1/segments/estimate",
        b'{"rule": "' + b"x" * size + b'"}',
        content_type="application/json",
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_an_address_is_answered_with_and_without_its_slash(manager):
    assert manager.get(INBOX).status_code == 200
    assert manager.get(f"{INBOX}/").status_code == 200


def test_json_is_answered_whatever_is_asked_for(manager):
    answer = manager.get(INBOX, HTTP_ACCEPT="text/html")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"


def test_refusals_speak_the_language_of_the_token_s_person(api, brand):
    english = api("ops_manager", brand, language="en").get(f"{INBOX}?state=gone")
    chinese = api("ops_manager", brand, language="zh-hans").get(f"{INBOX}?state=gone")

    assert english.json()["message"] == "Some of what you sent is not valid."
    assert chinese.json()["message"] != english.json()["message"]


def test_answers_are_not_cached(manager):
    assert "no-store" in manager.get(INBOX).headers["Cache-Control"]


@pytest.mark.parametrize(
    ("address", "make"),
    [
        (INBOX, lambda side, _who: side.inbound()),
        ("/api/v1/outbox", lambda side, who: side.outbound(who)),
        ("/api/v1/members", lambda side, _who: side.member()),
        ("/api/v1/conversations", lambda side, _who: side.conversation()),
    ],
)
def test_a_list_costs_the_same_for_1_row_and_for_20(
    manager, brand, django_assert_num_queries, address, make
):
    make(brand, manager.person)
    manager.get(address)  # notes the use of the token
    # token, rights, rows, and for members their identities and tags
    expected = 5 if address.endswith("members") else 3
    with django_assert_num_queries(expected):
        assert len(manager.get(address).json()["results"]) == 1

    for _ in range(19):
        make(brand, manager.person)

    with django_assert_num_queries(expected) as queries:
        assert len(manager.get(address).json()["results"]) == 20
    assert not any("COUNT(" in query["sql"] for query in queries.captured_queries)
