"""Forms that know nothing of the admin's look get it here, one place for all of them."""

from typing import TypeVar

from django import forms
from django.forms.widgets import Input
from unfold import widgets

Dressed = TypeVar("Dressed", bound=forms.BaseForm)

# The first that fits: a switch is a CheckboxInput, a text area no Input.
CLASSES: tuple[tuple[type[forms.Widget], list[str]], ...] = (
    (forms.CheckboxInput, widgets.SWITCH_CLASSES),
    (forms.Textarea, widgets.TEXTAREA_CLASSES),
    (forms.CheckboxSelectMultiple, widgets.CHECKBOX_CLASSES),
    (forms.RadioSelect, widgets.RADIO_CLASSES),
    (forms.Select, widgets.SELECT_CLASSES),
    (Input, widgets.INPUT_CLASSES),
)
# Django's own admin sizes its fields by these; here they would only name what does nothing.
DJANGOS = {"vTextField", "vLargeTextField", "vIntegerField", "vURLField"}


def dressed(form: Dressed) -> Dressed:
    """The same form, whose widgets look like the admin's; classes a field has of its own stay."""
    for field in form.fields.values():
        widget = field.widget
        if isinstance(widget, forms.MultiWidget):
            continue  # its attributes would take the place of those of its parts
        fitting = next((names for kind, names in CLASSES if isinstance(widget, kind)), [])
        own = [name for name in widget.attrs.get("class", "").split() if name not in DJANGOS]
        widget.attrs["class"] = " ".join(dict.fromkeys([*own, *fitting]))
        if type(widget) is forms.Select:
            # With the arrow that the classes take away.
            widget.template_name = widgets.UnfoldAdminSelectWidget.template_name
    return form
