"""All addresses of the console but the callbacks, which wsgi.py serves itself."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from privatedomain import health
from wechat import verify_files

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="root"),
    path("readyz", health.readyz, name="readyz"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("privatedomain.api")),
    re_path(rf"^(?P<name>{verify_files.NAME})$", verify_files.serve),
    path("", include("wechat.urls")),
    path("", include("crm.urls")),
    path("", include("campaigns.urls")),
    path("", include("service.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
]
