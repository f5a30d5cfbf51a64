"""A REST API over entities, of the plainest kind."""

from django.core.exceptions import ValidationError
from django.urls import include, path
from rest_framework import routers, serializers, viewsets

from tests.besideapp.models import Book


class BookSerializer(serializers.ModelSerializer):
    class Meta:
        model = Book
        fields = "__all__"


class Books(viewsets.ModelViewSet):
    queryset = Book.objects.order_by("pk")
    serializer_class = BookSerializer
    authentication_classes = ()


class AnsweringBooks(Books):
    """Answers for what a write refuses: REST framework does so only for errors of its own."""

    def handle_exception(self, exc):
        if isinstance(exc, ValidationError):
            exc = serializers.ValidationError(serializers.as_serializer_error(exc))
        return super().handle_exception(exc)


router = routers.SimpleRouter()
router.register("books", Books)
router.register("answering-books", AnsweringBooks, basename="answering-book")

urlpatterns = [path("", include(router.urls))]
