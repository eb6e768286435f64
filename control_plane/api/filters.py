"""What lists are narrowed by, where django-filter lets through what PostgreSQL does not take."""

from datetime import UTC
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django_filters import fields
from django_filters import rest_framework as filters


class _MomentField(fields.IsoDateTimeField):
    """In UTC: Python knows offsets of a day, PostgreSQL of 16 hours."""

    def to_python(self, value: Any) -> Any:
        """A moment. Raises ValidationError, also for one before the year 1."""
        moment = super().to_python(value)
        try:
            return None if moment is None else moment.astimezone(UTC)
        except OverflowError as error:
            raise forms.ValidationError(_("There is no such moment.")) from error


class MomentFilter(filters.IsoDateTimeFilter):
    """A moment by ISO 8601, with any offset."""

    field_class = _MomentField
