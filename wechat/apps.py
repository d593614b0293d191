"""App configuration; ready() fills the registries of the layers below."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WechatConfig(AppConfig):
    name = "wechat"
    verbose_name = _("Wechat")

    def ready(self) -> None:
        from wechat import intake, outgoing

        # Windows are open before anybody further up wants to answer.
        outgoing.register()
        intake.register()
