"""Public addresses of crm: what members open."""

from django.urls import path

from crm import preference_views

urlpatterns = [
    path("p/<str:token>", preference_views.show, name="crm_preferences"),
    path("p/of/<str:token>", preference_views.of_account, name="crm_preferences_of"),
    path("p/of/<str:token>/who", preference_views.who, name="crm_preferences_who"),
]
