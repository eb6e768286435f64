"""Queues' part of `/api/v1/`."""

from django.urls import path

from control_plane.queues import views

urlpatterns = [
    path("draws/<int:item_id>/", views.Summary.as_view(), name="draw"),
    path("draws/<int:item_id>/record.csv", views.Rows.as_view(), name="draw-record"),
]
