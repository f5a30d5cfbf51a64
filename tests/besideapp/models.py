# mypy: ignore-errors
# The bases of other packages have no types, or types that their own order of bases breaks.
"""Entities that are something of another package as well, mixed in before our base and after it."""

import reversion
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db import models
from django_lifecycle import (
    AFTER_CREATE,
    AFTER_DELETE,
    AFTER_SAVE,
    AFTER_UPDATE,
    BEFORE_SAVE,
    BEFORE_UPDATE,
    LifecycleModelMixin,
    hook,
)
from django_lifecycle.conditions import WhenFieldHasChanged
from model_utils import Choices, FieldTracker
from model_utils.managers import InheritanceManager, SoftDeletableManager
from model_utils.models import SoftDeletableModel, StatusModel, TimeStampedModel
from ordered_model.models import OrderedModel, OrderedModelManager
from polymorphic.managers import PolymorphicManager
from polymorphic.models import PolymorphicModel
from simple_history.models import HistoricalRecords

from django_clean_timestamps.models import BaseTimestampEntity


class Refusing(BaseTimestampEntity):
    """Refuses one text."""

    text_field = "title"

    class Meta:
        abstract = True

    def __str__(self):
        return getattr(self, self.text_field)

    def _validate_entity(self):
        if str(self) == "forbidden":
            raise ValidationError({self.text_field: "This is forbidden."})


class Shelf(Refusing):
    name = models.CharField(max_length=50, default="")

    text_field = "name"


class Book(Refusing):
    """Plain; what factories, serializers, imports and admins write."""

    shelf = models.ForeignKey(Shelf, on_delete=models.CASCADE, null=True, blank=True, related_name="books")
    isbn = models.CharField(max_length=20, unique=True)
    title = models.CharField(max_length=50, default="")
    pages = models.IntegerField(default=0)

    touches = ("shelf",)


# django-model-utils


class Tracked(BaseTimestampEntity):
    name = models.CharField(max_length=50, default="")
    seen_at = models.DateTimeField(null=True)

    tracker = FieldTracker()


class TrackedName(BaseTimestampEntity):
    """Its tracker does not know the stamps."""

    name = models.CharField(max_length=50, default="")

    tracker = FieldTracker(fields=["name"])


class SoftFirst(SoftDeletableModel, BaseTimestampEntity):
    name = models.CharField(max_length=50, default="")

    # What it inherits warns, whenever it is asked, that it will hold the removed too.
    objects = SoftDeletableManager()


class SoftLast(BaseTimestampEntity, SoftDeletableModel):
    name = models.CharField(max_length=50, default="")


class StatusFirst(StatusModel, BaseTimestampEntity):
    STATUS = Choices("draft", "sent")


class StatusLast(BaseTimestampEntity, StatusModel):
    STATUS = Choices("draft", "sent")


class Place(BaseTimestampEntity):
    name = models.CharField(max_length=50, default="")

    objects = InheritanceManager()


class Restaurant(Place):
    seats = models.IntegerField(default=0)


class Bar(Place):
    stools = models.IntegerField(default=0)


class TimeStampedFirst(TimeStampedModel, BaseTimestampEntity):
    name = models.CharField(max_length=50, default="")


class TimeStampedLast(BaseTimestampEntity, TimeStampedModel):
    name = models.CharField(max_length=50, default="")


# django-simple-history


class Poll(Refusing):
    question = models.CharField(max_length=50, default="")

    text_field = "question"

    # The test apps have no migrations, so their tables are made before those of auth.
    history = HistoricalRecords(user_db_constraint=False)


class PollNoStamps(BaseTimestampEntity):
    """Leaves the stamps out of its history."""

    question = models.CharField(max_length=50, default="")

    history = HistoricalRecords(user_db_constraint=False, excluded_fields=["created_at", "updated_at"])


# django-polymorphic


def content_type_key():
    """Return polymorphic's own key without its constraint, see ``Poll``."""
    return models.ForeignKey(
        ContentType,
        null=True,
        editable=False,
        on_delete=models.CASCADE,
        related_name="polymorphic_%(app_label)s.%(class)s_set+",
        db_constraint=False,
    )


class ShapeFirst(PolymorphicModel, BaseTimestampEntity):
    name = models.CharField(max_length=50, default="")
    polymorphic_ctype = content_type_key()


class CircleFirst(ShapeFirst):
    radius = models.IntegerField(default=1)


class SquareFirst(ShapeFirst):
    side = models.IntegerField(default=1)


class ShapeLast(BaseTimestampEntity, PolymorphicModel):
    """The manager is that of the first base, as ever in Python, so polymorphic's own is named."""

    name = models.CharField(max_length=50, default="")
    polymorphic_ctype = content_type_key()

    objects = PolymorphicManager()


class CircleLast(ShapeLast):
    radius = models.IntegerField(default=1)


class SquareLast(ShapeLast):
    side = models.IntegerField(default=1)


class Drawing(BaseTimestampEntity):
    first = models.ForeignKey(ShapeFirst, on_delete=models.CASCADE, null=True)
    last = models.ForeignKey(ShapeLast, on_delete=models.CASCADE, null=True)

    touches = ("first", "last")


class ShapeUnnamed(BaseTimestampEntity, PolymorphicModel):
    """Does not name polymorphic's manager."""

    polymorphic_ctype = content_type_key()


class CircleUnnamed(ShapeUnnamed):
    pass


# django-ordered-model


class StepFirst(OrderedModel, BaseTimestampEntity):
    recipe = models.ForeignKey(Shelf, on_delete=models.CASCADE, null=True)
    name = models.CharField(max_length=50, default="")

    order_with_respect_to = "recipe"

    class Meta(OrderedModel.Meta):
        pass


class StepLast(BaseTimestampEntity, OrderedModel):
    recipe = models.ForeignKey(Shelf, on_delete=models.CASCADE, null=True)
    name = models.CharField(max_length=50, default="")

    order_with_respect_to = "recipe"

    objects = OrderedModelManager()

    class Meta(OrderedModel.Meta):
        pass


# django-lifecycle


class Hooks(models.Model):
    """What both articles hook; ``called`` tells which hooks ran."""

    name = models.CharField(max_length=50, default="")
    slug = models.CharField(max_length=50, default="")
    renames = models.IntegerField(default=0)

    class Meta:
        abstract = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.called = []

    @hook(BEFORE_SAVE)
    def make_slug(self):
        self.slug = self.name.lower()

    @hook(BEFORE_UPDATE)
    def note_before_update(self):
        self.called.append("before_update")

    @hook(AFTER_SAVE)
    def note_after_save(self):
        self.called.append("after_save")

    @hook(AFTER_CREATE)
    def note_after_create(self):
        self.called.append("after_create")

    @hook(AFTER_UPDATE, condition=WhenFieldHasChanged("name", has_changed=True))
    def count_rename(self):
        """Save within a hook."""
        self.renames += 1
        self.save(skip_hooks=True, update_fields=["renames"])

    @hook(AFTER_DELETE)
    def note_after_delete(self):
        self.called.append("after_delete")


class ArticleFirst(LifecycleModelMixin, Hooks, BaseTimestampEntity):
    pass


class ArticleLast(BaseTimestampEntity, LifecycleModelMixin, Hooks):
    pass


# django-reversion


@reversion.register()
class Page(Refusing):
    title = models.CharField(max_length=50, default="")


@reversion.register(exclude=("created_at", "updated_at"))
class PageNoStamps(Refusing):
    """Registered without its stamps."""

    title = models.CharField(max_length=50, default="")
