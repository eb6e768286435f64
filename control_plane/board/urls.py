"""`/board/`: the page, its renewals, the wall's page, and replays.

`/board/now.json` is answered before Django, see asgi.py.
"""

from django.urls import path

from control_plane.board import views

app_name = "board"
urlpatterns = [
    path("", views.page, name="page"),
    path("pass.json", views.renew, name="pass"),
    path("replay/<slug:slug>.json", views.replayed, name="replay"),
    path("walls/", views.make_wall, name="make_wall"),
    path("wall/", views.wall, name="wall"),
]
