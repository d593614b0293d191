"""Public addresses of the campaigns: what stands in messages."""

from django.urls import path

from campaigns import click_views

urlpatterns = [
    path("l/<str:token>", click_views.follow, name="campaigns_link"),
    path("l/<str:token>/who", click_views.come_back, name="campaigns_link_return"),
]
