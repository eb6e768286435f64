"""The bases of every page of the admin: django-unfold's, as this house uses them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # django-unfold has no types; what it adds to Django's classes nobody here calls.
    from django.contrib.admin import ModelAdmin as UnfoldModelAdmin
    from django.contrib.admin import StackedInline as UnfoldStackedInline
    from django.contrib.admin import TabularInline as UnfoldTabularInline
else:
    from unfold.admin import ModelAdmin as UnfoldModelAdmin
    from unfold.admin import StackedInline as UnfoldStackedInline
    from unfold.admin import TabularInline as UnfoldTabularInline


class ModelAdmin(UnfoldModelAdmin):
    """A form warns before typed work is lost."""

    warn_unsaved_form = True


class TabularInline(UnfoldTabularInline):
    """Rows of another table in a form, one a line; none repeats its own name above itself."""

    extra = 0
    hide_title = True


class StackedInline(UnfoldStackedInline):
    """Rows of another table in a form, one below the other."""

    extra = 0
