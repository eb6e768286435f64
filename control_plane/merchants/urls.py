"""Merchants' part of `/api/v1/`."""

from django.urls import path

from control_plane.merchants import api

urlpatterns = [path("demo/sessions", api.DemoSessions.as_view(), name="demo-sessions")]
