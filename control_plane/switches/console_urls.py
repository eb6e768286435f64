"""The console, in front of the admin's own addresses and behind its login."""

from django.contrib import admin
from django.urls import path

from control_plane.switches import console_views as views

guard = admin.site.admin_view
app_name = "switch_console"
urlpatterns = [
    path("", guard(views.page), name="page"),
    path("state/", guard(views.state), name="state"),
    path("throw/<slug:name>/", guard(views.throw), name="throw"),
    path("revert/<int:pk>/", guard(views.revert), name="revert"),
    path("preset/<slug:name>/", guard(views.throw_preset), name="preset"),
    path("preset/<slug:name>/revert/", guard(views.revert_preset), name="preset-revert"),
]
