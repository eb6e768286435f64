"""Queues' part of `/api/v1/`."""

from django.urls import path

from control_plane.queues import views

urlpatterns = [
    path("draws/<int:item_id>/", views.summary, name="draw"),
    path("draws/<int:item_id>/record.csv", views.rows, name="draw-record"),
]
