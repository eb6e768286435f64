"""The schema and the page to read it by."""

from django.urls import path

from control_plane.api import schema_views

urlpatterns = [
    path("schema/", schema_views.SchemaView.as_view(), name="api-schema"),
    path("docs/", schema_views.DocsView.as_view(), name="api-docs"),
]
