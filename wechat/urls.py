"""Addresses of the gateway outside the admin site."""

from django.urls import path

from wechat import media_view

urlpatterns = [path("media/<int:pk>/", media_view.show, name="media")]
