from django.contrib import admin

from django_clean_timestamps.admin import TimestampAdminMixin
from tests.browser.shop.models import Customer, Order


class ShopAdmin(TimestampAdminMixin, admin.ModelAdmin):
    pass


admin.site.register([Customer, Order], ShopAdmin)
