"""Addresses of the workspace below /admin/, for core.registry.site_urls, and the public."""

from django.urls import path

from service import rating_views, views

urlpatterns = [
    path("r/<str:token>", rating_views.show, name="service_rating"),
]

SITE_URLS = [
    ("workspace/", views.page, "workspace"),
    ("workspace/team/", views.team, "workspace_team"),
    ("workspace/list/", views.rows, "workspace_list"),
    ("workspace/status/", views.status, "workspace_status"),
    ("workspace/here/", views.here, "workspace_here"),
    ("workspace/<int:pk>/", views.page, "workspace_conversation"),
    ("workspace/<int:pk>/desk/", views.desk, "workspace_desk"),
    ("workspace/<int:pk>/older/", views.older, "workspace_older"),
    ("workspace/<int:pk>/colleagues/", views.colleagues, "workspace_colleagues"),
    ("workspace/<int:pk>/phrases/", views.phrases, "workspace_phrases"),
    ("workspace/<int:pk>/do/<slug:verb>/", views.act, "workspace_act"),
]
