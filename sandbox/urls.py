from django.urls import path, re_path

from sandbox import pages, shop_pages, web_auth
from sandbox.api.gateway import api
from sandbox.control import accounts, masses, people, plane

urlpatterns = [
    path("connect/oauth2/authorize", web_auth.authorize),
    path("mp/connect/oauth2/authorize", web_auth.authorize),
    # Early: nothing is asked for as often.
    re_path(r"^(?P<prefix>mp|qy)(?P<path>/.+)$", api),
    re_path(r"^(?P<path>(?:cgi-bin|sns)/.+)$", api),
    path("healthz", pages.healthz),
    path("media/<str:name>", pages.picture),
    path("control/accounts", accounts.collection),
    path("control/accounts/<str:slug>", accounts.member),
    path("control/accounts/<str:slug>/verify", accounts.verification),
    path("control/accounts/<str:slug>/deliver", accounts.delivery),
    path("control/people", people.collection),
    path("control/people/bulk", people.bulk_view),
    path("control/people/<str:person_id>", people.member),
    path("control/people/<str:person_id>/screen", people.screen_view),
    *[
        path(f"control/people/<str:person_id>/{name}", view)
        for name, view in people.deeds.items()
    ],
    path("control/mass", masses.collection),
    path("control/mass/<int:msg_id>", masses.member),
    path("control/mass/<int:msg_id>/confirm", masses.confirmation),
    path("control/mass/<int:msg_id>/refuse", masses.refusal),
    path("control/deliveries", masses.deliveries_view),
    path("control/calls", plane.calls_view),
    path("control/pushes", plane.pushes_view),
    path("control/push", plane.push_view),
    path("control/faults", plane.faults_view),
    path("control/clock", plane.clock_view),
    path("control/limits", plane.limits_view),
    path("control/codes", plane.codes_view),
    path("control/reset", plane.reset_view),
    path("control/shop", plane.shop_view),
    path("shop/", shop_pages.page),
    path("shop/buy", shop_pages.buy),
    path("shop/orders/<str:number>", shop_pages.act),
    path("", pages.phone),
    path("phone/state", pages.state),
    path("phone/open", pages.open_link),
    path("s/<str:sn>", pages.article),
    path("static/<path:name>", pages.static),
]
