from django.urls import path

from tests.besideapp.admin import unfold_site

urlpatterns = [path("admin/", unfold_site.urls)]
